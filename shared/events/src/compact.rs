//! Incoming objects become parts, a round at a time, so that memory is bounded whatever waits.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::batch::{Batch, Erased};
use crate::key::EventKey;
use crate::keys::{BLOCK, Filter, Merge, encode};
use crate::kind::Kind;
use crate::layout::{incoming_prefix, time_of, unreadable_key};
use crate::manifest::KeyFile;
use crate::merge;
use crate::part::{Part, Written};
use crate::rewrite::rewrite;
use crate::run::{Run, RunError};
use crate::store::{Listed, Store};

/// Objects that are read, written or deleted at once.
const AT_ONCE: usize = 16;
/// Objects of a listing's page.
const PAGE: usize = 1000;
/// Merges that one version of the manifest takes in.
const MERGES_AT_ONCE: usize = 16;

impl<S: Store> Run<'_, S> {
    /// Takes in all that waits, or what there is time for; whether nothing is left.
    ///
    /// What a snapshot has the reward of, it has the exposure of, if that came in before: after rewards, exposures are looked for again.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn take_in(&mut self) -> Result<bool, RunError<S::Error>> {
        let mut all = self.take_in_all(Kind::Exposures).await?;
        let before = self.report.objects;
        all &= self.take_in_all(Kind::Rewards).await?;
        if self.report.objects > before {
            all &= self.take_in_all(Kind::Exposures).await?;
        }
        self.report.oldest = self.oldest_incoming().await?;
        Ok(all)
    }

    /// Takes in all of a kind that waits, or what there is time for; whether nothing is left.
    async fn take_in_all(&mut self, kind: Kind) -> Result<bool, RunError<S::Error>> {
        loop {
            if self.is_late() {
                return Ok(false);
            }
            self.find_tombstones().await?;
            if !self.round(kind).await? {
                return Ok(true);
            }
        }
    }

    /// When the oldest incoming object was received.
    pub(crate) async fn oldest_incoming(&self) -> Result<Option<DateTime<Utc>>, RunError<S::Error>> {
        let mut oldest = None;
        for kind in Kind::ALL {
            let prefix = format!("{}{}", self.root, incoming_prefix(kind));
            let first = self.store.list(&prefix, None, 1).await.map_err(RunError::Store)?;
            let received = first.first().map(|object| time_of(&object.key).unwrap_or(object.modified));
            oldest = [oldest, received].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// The objects of one round, the oldest first.
    async fn waiting(&self, kind: Kind) -> Result<Vec<Listed>, RunError<S::Error>> {
        let prefix = format!("{}{}", self.root, incoming_prefix(kind));
        let mut waiting: Vec<Listed> = Vec::new();
        while waiting.len() < self.limits.round_objects {
            let most = PAGE.min(self.limits.round_objects - waiting.len());
            let after = waiting.last().map(|object| object.key.clone());
            let page = self.store.list(&prefix, after.as_deref(), most).await.map_err(RunError::Store)?;
            let ended = page.len() < most;
            waiting.extend(page);
            if ended {
                break;
            }
        }
        Ok(waiting)
    }

    /// Takes in the oldest objects of a kind; whether there was any.
    async fn round(&mut self, kind: Kind) -> Result<bool, RunError<S::Error>> {
        let waiting = self.waiting(kind).await?;
        let Some(first) = waiting.first() else { return Ok(false) };
        let oldest = time_of(&first.key).unwrap_or(first.modified).min(self.now());
        let (batch, taken) = self.fill(kind, &waiting).await?;
        let (batch, keys, rows) = self.without_known(batch).await?;
        let (events, erased) = (rows.len() as u64, batch.erased);
        let duplicates = batch.len() as u64 - events;
        if !rows.is_empty() {
            let received = batch.received.unwrap_or(oldest);
            let parts = self.offload(move || batch.parts(&rows)).await??;
            self.write_parts(parts).await?;
            self.write_keys(kind, received, keys).await?;
            // A key goes when no event that still waits can be a retry of its own.
            let until = (oldest - self.limits.idempotency).date_naive();
            let old = self.manifest.keys.iter().filter(|file| file.kind == kind && file.day < until);
            let old: Vec<String> = old.map(|file| file.key.clone()).collect();
            self.retire(old.iter().map(String::as_str));
            self.commit().await?;
        }
        // Only now: all of their events count, and would be known if the objects came again.
        self.delete_all(taken.iter().cloned()).await?;
        self.report.events += events;
        self.report.duplicates += duplicates;
        self.report.erased += erased;
        self.report.objects += taken.len() as u64;
        Ok(true)
    }

    /// Reads objects until a round is full. What cannot be read is put aside.
    async fn fill(&mut self, kind: Kind, waiting: &[Listed]) -> Result<(Batch, Vec<String>), RunError<S::Error>> {
        let (mut batch, mut taken) = (Batch::new(kind), Vec::new());
        let erased: Erased =
            self.manifest.tombstones.iter().map(|tombstone| (tombstone.anonymous_id.clone(), tombstone.at)).collect();
        let erased = Arc::new(erased);
        for some in waiting.chunks(AT_ONCE) {
            if batch.len() >= self.limits.round_events || batch.bytes() >= self.limits.round_bytes {
                break;
            }
            let run = &*self;
            let read = |object: &Listed| {
                let (key, received) = (object.key.clone(), time_of(&object.key).unwrap_or(object.modified));
                async move { Ok::<_, RunError<S::Error>>((run.read(&key).await?, key, received)) }
            };
            let reading: Vec<_> = some.iter().map(read).collect();
            let objects: Vec<(Bytes, String, DateTime<Utc>)> =
                stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
            taken.extend(objects.iter().map(|(_, key, _)| key.clone()));
            let erased = Arc::clone(&erased);
            let (filled, unreadable) = self
                .offload(move || {
                    let mut unreadable = Vec::new();
                    for (bytes, key, received) in objects {
                        if let Err(error) = batch.add(&bytes, received, &erased) {
                            unreadable.push((key, bytes, error));
                        }
                    }
                    (batch, unreadable)
                })
                .await?;
            batch = filled;
            for (key, bytes, error) in unreadable {
                tracing::error!(key, %error, "an object of events cannot be read and is put aside");
                let aside = format!("{}{}", self.root, unreadable_key(key.strip_prefix(&self.root).unwrap_or(&key)));
                self.put(&aside, bytes).await?;
                self.report.unreadable += 1;
            }
        }
        Ok((batch, taken))
    }

    /// The rows of a batch that were not counted before, with their keys in order.
    async fn without_known(&self, batch: Batch) -> Result<(Batch, Vec<EventKey>, Vec<u32>), RunError<S::Error>> {
        let kind = batch.kind;
        let (batch, mut filter) = self
            .offload(move || {
                let filter = Filter::new(batch.sorted());
                (batch, filter)
            })
            .await?;
        for file in self.manifest.keys.iter().filter(|file| file.kind == kind) {
            filter.begin();
            let mut at = 0;
            while at < file.size {
                let block = self.key_block(file, at).await?;
                at += block.len() as u64;
                if !filter.strike(&block) {
                    break;
                }
            }
        }
        let (keys, rows) = filter.finish();
        Ok((batch, keys, rows))
    }

    async fn key_block(&self, file: &KeyFile, at: u64) -> Result<Bytes, RunError<S::Error>> {
        let range = at..(at + BLOCK).min(file.size);
        let expected = range.end - range.start;
        let block = self.store.read_range(&file.key, range).await.map_err(RunError::Store)?;
        let block = block.ok_or(RunError::Overtaken)?;
        if block.len() as u64 == expected {
            return Ok(block);
        }
        let cause = format!("{} bytes at {at}, where there should be {expected}", block.len());
        Err(RunError::Broken { key: file.key.clone(), cause })
    }

    async fn write_parts(&mut self, parts: Vec<Written>) -> Result<(), RunError<S::Error>> {
        let added = self.next_version();
        let mut named = Vec::new();
        for part in parts {
            named.push((self.named(&part, added), part.bytes));
        }
        let writing: Vec<_> = named.iter().map(|(part, bytes)| self.put(&part.key, bytes.clone())).collect();
        stream::iter(writing).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
        self.manifest.parts.extend(named.into_iter().map(|(part, _)| part));
        Ok(())
    }

    /// A part under a fresh name.
    pub(crate) fn named(&mut self, written: &Written, added: u64) -> Part {
        let name = self.name();
        Part {
            key: format!("{}{}{name}.parquet", self.root, written.partition.folder()),
            partition: written.partition.clone(),
            names: written.names.clone(),
            size: written.bytes.len() as u64,
            rows: written.rows,
            min_timestamp: written.min_timestamp,
            max_timestamp: written.max_timestamp,
            added,
            written_at: self.now(),
        }
    }

    async fn write_keys(
        &mut self,
        kind: Kind,
        received: DateTime<Utc>,
        keys: Vec<EventKey>,
    ) -> Result<(), RunError<S::Error>> {
        let bytes = encode(keys.into_iter());
        self.write_key_file(kind, received.date_naive(), bytes).await
    }

    async fn write_key_file(&mut self, kind: Kind, day: NaiveDate, bytes: Bytes) -> Result<(), RunError<S::Error>> {
        let name = self.name();
        let key = format!("{}keys/{}/{day}/{name}.keys", self.root, kind.as_str());
        let size = bytes.len() as u64;
        self.put(&key, bytes).await?;
        self.manifest.keys.push(KeyFile { key, kind, day, size });
        Ok(())
    }

    /// Deletes objects, some at once.
    pub(crate) async fn delete_all(&self, keys: impl IntoIterator<Item = String>) -> Result<(), RunError<S::Error>> {
        let delete = |key: String| async move { self.store.delete(&key).await.map_err(RunError::Store) };
        let deleting: Vec<_> = keys.into_iter().map(delete).collect();
        stream::iter(deleting).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    /// Merges small parts and small files of keys into larger ones.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn merge(&mut self) -> Result<(), RunError<S::Error>> {
        // Parts that hold a deleted user are rewritten first: a merged part would hide how old its rows are.
        if self.manifest.tombstones.iter().all(|tombstone| tombstone.done) {
            for groups in merge::of_parts(&self.manifest, self.now()).chunks(MERGES_AT_ONCE) {
                if self.is_late() {
                    return Ok(());
                }
                for parts in groups {
                    self.merge_parts(parts).await?;
                }
                self.commit().await?;
            }
        }
        for groups in merge::of_keys(&self.manifest, self.now()).chunks(MERGES_AT_ONCE) {
            if self.is_late() {
                return Ok(());
            }
            for files in groups {
                self.merge_keys(files).await?;
            }
            self.commit().await?;
        }
        Ok(())
    }

    async fn merge_parts(&mut self, parts: &[Part]) -> Result<(), RunError<S::Error>> {
        let first = &parts[0];
        let kind = first.partition.kind;
        let mut bytes = Vec::new();
        for part in parts {
            bytes.push(self.read(&part.key).await?);
        }
        let rewritten = self
            .offload(move || rewrite(kind, bytes, &HashSet::new()))
            .await?
            .map_err(|e| RunError::Broken { key: first.key.clone(), cause: format!("merging it and others: {e}") })?;
        let expected: u64 = parts.iter().map(|part| part.rows).sum();
        if rewritten.rows != expected {
            let cause = format!("merging it and others gives {} rows of {expected}", rewritten.rows);
            return Err(RunError::Broken { key: first.key.clone(), cause });
        }
        let Some(bytes) = rewritten.bytes else { return Ok(()) };
        let names: Option<Vec<&Vec<String>>> = parts.iter().map(|part| part.names.as_ref()).collect();
        let names = names.map(|names| {
            let names: BTreeSet<&String> = names.into_iter().flatten().collect();
            names.into_iter().cloned().collect()
        });
        let written = Written {
            partition: first.partition.clone(),
            names,
            rows: rewritten.rows,
            min_timestamp: parts.iter().map(|part| part.min_timestamp).min().unwrap_or(0),
            max_timestamp: parts.iter().map(|part| part.max_timestamp).max().unwrap_or(0),
            bytes,
        };
        let part = self.named(&written, parts.iter().map(|part| part.added).max().unwrap_or(0));
        self.put(&part.key, written.bytes).await?;
        self.retire(parts.iter().map(|part| part.key.as_str()));
        self.manifest.parts.push(part);
        self.report.merged += parts.len() as u64;
        Ok(())
    }

    async fn merge_keys(&mut self, files: &[KeyFile]) -> Result<(), RunError<S::Error>> {
        let (mut merge, mut at) = (Merge::new(files.len()), vec![0; files.len()]);
        while let Some(wanted) = merge.wants() {
            let block = if at[wanted] < files[wanted].size {
                self.key_block(&files[wanted], at[wanted]).await?
            } else {
                Bytes::new()
            };
            at[wanted] += block.len() as u64;
            merge.give(wanted, &block);
        }
        self.write_key_file(files[0].kind, files[0].day, merge.finish()).await?;
        self.retire(files.iter().map(|file| file.key.as_str()));
        Ok(())
    }
}
