//! Run slots: how many training runs of one organization are at work behind the queue at a time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The run slots of an organization that are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSlots {
    /// Until when each is taken, in epoch milliseconds, by its owner: a run, or the key of a training request for which it is
    /// reserved and which is on its way through the queue.
    #[serde(default)]
    pub owners: BTreeMap<String, i64>,
    /// Counts the changes, renewals left out.
    #[serde(default)]
    pub revision: u64,
}

impl RunSlots {
    /// Those that have not expired.
    #[must_use]
    pub fn taken(&self, now: DateTime<Utc>) -> BTreeMap<String, i64> {
        let now = now.timestamp_millis();
        self.owners.iter().filter(|(_, until)| **until > now).map(|(owner, until)| (owner.clone(), *until)).collect()
    }
}
