//! Text from outside on a terminal: control characters and those that turn the direction of writing are shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal, or a reader's eye, would take a character for something else than one that is shown.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // marks of direction, embeddings, overrides, isolates
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // separators of lines and paragraphs, characters without width, tags
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn replaced<'t>(text: &'t str, kept: &[char], shown: impl Fn(char) -> String) -> Cow<'t, str> {
    let replaces = |c: char| is_unseen(c) && !kept.contains(&c);
    if !text.contains(replaces) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if replaces(c) {
            let _ = write!(out, "{}", shown(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn escaped(c: char) -> String {
    match c {
        '\n' | '\r' | '\t' => c.escape_default().to_string(),
        _ => c.escape_unicode().to_string(),
    }
}

/// One value: `\n` for a line's end, `\u{1b}` for an escape character.
pub(crate) fn value(text: &str) -> Cow<'_, str> {
    replaced(text, &[], escaped)
}

/// Text of several lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, &['\n'], escaped)
}

/// JSON, which stays the same JSON: what is replaced can only be within its strings.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    replaced(text, &['\n'], |c| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().fold(String::new(), |mut text, unit| {
            let _ = write!(text, "\\u{unit:04x}");
            text
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            ("Zürich – 東京 🚀 é", "Zürich – 東京 🚀 é"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\u{7f}\u{0}", "\\u{7f}\\u{0}"),
            ("in\u{200b}visible", "in\\u{200b}visible"),
        ] {
            assert_eq!(value(text), shown);
        }
        assert_eq!(lines("a\nb\u{7}"), "a\nb\\u{7}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let original = serde_json::json!({"a\u{202e}": ["\u{9b}2J", "\u{e0041}", "\u{1b}", "ü"]});
        let text = format!("{original:#}");
        let shown = json(&text);
        assert!(!shown.contains(is_unseen_in_json), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), original);
    }

    fn is_unseen_in_json(c: char) -> bool {
        is_unseen(c) && c != '\n'
    }
}
