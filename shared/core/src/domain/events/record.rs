//! The record of an organization's events: who compacts them now, and which manifest is in force.

use ::events::Pointer;
use serde::{Deserialize, Serialize};

use crate::domain::Lease;

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsRecord {
    /// The compaction that is at work, or died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// What counts; absent before the first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Pointer>,
}
