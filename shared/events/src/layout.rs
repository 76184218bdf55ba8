//! Where the objects of an organization lie, under `events/{organization}/`.
//!
//! ```text
//! incoming/{exposures|rewards}/{yyyy-mm-ddThh}/{time}-{request id}.jsonl.zst
//! {exposures|rewards}/{optimization, or all/{bucket}}/{yyyy-mm-dd}/{run}-{n}.parquet
//! keys/{exposures|rewards}/{yyyy-mm-dd}/{run}-{n}.keys
//! manifests/{version}-{run}.json
//! tombstones/{time}-{request id}.json
//! unreadable/{exposures|rewards}/{yyyy-mm-ddThh}/{time}-{request id}.jsonl.zst
//! ```

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::kind::Kind;

/// What all objects begin with.
pub const EVENTS: &str = "events/";

/// A time in a key, of a fixed length, so that keys sort by time.
const TIME: &str = "%Y-%m-%dT%H-%M-%S%.3fZ";
/// The length of such a time.
const TIME_LENGTH: usize = "2026-11-28T06-20-16.123Z".len();

/// What the objects of an organization begin with.
#[must_use]
pub fn root(organization: &str) -> String {
    format!("{EVENTS}{organization}/")
}

/// What the incoming objects of a kind begin with, from the root on.
#[must_use]
pub fn incoming_prefix(kind: Kind) -> String {
    format!("incoming/{}/", kind.as_str())
}

/// The key of a request's events, from the root on.
#[must_use]
pub fn incoming_key(kind: Kind, received: DateTime<Utc>, request_id: &str) -> String {
    format!("{}{}/{}.jsonl.zst", incoming_prefix(kind), received.format("%Y-%m-%dT%H"), stamped(received, request_id))
}

/// The prefix of tombstones, from the root on.
pub const TOMBSTONES: &str = "tombstones/";

/// The key of a tombstone, from the root on.
#[must_use]
pub fn tombstone_key(at: DateTime<Utc>, request_id: &str) -> String {
    format!("{TOMBSTONES}{}.json", stamped(at, request_id))
}

/// The place of an incoming object that cannot be read, from the root on; `key` is its own.
#[must_use]
pub fn unreadable_key(key: &str) -> String {
    format!("unreadable/{}", key.strip_prefix("incoming/").unwrap_or(key))
}

/// A time and a request's id, of which what would not be plain in a key is replaced.
fn stamped(time: DateTime<Utc>, request_id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let id: String = request_id.chars().map(plain).collect();
    format!("{}-{id}", time.format(TIME))
}

/// The time in the name of an object.
#[must_use]
pub fn time_of(key: &str) -> Option<DateTime<Utc>> {
    let name = key.rsplit('/').next()?;
    let time = name.get(..TIME_LENGTH)?;
    NaiveDateTime::parse_from_str(time, TIME).ok().map(|time| time.and_utc())
}

/// The prefixes of what a manifest names, from the root on: what lies there and is not named is an orphan.
pub const SWEPT: [&str; 4] = ["exposures/", "keys/", "manifests/", "rewards/"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_incoming_object_has_its_time_and_sorts_by_it() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let key = incoming_key(Kind::Exposures, at("2026-11-28T06:20:16.123Z"), "req_a+/b=");
        assert_eq!(key, "incoming/exposures/2026-11-28T06/2026-11-28T06-20-16.123Z-req_a__b_.jsonl.zst");
        assert_eq!(time_of(&key), Some(at("2026-11-28T06:20:16.123Z")));
        assert!(key < incoming_key(Kind::Exposures, at("2026-11-28T06:20:16.124Z"), "req_0"));
        assert_eq!(time_of("incoming/exposures/nothing"), None);
        assert!(unreadable_key(&key).starts_with("unreadable/exposures/2026-11-28T06/"));
    }
}
