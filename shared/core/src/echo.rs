//! Echoes: names and values from outside as messages quote them. They are cut, so that no message grows with what it quotes.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

/// Characters of a name or a value that a message quotes.
pub const MOST_CHARACTERS: usize = 200;

/// Items of a list that a message names.
pub const MOST_ITEMS: usize = 20;

/// A text, cut after so many characters; how many more there are is said.
#[must_use]
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}… ({} more characters)", &text[..end], text[end..].chars().count())),
    }
}

/// A name or a text in quotes, with what does not print escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} more characters)", &text[..end], text[end..].chars().count()),
    }
}

/// A value as it is written, JSON for one of JSON.
#[must_use]
pub fn value(value: impl Display) -> String {
    cut(&value.to_string(), MOST_CHARACTERS).into_owned()
}

/// The first items of a list, and how many more there are.
#[must_use]
pub fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let (mut text, mut more) = (String::new(), 0);
    for (i, item) in items.into_iter().enumerate() {
        if i >= MOST_ITEMS {
            more += 1;
            continue;
        }
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(&cut(item.as_ref(), MOST_CHARACTERS));
    }
    if more > 0 {
        // Writing to a text does not fail.
        let _ = write!(text, " and {more} more");
    }
    text
}

/// What serde says of a value that is not of its type. It quotes the value whole; what it expected comes last, and stays.
#[must_use]
pub fn of_serde(message: &str) -> String {
    let end = message.rfind(", expected ").unwrap_or(message.len());
    let (quoting, expected) = message.split_at(end);
    format!("{}{}", cut(quoting, MOST_CHARACTERS), cut(expected, 5 * MOST_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_quoted_as_it_is() {
        assert_eq!(quoted("a\n\"b\""), r#""a\n\"b\"""#);
        assert_eq!(value(1.5), "1.5");
        assert_eq!(list(["a", "b"]), "a, b");
        assert_eq!(of_serde("unknown field `a`, expected `b`"), "unknown field `a`, expected `b`");
    }

    #[test]
    fn what_is_long_is_cut_and_the_rest_is_counted() {
        let long = "ä".repeat(1_000_000);
        assert_eq!(quoted(&long), format!("{:?}… (999800 more characters)", "ä".repeat(200)));
        assert_eq!(cut(&long, 3), "äää… (999997 more characters)");
        let names: Vec<String> = (0..74_000).map(|n| format!("n{n}")).collect();
        let listed = list(&names);
        assert!(listed.starts_with("n0, n1, ") && listed.ends_with("n18, n19 and 73980 more"), "{listed}");
        // A name may itself say what was expected.
        let told = of_serde(&format!("unknown field `{long}, expected `, expected `name` or `status`"));
        assert!(told.len() < 700 && told.ends_with("characters), expected `name` or `status`"), "{told}");
    }
}
