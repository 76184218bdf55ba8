//! Times as text, in the spellings of writers that can be read in one way only.

use super::zone::offset;
use super::{BAD, DAY, MICROS, clock, days, from_double, from_epoch, from_unit};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Microseconds of a time that is written as text:
/// - a date in the order year, month, day, alone (midnight), or with a time of day after a `T` or a space. Seconds may be
///   missing, fractions come after a point or a comma (digits beyond the sixth are dropped), `AM` and `PM` are read. Without a zone it
///   is UTC; see [`offset`] for the zones;
/// - the same without separators (`20260102T030405Z`);
/// - as mail, Java, C and JavaScript write it, with the month as a word: `Fri, 02 Jan 2026 03:04:05 GMT`,
///   `Fri Jan 02 03:04:05 UTC 2026`, `Fri Jan 02 2026 03:04:05 GMT+0000 (…)`;
/// - a number, see [`from_epoch`] and [`from_double`];
/// - any of these in quotes, in `ISODate(…)` or in `/Date(…)/`.
///
/// [`BAD`] where it is none of these.
pub(crate) fn from_text(text: &str) -> i64 {
    parse(undressed(text)).unwrap_or(BAD)
}

/// Whether a text that is no time looks as if it were meant as one.
pub(crate) fn is_nearly(text: &str) -> bool {
    let text = text.trim();
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    (3..=40).contains(&digits) && text.chars().count() <= 80 && !is_void(text) && (date_like(text) || number_like(text))
}

/// Whether a text is in a spelling that is read, with a day or hour that does not exist.
fn is_void(text: &str) -> bool {
    let date = || {
        let (year, rest) = digits(text, 4)?;
        let (month, rest) = short(rest.strip_prefix(['-', '/'])?)?;
        let (day, rest) = short(rest.strip_prefix(['-', '/'])?)?;
        let time = |rest: &str| {
            let (hour, rest) = short(rest.strip_prefix(['T', 't', ' '])?)?;
            let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
            let second = rest.strip_prefix(':').and_then(|rest| digits(rest, 2)).map_or(0, |(second, _)| second);
            Some(clock(hour, minute, second).is_none())
        };
        Some(days(year, month, day).is_none() || time(rest).unwrap_or(false))
    };
    date().unwrap_or(false)
}

/// Numbers between separators of dates, or a month in words.
fn date_like(text: &str) -> bool {
    let month = |word: &str| word.len() >= 3 && MONTHS.iter().any(|m| word[..3].eq_ignore_ascii_case(m));
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    let parts = text.split(|c: char| !c.is_numeric()).filter(|part| !part.is_empty()).count();
    let starts = text.starts_with(char::is_numeric);
    // Also with the signs, spaces and digits of other languages: 6/1/2026, 3:04 PM with a narrow space; 2026年6月1日.
    let separated = text.contains([':', '/', '-', '.', ',']) || !text.is_ascii();
    (starts && separated && parts >= 2 && !text.contains(char::is_control)) || (parts >= 2 && words.any(month))
}

/// A number with separators in it.
fn number_like(text: &str) -> bool {
    let is_separator = |c: u8| matches!(c, b',' | b'.' | b' ' | b'\'' | b'_');
    text.bytes().any(is_separator) && text.bytes().all(|c| c.is_ascii_digit() || is_separator(c))
}

/// The text within quotes or a call.
fn undressed(text: &str) -> &str {
    let text = text.trim_ascii();
    let within = |start: &str, end: &str| text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    let called = within("/Date(", ")/").or_else(|| within("\\/Date(", ")\\/")).or_else(|| within("ISODate(", ")"));
    let text = called.unwrap_or(text).trim_ascii();
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).map_or(text, str::trim_ascii)
}

fn parse(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    match text.as_bytes() {
        [y @ .., b'-' | b'/' | b'.', _, _, b'-' | b'/' | b'.', _, _] if y.len() == 4 => separated(text),
        [a, b, c, d, b'-' | b'/', ..] if [a, b, c, d].iter().all(|c| c.is_ascii_digit()) => separated(text),
        [first, ..] if first.is_ascii_alphabetic() => in_words(text),
        [first, ..] if first.is_ascii_digit() && text.bytes().any(|c| matches!(c, b' ' | b'T' | b't' | b'Z')) => {
            compact(text).or_else(|| in_words(text))
        }
        _ => number(text),
    }
}

/// A number of seconds or finer units.
fn number(text: &str) -> Option<i64> {
    if let Ok(count) = text.parse() {
        return Some(from_epoch(count));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !is_digits(digits) || !is_digits(fraction) {
        let double: f64 = text.parse().ok()?;
        return text.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| from_double(double));
    }
    let count: i64 = whole.parse().ok()?;
    if fraction.bytes().all(|c| c == b'0') {
        return Some(from_epoch(count));
    }
    // Exactly, where a double would have no microseconds left.
    let per_second = super::unit(count);
    let micros = fraction_micros(fraction)? / per_second;
    let time = from_unit(count, per_second);
    Some(if time == BAD {
        BAD
    } else if whole.starts_with('-') {
        time - micros
    } else {
        time + micros
    })
}

/// The microseconds of the digits after a point, of a second.
fn fraction_micros(digits: &str) -> Option<i64> {
    let kept = &digits[..digits.len().min(6)];
    let scale = 10_i64.pow(u32::try_from(6 - kept.len()).ok()?);
    Some(kept.parse::<i64>().ok()? * scale)
}

fn digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let number = text.get(..count).filter(|number| number.bytes().all(|c| c.is_ascii_digit()))?;
    Some((number.parse().ok()?, &text[count..]))
}

/// One or two digits.
fn short(text: &str) -> Option<(i64, &str)> {
    digits(text, 2).or_else(|| digits(text, 1))
}

/// `2026-01-02`, with a time of day after it or not.
fn separated(text: &str) -> Option<i64> {
    let (year, rest) = digits(text, 4)?;
    let separator = rest.chars().next()?;
    let (month, rest) = short(rest.strip_prefix(separator)?)?;
    let (day, rest) = short(rest.strip_prefix(separator)?)?;
    let days = days(year, month, day)? * DAY;
    match rest.chars().next() {
        Some('T' | 't' | ' ') if rest[1..].trim_ascii_start().starts_with(|c: char| c.is_ascii_digit()) => {
            Some(days + of_day(rest[1..].trim_ascii_start())?)
        }
        _ => Some(days - offset(rest)? * MICROS),
    }
}

/// `03:04`, `03:04:05`, with a fraction, with `AM` or `PM`, and the zone; as microseconds.
fn of_day(text: &str) -> Option<i64> {
    let (mut hour, rest) = short(text)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 2)?,
        None => (0, rest),
    };
    let (micros, rest) = fraction(rest)?;
    let word = rest.trim_ascii_start();
    let half = word.get(..2).filter(|_| word.len() == 2 || word[2..].starts_with(' '));
    let rest = match half {
        Some(half) if half.eq_ignore_ascii_case("AM") || half.eq_ignore_ascii_case("PM") => {
            let after_noon = half.eq_ignore_ascii_case("PM");
            hour = (1..=12).contains(&hour).then_some(hour % 12 + if after_noon { 12 } else { 0 })?;
            &word[2..]
        }
        _ => rest,
    };
    Some((clock(hour, minute, second)? - offset(rest)?) * MICROS + micros)
}

/// The microseconds of `.123456789…`, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let length = rest.bytes().take_while(|c| c.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    Some((fraction_micros(&rest[..length])?, &rest[length..]))
}

/// `20260102T030405Z`, `20260102 03:04:05`, `20260102Z`.
fn compact(text: &str) -> Option<i64> {
    let (date, rest) = digits(text, 8)?;
    let days = days(date / 10_000, date / 100 % 100, date % 100)? * DAY;
    let Some(time) = rest.strip_prefix(['T', 't', ' ']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return Some(days - offset(rest)? * MICROS);
    };
    if time.as_bytes().get(2) == Some(&b':') {
        return Some(days + of_day(time)?);
    }
    let length = time.bytes().take_while(|c| c.is_ascii_digit()).count();
    let (number, rest) = digits(time, length)?;
    let number = match length {
        4 => number * 100,
        6 => number,
        _ => return None,
    };
    let (micros, rest) = fraction(rest)?;
    let seconds = clock(number / 10_000, number / 100 % 100, number % 100)?;
    Some(days + (seconds - offset(rest)?) * MICROS + micros)
}

/// A date with the month as a word, which cannot be taken for the day.
fn in_words(text: &str) -> Option<i64> {
    let weekday = |word: &str| word.len() >= 3 && WEEKDAYS.iter().any(|day| word[..3].eq_ignore_ascii_case(day));
    let mut rest = text;
    if let Some((first, after)) = text.split_once([' ', ',']).filter(|(first, _)| weekday(first)) {
        let _ = first;
        rest = after.trim_ascii_start();
    }
    let (day, month, mut rest) = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (day, rest) = short(rest)?;
        let (month, rest) = month(rest.trim_start_matches([' ', '-']))?;
        (day, month, rest)
    } else {
        let (month, rest) = month(rest)?;
        let (day, rest) = short(rest.trim_ascii_start())?;
        (day, month, rest)
    };
    rest = rest.trim_start_matches([' ', ',', '-']);
    if let Some((year, time)) = digits(rest, 4).filter(|(_, rest)| rest.is_empty() || rest.starts_with([' ', 'T'])) {
        let time = time.trim_start_matches([' ', 'T']);
        let days = days(year, month, day)? * DAY;
        return if time.is_empty() { Some(days) } else { Some(days + of_day(time)?) };
    }
    // Java and C have the year behind the zone.
    let (time, year) = rest.rsplit_once(' ')?;
    let (year, rest) = digits(year, 4)?;
    if !rest.is_empty() {
        return None;
    }
    Some(days(year, month, day)? * DAY + of_day(time)?)
}

/// The number of a month that is a word, short or long, in English.
fn month(text: &str) -> Option<(i64, &str)> {
    const LONG: [&str; 12] = ["uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember"];
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = text.split_at(length);
    let number = MONTHS.iter().position(|m| word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(m)))?;
    let tail = &word[3..];
    let known = tail.is_empty() || tail.eq_ignore_ascii_case(LONG[number]) || (number == 8 && tail == "t");
    known.then_some((i64::try_from(number).ok()? + 1, rest.strip_prefix('.').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_767_323_045_000_000; // 2026-01-02 03:04:05 UTC
    const MIDNIGHT: i64 = 1_767_312_000_000_000;

    #[test]
    fn texts() {
        for (text, micros) in [
            ("2026-01-02T03:04:05Z", T),
            ("2026-01-02t03:04:05z", T),
            ("2026-01-02 03:04:05", T),
            (" 2026-01-02 03:04:05 UTC ", T),
            ("2026-01-02T05:04:05+02:00", T),
            ("2026-01-01 22:34:05-0430", T),
            ("2026-01-02 03:04:05+00", T),
            ("2026-01-02T03:04:05.5", T + 500_000),
            ("2026-01-02T03:04:05.123456Z", T + 123_456),
            ("2026-01-02T03:04:05.123456999Z", T + 123_456),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
            ("2000-03-01T00:00:00Z", 951_868_800_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("1767323045", T),
            ("1767323045123", T + 123_000),
            // Without seconds, with a fraction after a comma, with a date alone.
            ("2026-01-02T03:04Z", T - 5_000_000),
            ("2026-01-02 03:04", T - 5_000_000),
            ("2026-01-02T05:04+02:00", T - 5_000_000),
            ("2026-01-02 03:04:05,123", T + 123_000),
            ("2026-01-02 03:04:05,5 +0000", T + 500_000),
            ("2026-01-02", MIDNIGHT),
            ("2026-1-2", MIDNIGHT),
            ("2026/01/02", MIDNIGHT),
            ("2026-01-02Z", MIDNIGHT),
            ("2026-01-02+02:00", MIDNIGHT - 7_200_000_000),
            ("2026/01/02 03:04:05", T),
            ("2026-01-02 3:04:05", T),
            ("2026-01-02 03:04:05 AM", T),
            ("2026-01-02 12:04:05 AM", MIDNIGHT + 245_000_000),
            ("2026-01-02 03:04:05 PM UTC", T + 43_200_000_000),
            // Without separators.
            ("20260102", MIDNIGHT),
            ("20260102030405", T),
            ("202601020304", T - 5_000_000),
            ("20260102030405123", T + 123_000),
            ("20260102T030405Z", T),
            ("20260102T0304Z", T - 5_000_000),
            ("20260102T030405.25+0000", T + 250_000),
            ("20260102 03:04:05", T),
            // Seconds with a fraction.
            ("1767323045.5", T + 500_000),
            ("1767323045.123456", T + 123_456),
            ("1767323045.0", T),
            ("1767323045123.5", T + 123_500),
            ("1.767323045e9", T),
            // Zones in words.
            ("2026-01-02 03:04:05 GMT", T),
            ("2026-01-02 03:04:05Etc/UTC", T),
            ("2026-01-02 05:04:05 UTC+2", T),
            ("2026-01-02 05:04:05 GMT+02:00", T),
            ("2026-01-01 19:04:05 PST", T),
            ("2026-01-01T22:04:05 -5", T),
            // As Go, Java, C, JavaScript, mail, MongoDB and .NET write it.
            ("2026-01-02 03:04:05 +0000 UTC", T),
            ("2026-01-02 05:04:05.5 +0200 CEST m=+0.000012", T + 500_000),
            ("2026-01-02T05:04:05+02:00[Europe/Berlin]", T),
            ("2026-01-02T03:04:05Z[UTC]", T),
            ("2026-01-02T03:04Z[Etc/UTC]", T - 5_000_000),
            ("Fri Jan 02 03:04:05 UTC 2026", T),
            ("Fri Jan  2 03:04:05 2026", T),
            ("Fri, 02 Jan 2026 03:04:05 GMT", T),
            ("Fri, 2 Jan 2026 05:04:05 +0200", T),
            ("Fri Jan 02 2026 05:04:05 GMT+0200 (Central European Summer Time)", T),
            ("02-Jan-2026 03:04:05", T),
            ("2026-01-01T24:00:00Z", MIDNIGHT),
            ("2026-01-01 24:00", MIDNIGHT),
            ("January 2, 2026", MIDNIGHT),
            ("January 2, 2026 3:04:05 AM", T),
            ("2 Sept 2026", 1_788_307_200_000_000),
            ("ISODate(\"2026-01-02T03:04:05Z\")", T),
            ("/Date(1767323045123)/", T + 123_000),
            ("\"2026-01-02T03:04:05Z\"", T),
        ] {
            assert_eq!(from_text(text), micros, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_and_what_is_nearly_one() {
        for (text, nearly) in [
            ("", false),
            ("yesterday", false),
            ("N/A", false),
            ("n/a 1", false),
            ("u-1234", false),
            ("may be 7", false),
            ("0000-00-00 00:00:00", false),
            ("99999999999999999999", false),
            ("2026-13-02T00:00:00Z", false),
            ("2026-02-29T00:00:00Z", false),
            ("2026-01-00T00:00:00Z", false),
            ("2026-01-02T24:00:01Z", false),
            ("2026-01-02T25:00:00Z", false),
            ("2026-01-02T00:60:00Z", false),
            ("2026-01-02T00:00:61Z", false),
            ("2026-01-02T00:00:00.Z", true),
            ("2026-01-02T00:00:00+24:00", true),
            ("2026-01-02T00:00:00 BST", true),
            ("2026-01-02T00:00:00 Europe/Berlin", true),
            ("2026-01-02x00:00:00", true),
            ("2026-01-02T00:00:00Zulus", true),
            ("2026-01-02 13:00:00 PM", true),
            ("+026-01-02T00:00:00Z", false),
            ("01/02/2026 03:04", true),
            ("2.1.2026 03:04", true),
            ("Fri 30 Feb 2026", true),
            ("1,767,323,045", true),
            ("1767323045,5", true),
            ("2026-01-02T03:04:05\u{2212}02:00", true),
            ("1/2/2026, 3:04:05\u{202f}PM", true),
            ("2026年1月2日 03:04", true),
            ("\u{0662}\u{0660}\u{0662}\u{0666}-\u{0660}\u{0661}-\u{0660}\u{0662}", true),
            ("2026-01-02\0", false),
        ] {
            assert_eq!(from_text(text), BAD, "{text}");
            assert_eq!(is_nearly(text), nearly, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[0-9TZ:+,./ -]{0,30}|[A-Za-z0-9 :+-]{0,40}") {
            from_text(&text);
            is_nearly(&text);
        }

        #[test]
        fn a_time_is_the_same_in_every_spelling(seconds in 946_684_800_i64..4_102_444_800) {
            let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            for format in [
                "%Y-%m-%dT%H:%M:%SZ",
                "%Y-%m-%d %H:%M:%S",
                "%Y-%m-%d %H:%M:%S%.6f +0000 UTC",
                "%Y/%m/%d %H:%M:%S",
                "%Y%m%d%H%M%S",
                "%Y%m%dT%H%M%SZ",
                "%a, %d %b %Y %H:%M:%S GMT",
                "%a %b %d %H:%M:%S UTC %Y",
                "%a %b %e %H:%M:%S %Y",
                "%Y-%m-%d %I:%M:%S %p",
                "%s",
                "%s.000",
            ] {
                let text = time.format(format).to_string();
                prop_assert_eq!(from_text(&text), seconds * MICROS, "{}", text);
            }
        }
    }
}
