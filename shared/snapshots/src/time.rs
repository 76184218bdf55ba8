//! Times in microseconds since 1970-01-01 UTC.

/// A time that is not there, in a column of times.
pub(crate) const NULL: i64 = i64::MIN;
/// A time that cannot be read, in a column of times.
pub(crate) const BAD: i64 = i64::MIN + 1;

const MICROS: i64 = 1_000_000;

/// Microseconds of a count of `per_second` units since 1970; finer units are floored. [`BAD`] where it does not fit.
pub(crate) fn from_unit(count: i64, per_second: i64) -> i64 {
    if per_second > MICROS {
        return count.div_euclid(per_second / MICROS);
    }
    count.checked_mul(MICROS / per_second).filter(|&t| t > BAD).unwrap_or(BAD)
}

/// Microseconds of an integer whose unit shows in its size: seconds, milliseconds, microseconds or nanoseconds.
pub(crate) fn from_epoch(count: i64) -> i64 {
    let per_second = match count.unsigned_abs() {
        0..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => MICROS,
        _ => 1_000_000_000,
    };
    from_unit(count, per_second)
}

/// Microseconds of a date-time text: RFC 3339, the same with a space for the `T`, without a zone (UTC), with a zone of
/// hours only, or ending in ` UTC`; or an integer, see [`from_epoch`]. Digits of a second beyond the sixth are dropped.
/// [`BAD`] where it is none of these.
pub(crate) fn from_text(text: &str) -> i64 {
    parse(text.trim_ascii().as_bytes()).unwrap_or(BAD)
}

fn parse(text: &[u8]) -> Option<i64> {
    if text.len() < 19 || text[4] != b'-' {
        return std::str::from_utf8(text).ok()?.parse().ok().map(from_epoch);
    }
    let number = |from: usize, to: usize| digits(&text[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let separated = text[7] == b'-' && matches!(text[10], b'T' | b't' | b' ') && text[13] == b':' && text[16] == b':';
    // 60 is a leap second and reads as the first of the next minute.
    if !separated || hour > 23 || minute > 59 || second > 60 || day == 0 || day > days_in(year, month)? {
        return None;
    }
    let (micros, zone) = fraction(&text[19..])?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(seconds * MICROS + micros)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
}

/// The microseconds of `.123456789…` and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else { return Some((0, text)) };
    let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let kept = length.min(6);
    let scale = 10_i64.pow(u32::try_from(6 - kept).ok()?);
    (length > 0).then_some(())?;
    Some((digits(&rest[..kept])? * scale, &rest[length..]))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let zone = zone.trim_ascii_start();
    let (sign, rest) = match zone.split_first() {
        None | Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        _ => return zone.eq_ignore_ascii_case(b"UTC").then_some(0),
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, for years 0 and later. Years begin in March here, so that the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let t = 1_767_323_045_000_000; // 2026-01-02 03:04:05 UTC
        for (text, micros) in [
            ("2026-01-02T03:04:05Z", t),
            ("2026-01-02t03:04:05z", t),
            ("2026-01-02 03:04:05", t),
            (" 2026-01-02 03:04:05 UTC ", t),
            ("2026-01-02T05:04:05+02:00", t),
            ("2026-01-01 22:34:05-0430", t),
            ("2026-01-02 03:04:05+00", t),
            ("2026-01-02T03:04:05.5", t + 500_000),
            ("2026-01-02T03:04:05.123456Z", t + 123_456),
            ("2026-01-02T03:04:05.123456999Z", t + 123_456),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
            ("2000-03-01T00:00:00Z", 951_868_800_000_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("1767323045", t),
            ("1767323045123", t + 123_000),
        ] {
            assert_eq!(from_text(text), micros, "{text}");
        }
    }

    #[test]
    fn no_times() {
        for text in [
            "",
            "yesterday",
            "2026-01-02",
            "2026-13-02T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T00:60:00Z",
            "2026-01-02T00:00:61Z",
            "2026-01-02T00:00:00.Z",
            "2026-01-02T00:00:00+2",
            "2026-01-02T00:00:00+24:00",
            "2026-01-02T00:00:00 CET",
            "2026-01-02x00:00:00",
            "2026-01-02T00:00:00Zulu",
            "+026-01-02T00:00:00Z",
            "1.5",
            "99999999999999999999",
        ] {
            assert_eq!(from_text(text), BAD, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut days = days_from_civil(1899, 12, 31);
        for year in 1900..2301 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month).unwrap() {
                    days += 1;
                    assert_eq!(days_from_civil(year, month, day), days, "{year}-{month}-{day}");
                }
            }
        }
    }

    #[test]
    fn integers_by_size() {
        assert_eq!(from_epoch(0), 0);
        assert_eq!(from_epoch(-1), -1_000_000);
        assert_eq!(from_epoch(99_999_999_999), 99_999_999_999_000_000);
        assert_eq!(from_epoch(100_000_000_000), 100_000_000_000_000);
        assert_eq!(from_epoch(99_999_999_999_999), 99_999_999_999_999_000);
        assert_eq!(from_epoch(100_000_000_000_000), 100_000_000_000_000);
        assert_eq!(from_epoch(99_999_999_999_999_999), 99_999_999_999_999_999);
        assert_eq!(from_epoch(1_767_323_045_123_456_789), 1_767_323_045_123_456);
    }

    #[test]
    fn units() {
        assert_eq!(from_unit(-1, 1_000_000_000), -1);
        assert_eq!(from_unit(-1_000, 1_000_000_000), -1);
        assert_eq!(from_unit(1_999, 1_000_000_000), 1);
        assert_eq!(from_unit(i64::MAX, 1_000), BAD);
        assert_eq!(from_unit(3, 1_000), 3_000);
    }
}
