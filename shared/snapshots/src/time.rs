//! Times in microseconds since 1970-01-01 UTC.

mod text;
mod zone;

pub(crate) use text::{from_text, is_nearly};

/// A time that is not there, in a column of times.
pub(crate) const NULL: i64 = i64::MIN;
/// A time that cannot be read, in a column of times.
pub(crate) const BAD: i64 = i64::MIN + 1;
/// A time that can be read and cannot be right, in a column of times.
pub(crate) const IMPLAUSIBLE: i64 = i64::MIN + 2;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;
/// 2000-01-01 and 2100-01-01.
const PLAUSIBLE: std::ops::Range<i64> = 946_684_800 * MICROS..4_102_444_800 * MICROS;

/// Whether the number in a column of times is a time.
pub(crate) fn is_time(time: i64) -> bool {
    time > IMPLAUSIBLE
}

/// The latest time that anything can have happened at, for a run that begins at `now`: a day later, for clocks that are
/// wrong and zones that were left out.
pub(crate) fn latest_plausible(now: i64) -> i64 {
    now.saturating_add(DAY).min(PLAUSIBLE.end - 1)
}

/// Whether any of some times is before 2000, later than `latest`, or none. One comparison each: nearly all batches have none.
pub(crate) fn any_odd(times: &[i64], latest: i64) -> bool {
    let Ok(span) = u64::try_from(latest - PLAUSIBLE.start) else { return !times.is_empty() };
    let is_odd = |time: i64| time.wrapping_sub(PLAUSIBLE.start).cast_unsigned() > span;
    times.iter().fold(false, |any, &time| any | is_odd(time))
}

/// Whether a time is before 2000 or later than `latest`.
#[inline]
pub(crate) fn is_implausible(time: i64, latest: i64) -> bool {
    is_time(time) && !(PLAUSIBLE.start..=latest).contains(&time)
}

/// A time as it is shown in messages.
pub(crate) fn shown(time: i64) -> String {
    let (days, of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY) / MICROS);
    // The year is at most one off.
    let mut year = 1970 + days.div_euclid(365) - days.div_euclid(365) / 1_461;
    while days_from_civil(year, 1, 1) > days {
        year -= 1;
    }
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_from_civil(year, month + 1, 1) <= days {
        month += 1;
    }
    let day = days - days_from_civil(year, month, 1) + 1;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// Microseconds of a count of `per_second` units since 1970; finer units are floored. [`BAD`] where it does not fit.
pub(crate) fn from_unit(count: i64, per_second: i64) -> i64 {
    if per_second > MICROS {
        return count.div_euclid(per_second / MICROS);
    }
    count.checked_mul(MICROS / per_second).filter(|&t| is_time(t)).unwrap_or(BAD)
}

/// Microseconds of an integer: `yyyyMMdd` with nothing, `HHmm`, `HHmmss` or `HHmmssSSS` after it, of a year from 2000 to
/// 2099; else a count since 1970 whose unit shows in its size: seconds, milliseconds, microseconds or nanoseconds.
pub(crate) fn from_epoch(count: i64) -> i64 {
    from_calendar(count).unwrap_or_else(|| from_unit(count, unit(count)))
}

/// The units per second of a count since 1970.
fn unit(count: i64) -> i64 {
    match count.unsigned_abs() {
        0..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => MICROS,
        _ => 1_000_000_000,
    }
}

/// As counts since 1970 these integers would be times in 1970, 1976 or after 2600, which nothing has.
fn from_calendar(count: i64) -> Option<i64> {
    let (date, time, millis) = match count {
        20_000_101..=20_991_231 => (count, 0, 0),
        200_001_010_000..=209_912_312_359 => (count / 10_000, count % 10_000 * 100, 0),
        20_000_101_000_000..=20_991_231_235_960 => (count / 1_000_000, count % 1_000_000, 0),
        20_000_101_000_000_000..=20_991_231_235_960_999 => {
            (count / 1_000_000_000, count / 1_000 % 1_000_000, count % 1_000)
        }
        _ => return None,
    };
    let days = days(date / 10_000, date / 100 % 100, date % 100)?;
    Some(days * DAY + clock(time / 10_000, time / 100 % 100, time % 100)? * MICROS + millis * 1_000)
}

/// Microseconds of a double that counts as an integer does, see [`from_epoch`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "checked to be in range; see the unit"
)]
pub(crate) fn from_double(count: f64) -> i64 {
    if count.is_nan() || count.abs() >= 9e18 {
        return BAD;
    }
    let whole = count.trunc() as i64;
    if count.fract() == 0.0 {
        return from_epoch(whole);
    }
    // Of microseconds the fraction is lost; of finer units more than that.
    let per_second = unit(whole);
    if per_second >= MICROS {
        return from_unit(count.floor() as i64, per_second);
    }
    let (scale, floor) = (MICROS / per_second, count.floor());
    let fraction = ((count - floor) * scale as f64).round() as i64;
    (floor as i64).checked_mul(scale).and_then(|t| t.checked_add(fraction)).unwrap_or(BAD)
}

/// Days since 1970 of a date, or `None` where there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    (day > 0 && day <= days_in(year, month)?).then(|| days_from_civil(year, month, day))
}

/// Seconds of a time of day. A second of 60 is a leap second and reads as the first of the next minute.
fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // 24:00 is the midnight at the end of the day.
    let exists = (hour < 24 && minute < 60 && second <= 60) || (hour, minute, second) == (24, 0, 0);
    exists.then_some(hour * 3_600 + minute * 60 + second)
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
    fn integers_that_are_dates() {
        let midnight = 1_767_312_000_000_000; // 2026-01-02
        assert_eq!(from_epoch(20_260_102), midnight);
        assert_eq!(from_epoch(202_601_020_304), midnight + 11_040_000_000);
        assert_eq!(from_epoch(20_260_102_030_405), midnight + 11_045_000_000);
        assert_eq!(from_epoch(20_260_102_030_405_678), midnight + 11_045_678_000);
        // No dates: counts since 1970, none of them near.
        assert_eq!(from_epoch(20_261_302), 20_261_302 * MICROS);
        assert_eq!(from_epoch(20_260_102_250_000), 20_260_102_250_000 * 1_000);
    }

    #[test]
    fn doubles_by_size() {
        assert_eq!(from_double(1_767_323_045.5), 1_767_323_045_500_000);
        assert_eq!(from_double(1_767_323_045.0), 1_767_323_045_000_000);
        assert_eq!(from_double(1_767_323_045_123.25), 1_767_323_045_123_250);
        assert_eq!(from_double(-0.5), -500_000);
        assert_eq!(from_double(20_260_102.0), 1_767_312_000_000_000);
        assert_eq!(from_double(1_767_323_045_123_456.5), 1_767_323_045_123_456);
        for none in [f64::NAN, f64::INFINITY, 1e19] {
            assert_eq!(from_double(none), BAD);
        }
    }

    #[test]
    fn what_is_plausible() {
        let now = 1_767_323_045_000_000;
        let (first, last) = (946_684_800_000_000, now + DAY);
        let latest = latest_plausible(now);
        for (time, implausible) in [
            (NULL, false),
            (BAD, false),
            (IMPLAUSIBLE, false),
            (first - 1, true),
            (first, false),
            (now, false),
            (last, false),
            (last + 1, true),
            (i64::MAX, true),
            (0, true),
        ] {
            assert_eq!(is_implausible(time, latest), implausible, "{time}");
            assert_eq!(any_odd(&[now, time, now], latest), implausible || !is_time(time), "{time}");
        }
        assert_eq!(latest_plausible(i64::MAX), 4_102_444_800_000_000 - 1);
    }

    #[test]
    fn times_are_shown() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-01-02T03:04:05Z",
            "9999-12-31T23:59:59Z",
            "1600-02-29T00:00:01Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(shown(from_text(text)), text);
        }
        assert_eq!(shown(i64::MAX), "294247-01-10T04:00:54Z");
        assert!(shown(IMPLAUSIBLE + 1).starts_with('-'));
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
