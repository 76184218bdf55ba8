//! Zones and offsets as writers spell them.

/// Names of fixed offsets, in hours. Names that stand for several offsets (`CST` in China, `IST`, `BST`) are not among
/// them, but for those that mail has given one meaning.
const NAMES: [(&str, i64); 18] = [
    ("Z", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("UCT", 0),
    ("WET", 0),
    ("Zulu", 0),
    ("Etc/UTC", 0),
    ("Etc/GMT", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("CET", 1),
    ("CEST", 2),
];

/// Seconds east of UTC of what follows a time of day: nothing (UTC), `Z`, an offset (`+02:00`, `+0200`, `+02`, `+2`,
/// `+02:00:00`), a name with or without an offset (`UTC+2`, `GMT+0200`), and an offset with a name after it, which then
/// does not matter (`+0200 CEST`, `+02:00[Europe/Berlin]`, `GMT+0200 (Central European Summer Time)`).
pub(super) fn offset(zone: &str) -> Option<i64> {
    let zone = zone.trim_ascii();
    // Go appends the reading of its monotonic clock.
    let zone = zone.split_once(" m=").map_or(zone, |(zone, _)| zone);
    let name = zone.split(['+', '-', ' ', '[', '(']).next().unwrap_or_default();
    let rest = zone[name.len()..].trim_ascii_start();
    let named = (!name.is_empty()).then(|| NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
    let base = match named {
        None => 0,
        Some(found) => found?.1 * 3_600,
    };
    if rest.is_empty() {
        return Some(base);
    }
    if let Some(same) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return NAMES.iter().any(|(known, _)| known.eq_ignore_ascii_case(same)).then_some(base);
    }
    let sign = match rest.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let end = rest[1..].find(|c: char| !c.is_ascii_digit() && c != ':').map_or(rest.len(), |end| end + 1);
    let seconds = seconds(&rest[1..end])?;
    // What says the zone again in words.
    let words = rest[end..].trim_ascii_start();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ' ' | '[' | ']' | '(' | ')');
    (base == 0 && words.chars().all(is_word)).then_some(sign * seconds)
}

/// `2`, `02`, `0200`, `02:00` or `02:00:00`, in seconds.
fn seconds(text: &str) -> Option<i64> {
    let number = |text: &str| text.parse::<i64>().ok();
    let (hours, minutes, seconds) = match (text.len(), text.as_bytes()) {
        (1 | 2, _) => (number(text)?, 0, 0),
        (4, [_, b':', ..]) => (number(&text[..1])?, number(&text[2..])?, 0),
        (4, _) => (number(&text[..2])?, number(&text[2..])?, 0),
        (5, [_, _, b':', ..]) => (number(&text[..2])?, number(&text[3..])?, 0),
        (8, [_, _, b':', _, _, b':', ..]) => (number(&text[..2])?, number(&text[3..5])?, number(&text[6..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3_600 + minutes * 60 + seconds)
}
