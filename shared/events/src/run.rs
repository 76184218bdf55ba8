//! One run of compaction over one organization, from the pointer that it found to the last one that it moved.

use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use parquet::errors::ParquetError;
use uuid::Uuid;

use crate::layout::root;
use crate::manifest::{Manifest, Pointer, Retired};
use crate::part::Part;
use crate::store::Store;

/// Why a run ends early. What it had put in force before stays so.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: std::error::Error + 'static> {
    /// Another run moved the pointer, or took an object that this one was about to read.
    #[error("another run is at work on these events; this one changed nothing any more")]
    Overtaken,
    /// The store failed.
    #[error(transparent)]
    Store(E),
    /// An object of ours is not what it was written as.
    #[error("{key}: {cause}")]
    Broken {
        /// The object.
        key: String,
        /// What is wrong with it.
        cause: String,
    },
    /// What was read could not be written.
    #[error("a part could not be written: {0}")]
    Unwritable(#[from] ParquetError),
}

/// How much a run does at a time, and for how long it keeps things.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events of a round, about.
    pub round_events: usize,
    /// Bytes of a round in memory, about.
    pub round_bytes: usize,
    /// Objects of a round.
    pub round_objects: usize,
    /// How long the key of an event is kept at the least.
    pub idempotency: TimeDelta,
    /// How long an event is kept after its timestamp; `None` for ever.
    pub retention: Option<TimeDelta>,
    /// How long objects stay after nothing names them any more.
    pub grace: TimeDelta,
    /// Between two searches for orphans.
    pub sweep_every: TimeDelta,
    /// How long a deleted user's events may wait in parts, so that one rewriting serves many deletions.
    pub erase_within: TimeDelta,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            round_events: 1_000_000,
            round_bytes: 256 * 1024 * 1024,
            round_objects: 20_000,
            idempotency: TimeDelta::days(7),
            retention: None,
            grace: TimeDelta::days(1),
            sweep_every: TimeDelta::hours(6),
            erase_within: TimeDelta::hours(6),
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that count now and did not before.
    pub events: u64,
    /// Events that were counted before.
    pub duplicates: u64,
    /// Incoming objects that were read.
    pub objects: u64,
    /// Incoming objects that were put aside, since they could not be read.
    pub unreadable: u64,
    /// Parts that were merged into others.
    pub merged: u64,
    /// Events that were removed, as their users asked.
    pub erased: u64,
    /// Snapshots that were published.
    pub snapshots: u64,
    /// Objects that were deleted, incoming ones aside.
    pub swept: u64,
    /// When the oldest object was received that still waits at the end.
    pub oldest: Option<DateTime<Utc>>,
}

/// A run.
#[derive(Debug)]
pub struct Run<'s, S> {
    pub(crate) store: &'s S,
    pub(crate) root: String,
    pub(crate) organization: String,
    pub(crate) limits: Limits,
    pub(crate) deadline: Option<Instant>,
    pub(crate) manifest: Manifest,
    pub(crate) report: Report,
    pointer: Option<Pointer>,
    id: String,
    written: u64,
}

impl<'s, S: Store> Run<'s, S> {
    /// Begins one where the pointer is. After `deadline` it begins nothing new.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn begin(
        store: &'s S,
        organization: &str,
        pointer: Option<Pointer>,
        limits: Limits,
        deadline: Option<Instant>,
    ) -> Result<Self, RunError<S::Error>> {
        let manifest = match &pointer {
            None => Manifest::empty(),
            Some(pointer) => {
                let bytes = store.read(&pointer.key).await.map_err(RunError::Store)?;
                let broken = |cause| RunError::Broken { key: pointer.key.clone(), cause };
                // Whoever moved the pointer on may have deleted this one.
                let bytes = bytes.ok_or(RunError::Overtaken)?;
                Manifest::decode(&bytes).map_err(broken)?
            }
        };
        Ok(Self {
            store,
            root: root(organization),
            organization: organization.to_owned(),
            limits,
            deadline,
            manifest,
            report: Report::default(),
            pointer,
            id: Uuid::new_v4().simple().to_string(),
            written: 0,
        })
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What counts now.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it is time to begin nothing new.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.store.now()
    }

    /// The name of a new object of this run, unlike any other's.
    pub(crate) fn name(&mut self) -> String {
        self.written += 1;
        format!("{}-{}", self.id, self.written)
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), RunError<S::Error>> {
        self.store.put(key, bytes).await.map_err(RunError::Store)
    }

    /// An object that a manifest in force names. If it is gone, that manifest is no longer in force.
    pub(crate) async fn read(&self, key: &str) -> Result<Bytes, RunError<S::Error>> {
        self.store.read(key).await.map_err(RunError::Store)?.ok_or(RunError::Overtaken)
    }

    pub(crate) async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, RunError<S::Error>> {
        self.store.offload(work).await.map_err(RunError::Store)
    }

    /// Takes parts out of the manifest; their objects are deleted when nobody reads them any more.
    pub(crate) fn retire<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        let at = self.now();
        let keys: std::collections::BTreeSet<&str> = keys.into_iter().collect();
        self.manifest.parts.retain(|part: &Part| !keys.contains(part.key.as_str()));
        self.manifest.keys.retain(|file| !keys.contains(file.key.as_str()));
        self.manifest.retired.extend(keys.into_iter().map(|key| Retired { key: key.to_owned(), at }));
    }

    /// The version that the next [`Run::commit`] puts in force.
    pub(crate) fn next_version(&self) -> u64 {
        self.manifest.version + 1
    }

    /// Writes the manifest and moves the pointer to it. From then on it counts.
    pub(crate) async fn commit(&mut self) -> Result<(), RunError<S::Error>> {
        self.manifest.version += 1;
        let version = self.manifest.version;
        let key = format!("{}manifests/{version:019}-{}.json", self.root, self.id);
        let broken = |cause: String| RunError::Broken { key: key.clone(), cause };
        let bytes = serde_json::to_vec(&self.manifest).map_err(|e| broken(e.to_string()))?;
        self.put(&key, bytes.into()).await?;
        let next = Pointer { version, key };
        let moved = self.store.move_pointer(self.pointer.as_ref(), &next).await.map_err(RunError::Store)?;
        if !moved {
            return Err(RunError::Overtaken);
        }
        self.pointer = Some(next);
        Ok(())
    }
}
