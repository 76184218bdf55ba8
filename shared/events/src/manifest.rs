//! What counts: an immutable object that names all parts and keys of an organization. The version in force is in a record.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::part::Part;

/// The format of manifests.
pub const FORMAT: &str = "fulcrum.events.v1";

/// Which manifest is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Counts up from 1.
    pub version: u64,
    /// The whole key of the manifest.
    pub key: String,
}

/// A file of keys that were counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// The whole key of the object.
    pub key: String,
    /// Of what the events are.
    pub kind: Kind,
    /// When the last of them was received.
    pub day: NaiveDate,
    /// Its size in bytes.
    pub size: u64,
}

/// An object that a later version does without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// The whole key of the object.
    pub key: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A user who asked to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The whole key of the object that asks.
    pub key: String,
    /// The user.
    pub anonymous_id: String,
    /// When it was asked. What was received later stays.
    pub at: DateTime<Utc>,
    /// The version in force when a run first saw this: parts whose rows came later hold nothing that was received before.
    pub seen: u64,
    /// Whether those parts are without the user.
    pub done: bool,
}

/// The last snapshot of an optimization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its id.
    pub snapshot_id: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The version that it was made of.
    pub version: u64,
}

/// What counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The version.
    pub version: u64,
    /// The events.
    pub parts: Vec<Part>,
    /// The keys of the events of the last days.
    pub keys: Vec<KeyFile>,
    /// Objects that are to be deleted when nobody reads them any more.
    #[serde(default)]
    pub retired: Vec<Retired>,
    /// Users who asked to be deleted.
    #[serde(default)]
    pub tombstones: Vec<Tombstone>,
    /// The snapshots by optimization.
    #[serde(default)]
    pub published: BTreeMap<String, Published>,
    /// When orphans were last looked for.
    #[serde(default)]
    pub swept_at: Option<DateTime<Utc>>,
}

impl Manifest {
    /// Before the first event.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: 0,
            parts: Vec::new(),
            keys: Vec::new(),
            retired: Vec::new(),
            tombstones: Vec::new(),
            published: BTreeMap::new(),
            swept_at: None,
        }
    }

    /// A manifest from its bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(format!("its format is {:?}; this version reads {FORMAT:?}", manifest.format))
        }
    }

    /// All objects that it names as its own.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().map(|part| part.key.as_str());
        parts.chain(self.keys.iter().map(|file| file.key.as_str()))
    }
}
