//! The markers of commits that Spark leaves beside its files on Databricks: which files count.
//!
//! A write puts `_started_{id}` into a folder, then files with `-tid-{id}-` in their names, and at its end `_committed_{id}`: JSON
//! with the names of the files that it added to the folder and of those that it took out of it. What was taken out, and what an
//! attempt without an end has left, stays in the folder until it is cleaned up, and is no data.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Deserialize;

use super::names::Named;
use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::source::{Object, Source};
use crate::workers::{Job, run};

const STARTED: &str = "_started_";
const COMMITTED: &str = "_committed_";
/// The most bytes of markers that are read: some hundred thousand names.
const MOST_BYTES: u64 = 16 << 20;

/// Whether a file is a marker.
pub(super) fn is_marker(name: &str) -> bool {
    name.starts_with(STARTED) || name.starts_with(COMMITTED)
}

/// The names of files that a commit added and took out.
#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

/// What the markers of one folder say.
#[derive(Debug, Default)]
struct Folder<'a> {
    started: BTreeSet<&'a str>,
    /// The ids of what was committed, and whether the files of it are known.
    committed: BTreeMap<&'a str, bool>,
    /// The files, and the marker that names each.
    added: BTreeMap<String, &'a str>,
    removed: BTreeSet<String>,
}

impl Folder<'_> {
    fn is_live(&self, name: &str) -> bool {
        if self.removed.contains(name) {
            return false;
        }
        let Some(id) = name.split_once("-tid-").map(|(_, rest)| rest.split('-').next().unwrap_or_default()) else {
            return true;
        };
        match self.committed.get(id) {
            Some(is_known) => !is_known || self.added.contains_key(name),
            None => !self.started.contains(id),
        }
    }
}

/// What the markers of a snapshot say, by folder.
#[derive(Debug, Default)]
pub(super) struct Commits<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    /// Markers of commits that are no JSON of theirs.
    pub(super) unreadable: Vec<&'a str>,
    /// Files that do not count.
    pub(super) left_out: Vec<&'a str>,
}

impl<'a> Commits<'a> {
    /// Reads the markers.
    ///
    /// # Errors
    /// [`SnapshotError::Limit`] for markers that come to too much in all, a failed read.
    pub(super) fn read(source: &dyn Source, markers: &[&'a Object], threads: usize) -> Result<Self, SnapshotError> {
        let bytes = markers.iter().fold(0, |sum, object| u64::saturating_add(sum, object.size));
        if let (Some(first), true) = (markers.first(), bytes > MOST_BYTES) {
            return Err(SnapshotError::Limit {
                object: first.key.clone(),
                place: Place::Object,
                what: format!("it and the other markers of commits have {bytes} bytes"),
                name: "markers",
                limit: MOST_BYTES,
            });
        }
        let mut read: Vec<Option<Bytes>> = Vec::with_capacity(markers.len());
        let job = Job {
            weight: |_: &&'a Object| 0,
            fetch: |object: &&'a Object| {
                let is_read = object.size > 0 && split(&object.key).1.starts_with(COMMITTED);
                is_read.then(|| fetch(source, &object.key, 0..object.size)).transpose()
            },
            init: || (),
            work: |(): &mut (), _: &&'a Object, bytes| Ok(bytes),
        };
        run(markers, threads, &job, |bytes| read.push(bytes))?;
        let mut commits = Self::default();
        for (object, bytes) in markers.iter().zip(read) {
            let (path, name) = split(&object.key);
            let folder = commits.folders.entry(path).or_default();
            if let Some(id) = name.strip_prefix(STARTED) {
                folder.started.insert(id);
            } else if let Some(id) = name.strip_prefix(COMMITTED) {
                let commit = bytes.and_then(|bytes| serde_json::from_slice::<Commit>(&bytes).ok());
                folder.committed.insert(id, commit.is_some());
                match commit {
                    Some(commit) => {
                        folder.added.extend(commit.added.into_iter().map(|file| (file, object.key.as_str())));
                        folder.removed.extend(commit.removed);
                    }
                    None => commits.unreadable.push(&object.key),
                }
            }
        }
        Ok(commits)
    }

    /// Takes the files that do not count out of those that may be data.
    ///
    /// # Errors
    /// [`SnapshotError::NotThere`]: a file that counts is none of `objects`.
    pub(super) fn apply(
        &mut self,
        objects: &[Object],
        data: &mut [Vec<(&'a Object, Named)>],
    ) -> Result<(), SnapshotError> {
        if self.folders.is_empty() {
            return Ok(());
        }
        let there: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        for (path, folder) in &self.folders {
            let is_missing = |(file, _): &(&String, &&str)| {
                folder.is_live(file) && !there.contains(format!("{path}{file}").as_str())
            };
            if let Some((file, marker)) = folder.added.iter().find(is_missing) {
                return Err(SnapshotError::NotThere { object: (*marker).into(), file: file.clone() });
            }
        }
        for files in data {
            files.retain(|(object, _)| {
                let (path, name) = split(&object.key);
                let is_live = self.folders.get(path).is_none_or(|folder| folder.is_live(name));
                if !is_live {
                    self.left_out.push(&object.key);
                }
                is_live
            });
        }
        Ok(())
    }
}

/// The folder of a key, with its slash, and the name within.
fn split(key: &str) -> (&str, &str) {
    key.split_at(key.rfind('/').map_or(0, |slash| slash + 1))
}
