//! Users who asked to be deleted: tombstones are found at once, and the parts are rewritten within hours.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::layout::{TOMBSTONES, time_of};
use crate::manifest::Tombstone;
use crate::part::{Part, Written};
use crate::rewrite::rewrite;
use crate::run::{Run, RunError};
use crate::store::Store;

/// Parts that are looked through for one version of the manifest.
const PARTS_AT_ONCE: usize = 32;
/// Tombstones of a listing.
const MOST: usize = 1000;

/// What a tombstone holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The user.
    pub anonymous_id: String,
}

impl<S: Store> Run<'_, S> {
    /// Looks for tombstones that no version knows. From here on their users' earlier events are not taken in.
    pub(crate) async fn find_tombstones(&mut self) -> Result<(), RunError<S::Error>> {
        let prefix = format!("{}{TOMBSTONES}", self.root);
        let mut after = None;
        loop {
            let page = self.store.list(&prefix, after.as_deref(), MOST).await.map_err(RunError::Store)?;
            for object in &page {
                if self.manifest.tombstones.iter().any(|known| known.key == object.key) {
                    continue;
                }
                let bytes = self.read(&object.key).await?;
                let broken = |cause: String| RunError::Broken { key: object.key.clone(), cause };
                let request: Request = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
                self.manifest.tombstones.push(Tombstone {
                    key: object.key.clone(),
                    anonymous_id: request.anonymous_id,
                    at: time_of(&object.key).unwrap_or(object.modified),
                    seen: self.manifest.version,
                    done: false,
                });
            }
            if page.len() < MOST {
                return Ok(());
            }
            after = page.last().map(|object| object.key.clone());
        }
    }

    /// Rewrites the parts that hold users who asked to be deleted, if that has waited long enough or is wanted at once.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn erase(&mut self, at_once: bool) -> Result<(), RunError<S::Error>> {
        self.find_tombstones().await?;
        let now = self.now();
        let pending = |tombstone: &&Tombstone| !tombstone.done;
        let due = |tombstone: &Tombstone| at_once || now - tombstone.at >= self.limits.erase_within;
        if self.manifest.tombstones.iter().filter(pending).any(due) && !self.erase_parts().await? {
            return Ok(());
        }
        self.forget_tombstones().await
    }

    /// Looks through all parts that may hold such a user; whether there was time for all.
    async fn erase_parts(&mut self) -> Result<bool, RunError<S::Error>> {
        let pending: Vec<Tombstone> = self.manifest.tombstones.iter().filter(|t| !t.done).cloned().collect();
        let until = pending.iter().map(|tombstone| tombstone.seen).max().unwrap_or(0);
        let parts: Vec<Part> = self.manifest.parts.iter().filter(|part| part.added <= until).cloned().collect();
        for some in parts.chunks(PARTS_AT_ONCE) {
            if self.is_late() {
                return Ok(false);
            }
            let mut changed = false;
            for part in some {
                changed |= self.erase_from(part, &pending).await?;
            }
            if changed {
                self.commit().await?;
            }
        }
        for tombstone in &mut self.manifest.tombstones {
            tombstone.done |= pending.iter().any(|done| done.key == tombstone.key);
        }
        self.commit().await?;
        Ok(true)
    }

    /// Removes users from one part; whether it held any.
    async fn erase_from(&mut self, part: &Part, pending: &[Tombstone]) -> Result<bool, RunError<S::Error>> {
        let users = pending.iter().filter(|tombstone| part.added <= tombstone.seen);
        let users: HashSet<String> = users.map(|tombstone| tombstone.anonymous_id.clone()).collect();
        let (bytes, kind) = (self.read(&part.key).await?, part.partition.kind);
        let broken =
            |e: parquet::errors::ParquetError| RunError::Broken { key: part.key.clone(), cause: e.to_string() };
        let rewritten = self.offload(move || rewrite(kind, vec![bytes], &users)).await?.map_err(broken)?;
        if rewritten.removed == 0 {
            return Ok(false);
        }
        if let Some(bytes) = rewritten.bytes {
            let written = Written {
                partition: part.partition.clone(),
                names: part.names.clone(),
                rows: rewritten.rows,
                min_timestamp: part.min_timestamp,
                max_timestamp: part.max_timestamp,
                bytes,
            };
            // As if new, so that a snapshot without the user is published.
            let without = self.named(&written, self.next_version());
            self.put(&without.key, written.bytes).await?;
            self.manifest.parts.push(without);
        }
        self.retire([part.key.as_str()]);
        self.report.erased += rewritten.removed;
        Ok(true)
    }

    /// Drops tombstones that have done their work: the parts are rewritten, and nothing that was received before can come any
    /// more.
    async fn forget_tombstones(&mut self) -> Result<(), RunError<S::Error>> {
        let Some(oldest) = self.manifest.tombstones.iter().filter(|t| t.done).map(|t| t.at).min() else {
            return Ok(());
        };
        let until = self.now() - TimeDelta::days(1);
        if oldest > until {
            return Ok(());
        }
        let until = self.oldest_incoming().await?.map_or(until, |incoming| incoming.min(until));
        let over = |tombstone: &&Tombstone| tombstone.done && tombstone.at < until;
        let keys: Vec<String> = self.manifest.tombstones.iter().filter(over).map(|t| t.key.clone()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        // The objects first: a tombstone whose object is still there would be found again, and be as good as new.
        self.delete_all(keys.iter().cloned()).await?;
        self.manifest.tombstones.retain(|tombstone| !keys.contains(&tombstone.key));
        self.commit().await
    }
}
