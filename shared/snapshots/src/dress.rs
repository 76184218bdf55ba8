//! One value in the dress of several writers: padded, as a float, a UUID in capitals, or a word for null.

use std::borrow::Cow;

/// The words that stand for null in formats that have no null of their own, or whose writers did not use it.
const NULLS: [&[u8]; 11] =
    [b"null", b"nan", b"none", b"undefined", b"nil", b"na", b"n/a", b"#n/a", b"<na>", b"(null)", b"\\n"];

/// Whether a text of a text file is a word for null, in whatever case: `NA` is how R writes one, `#N/A` a spreadsheet.
pub(crate) fn is_null_word(text: &[u8]) -> bool {
    let may_be =
        text.first().is_some_and(|first| matches!(first, b'n' | b'N' | b'u' | b'U' | b'<' | b'(' | b'#' | b'\\'));
    may_be && text.len() <= 9 && NULLS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// What nobody sees, in UTF-8: the space that does not break, the space without a width, and the mark that files begin with.
const UNSEEN: [&[u8]; 3] = [b"\xC2\xA0", b"\xE2\x80\x8B", b"\xEF\xBB\xBF"];

/// Cuts the NULs and spaces with which columns of a fixed length are filled up, spaces before, and what nobody sees at both ends.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    loop {
        let end = text.iter().rposition(|c| !matches!(c, 0 | b' ' | b'\t' | b'\r' | b'\n')).map_or(0, |last| last + 1);
        text = text[..end].trim_ascii_start();
        let cut = UNSEEN.iter().find_map(|unseen| text.strip_prefix(*unseen).or_else(|| text.strip_suffix(*unseen)));
        match cut {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// Whether [`id`] would change an id; false for nearly all.
#[inline]
pub(crate) fn is_dressed(text: &[u8]) -> bool {
    let ([first, ..], [.., last]) = (text, text) else { return false };
    // The last bytes of what nobody sees end few other letters.
    if *first <= b' ' || *last <= b' ' || matches!(*first, 0xC2 | 0xE2 | 0xEF) || matches!(*last, 0xA0 | 0x8B | 0xBF) {
        return true;
    }
    // A number with a point, with a comma among its first digits or with a plus among its last. Most ids end here, with a look at two
    // bytes.
    if last.is_ascii_digit() && (first.is_ascii_digit() || *first == b'-') {
        let comma_at = if *first == b'-' { 2..5 } else { 1..4 };
        let may_be_in_groups = text.get(comma_at).is_some_and(|bytes| bytes.contains(&b','));
        let may_be_rounded = text[text.len().saturating_sub(4)..].contains(&b'+');
        if may_be_in_groups || may_be_rounded || (*last == b'0' && text.contains(&b'.')) {
            return true;
        }
    }
    // Of a known length, and without a branch for each byte.
    let has_uppercase = |text: &[u8; 36]| text.iter().fold(0, |any, c| any | u8::from(c.wrapping_sub(b'A') < 26)) != 0;
    <&[u8; 36]>::try_from(text).is_ok_and(|uuid| uuid[8] == b'-' && has_uppercase(uuid))
}

/// An id without its dress: without padding, an integer that was written as a float (`1000.0`) as the integer, a UUID in
/// lower case.
pub(crate) fn id(text: &[u8]) -> Cow<'_, [u8]> {
    let text = trimmed(text);
    if is_uuid(text) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(whole(text).unwrap_or(text))
}

/// Whether two names are the same but for padding, and for the case of a UUID.
pub(crate) fn same(text: &[u8], ours: &[u8]) -> bool {
    let text = trimmed(text);
    text == ours || (is_uuid(text) && text.eq_ignore_ascii_case(ours))
}

/// What a text is that was an integer before somebody meant it to look nice.
pub(crate) fn nearly_number(text: &[u8]) -> Option<&'static str> {
    if has_thousands(text) {
        return Some("a number with thousands separators");
    }
    is_rounded(text).then_some("a number as a spreadsheet rounds it, such as 1.2E+15")
}

/// Whether a text is a number as spreadsheets show long ones: `1.23457E+15`.
fn is_rounded(text: &[u8]) -> bool {
    let text = trimmed(text);
    let Some(plus) = text.iter().position(|c| *c == b'+') else { return false };
    let (number, exponent) = (&text[..plus], &text[plus + 1..]);
    let number = number.strip_suffix(b"E").or_else(|| number.strip_suffix(b"e")).unwrap_or_default();
    let is_mantissa = match number.strip_prefix(b"-").unwrap_or(number) {
        [first] => first.is_ascii_digit(),
        [first, b'.' | b',', rest @ ..] => {
            first.is_ascii_digit() && !rest.is_empty() && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    is_mantissa && matches!(exponent.len(), 1..=3) && exponent.iter().all(u8::is_ascii_digit)
}

/// Whether a text is an integer whose digits are in groups: `1,000`, `1,234,567.0`.
fn has_thousands(text: &[u8]) -> bool {
    let text = trimmed(text);
    let point = text.iter().position(|c| *c == b'.').filter(|&at| text[at + 1..].iter().all(|c| *c == b'0'));
    let integer = &text[..point.unwrap_or(text.len())];
    let mut groups = integer.strip_prefix(b"-").unwrap_or(integer).split(|c| *c == b',');
    let is_group = |group: &[u8]| group.len() == 3 && group.iter().all(u8::is_ascii_digit);
    let first = groups.next().is_some_and(|group| matches!(group.len(), 1..=3) && group.iter().all(u8::is_ascii_digit));
    let mut rest = groups.peekable();
    first && rest.peek().is_some() && rest.all(is_group)
}

/// The integer before a point and zeros.
fn whole(text: &[u8]) -> Option<&[u8]> {
    let point = text.iter().position(|c| *c == b'.')?;
    let (integer, zeros) = (&text[..point], &text[point + 1..]);
    let digits = integer.strip_prefix(b"-").unwrap_or(integer);
    let is_whole = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && !zeros.is_empty();
    (is_whole && zeros.iter().all(|c| *c == b'0')).then_some(integer)
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// The integer that a double is, as an id; `None` where it is none, or where a double no longer tells it from the next.
pub(crate) fn id_of_double(value: f64) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then(|| format!("{}", value + 0.0))
}

/// The id of a column of bytes: sixteen bytes that are no text are those of a UUID.
pub(crate) fn id_of_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_text = || std::str::from_utf8(trimmed(bytes)).is_ok_and(|text| !text.chars().any(char::is_control));
    match bytes.len() {
        16 if !is_text() => Cow::Owned(uuid_text(bytes)),
        _ => id(bytes),
    }
}

/// Sixteen bytes as the text of a UUID.
pub(crate) fn uuid_text(bytes: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    let mut text = Vec::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_for_null() {
        for word in
            ["NULL", "Null", "NaN", "None", "NONE", "undefined", "nil", "NA", "N/A", "#N/A", "<NA>", "(null)", "\\N"]
        {
            assert!(is_null_word(word.as_bytes()), "{word}");
        }
        for word in ["", "n", "nobody", "NAN1", "na-1", "unknown", "0", "\\", "#1", "none@example.org"] {
            assert!(!is_null_word(word.as_bytes()), "{word}");
        }
    }

    fn undressed(text: &str) -> String {
        String::from_utf8(id(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn ids_lose_their_dress() {
        for (dressed, plain) in [
            ("u1", "u1"),
            ("1000.0", "1000"),
            ("-7.00", "-7"),
            ("1000.5", "1000.5"),
            ("1000.", "1000."),
            (".0", ".0"),
            ("v1.0", "v1.0"),
            ("1.0.0", "1.0.0"),
            ("ab\0\0\0", "ab"),
            ("ab   ", "ab"),
            (" ab", "ab"),
            ("\0\0", ""),
            ("1000.0\0", "1000"),
            ("0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5b-d9cb-469f-a165-70867728950e"),
            ("0F8FAD5B-D9CB-469F-A165-70867728950G", "0F8FAD5B-D9CB-469F-A165-70867728950G"),
            ("ABC", "ABC"),
            ("\u{a0}1000\u{200b}", "1000"),
            ("\u{feff} 1000.0 \u{a0}\0", "1000"),
            ("\u{a0}", ""),
            ("e\u{a0}e", "e\u{a0}e"),
            ("п", "п"),
        ] {
            assert_eq!(undressed(dressed), plain, "{dressed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_not_dressed_stays_as_it_is(text in "[ \\x00A-Fa-f0-9.\u{a0}\u{200b}éп-]{0,37}|[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}") {
            if !is_dressed(text.as_bytes()) {
                prop_assert_eq!(undressed(&text), text);
            }
        }

        #[test]
        fn integers_in_groups_are_dressed(text in " ?-?[0-9]{1,3}(,[0-9]{3}){1,4}(\\.0{1,2})?[ \\x00]?") {
            prop_assert!(nearly_number(text.as_bytes()).is_some() && is_dressed(text.as_bytes()), "{:?}", text);
        }

        #[test]
        fn rounded_numbers_are_dressed(text in " ?-?[0-9](\\.[0-9]{1,9})?[Ee]\\+[0-9]{1,3}[ \\x00]?") {
            prop_assert!(nearly_number(text.as_bytes()).is_some() && is_dressed(text.as_bytes()), "{:?}", text);
        }
    }

    #[test]
    fn integers_in_groups() {
        for text in ["1,000", "12,345,678", "1,000.0", "-1,000", " 999,999 "] {
            assert!(has_thousands(text.as_bytes()), "{text}");
        }
        for text in ["1000", "1,00", "1,0000", ",000", "a,000", "1,000,", "1000,000", "1,000 u", ""] {
            assert!(!has_thousands(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn rounded_numbers() {
        for text in ["1.23457E+15", "1E+15", "-2,5e+09", " 1.003E+03 "] {
            assert!(is_rounded(text.as_bytes()), "{text}");
        }
        // What may be the id of somebody.
        for text in
            ["1234E15", "1e15", "12E+15", "1.E+15", "E+15", "1.5E+", "1.5E+1234", "a.5E+15", "1.5E+1a", "+15", ""]
        {
            assert!(!is_rounded(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn doubles_that_are_integers() {
        assert_eq!(id_of_double(1000.0).as_deref(), Some("1000"));
        assert_eq!(id_of_double(-0.0).as_deref(), Some("0"));
        assert_eq!(id_of_double(9_007_199_254_740_992.0).as_deref(), Some("9007199254740992"));
        for value in [0.5, 1e17, f64::NAN, f64::INFINITY] {
            assert_eq!(id_of_double(value), None, "{value}");
        }
    }

    #[test]
    fn sixteen_bytes() {
        let uuid = [0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f, 0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95, 0x0e];
        assert_eq!(id_of_bytes(&uuid).as_ref(), b"0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(id_of_bytes(b"user-0000000001\0").as_ref(), b"user-0000000001");
        assert_eq!(id_of_bytes(b"0123456789abcdef").as_ref(), b"0123456789abcdef");
    }
}
