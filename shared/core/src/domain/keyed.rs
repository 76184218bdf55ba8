//! The record of a request with an `Idempotency-Key`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::time::millis;
use crate::keyed_work::Effect;

/// How long a key answers as it did at first.
pub const KEY_LIFE: TimeDelta = TimeDelta::hours(24);

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// What is kept of a request under its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// SHA-256 of the path and the body, hexadecimal.
    pub request: String,
    /// The attempt that works on it, or worked last.
    pub owner: String,
    /// When another attempt may take over.
    #[serde(with = "millis")]
    pub expires_at: DateTime<Utc>,
    /// When the record is as good as gone, in epoch seconds; the store removes it some time after.
    pub ttl: i64,
    /// What the work has done, written together with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<KeptAnswer>,
}
