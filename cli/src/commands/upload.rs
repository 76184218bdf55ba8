//! From a local folder to a snapshot: what is one, and how it gets into the bucket.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use snapshots::{Object, read_keys};

use crate::error::CliError;

/// The largest object that one request can put.
const MOST_BYTES: u64 = 5 << 30;

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LocalFile {
    /// Its key from the snapshot's own prefix on, with `/` on every system.
    pub(super) key: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its size in bytes.
    pub(super) bytes: u64,
}

/// The files of a folder that a training run would read, in the order of their keys.
///
/// # Errors
/// [`CliError::NoSnapshot`] for a folder that has not exactly one of the three shapes or holds no file that can be read, and
/// [`CliError::File`], also for a file that is too large to be put.
pub(super) fn files(folder: &Path) -> Result<Vec<LocalFile>, CliError> {
    let fail = |cause: String| CliError::NoSnapshot { path: folder.to_owned(), cause };
    let mut all = all_files(folder)?;
    let objects: Vec<Object> = all.iter().map(|f| Object { key: f.key.clone(), size: f.bytes }).collect();
    let read: BTreeSet<&str> = read_keys(&objects).map_err(|e| fail(e.to_string()))?.into_iter().collect();
    if read.is_empty() {
        return Err(fail("it has no files in a folder exposures, observations or cells".into()));
    }
    all.retain(|file| read.contains(file.key.as_str()));
    if let Some(file) = all.iter().find(|file| file.bytes > MOST_BYTES) {
        let cause = format!("the file has {} bytes; the limit is {MOST_BYTES} (5 GiB), so split it", file.bytes);
        return Err(CliError::file(&file.path, cause));
    }
    all.sort();
    Ok(all)
}

/// All files of a folder, as objects.
///
/// # Errors
/// As [`files`], where the folder cannot be listed.
pub(super) fn objects(folder: &Path) -> Result<Vec<Object>, CliError> {
    Ok(all_files(folder)?.into_iter().map(|file| Object { key: file.key, size: file.bytes }).collect())
}

fn all_files(folder: &Path) -> Result<Vec<LocalFile>, CliError> {
    if !folder.is_dir() {
        return Err(CliError::NoSnapshot { path: folder.to_owned(), cause: "it is not a folder".into() });
    }
    let mut all = Vec::new();
    collect(folder, "", &mut all)?;
    Ok(all)
}

fn collect(folder: &Path, key: &str, into: &mut Vec<LocalFile>) -> Result<(), CliError> {
    let entries = fs::read_dir(folder).map_err(|e| CliError::file(folder, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| CliError::file(folder, e))?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(CliError::file(path, "the name is not valid UTF-8"));
        };
        let key = if key.is_empty() { name } else { format!("{key}/{name}") };
        // Follows links, as the copy will.
        let metadata = fs::metadata(&path).map_err(|e| CliError::file(&path, e))?;
        if metadata.is_dir() {
            collect(&path, &key, into)?;
        } else {
            into.push(LocalFile { key, path, bytes: metadata.len() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    fn cause(names: &[&str]) -> String {
        match files(folder(names).path()) {
            Err(CliError::NoSnapshot { cause, .. }) => cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn finds_the_files_that_are_read() {
        let folder = folder(&[
            "exposures/dt=2026-01-01/a.parquet",
            "exposures/_temporary/b.parquet",
            "exposures/.a.parquet.crc",
            "rewards/b.csv.gz",
            "rewards/a.csv",
            "notes.txt",
            "_SUCCESS",
        ]);
        let keys: Vec<String> = files(folder.path()).unwrap().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["exposures/dt=2026-01-01/a.parquet", "rewards/a.csv", "rewards/b.csv.gz"]);
    }

    #[test]
    fn refuses_what_is_no_snapshot() {
        assert!(cause(&["rewards/a.csv"]).contains("no files in a folder exposures"));
        assert!(cause(&["exposures/_a.csv"]).contains("no files in a folder exposures"));
        assert!(cause(&["exposures/a.csv", "cells/a.csv"]).contains("both exposures/a.csv and cells/a.csv"));
        assert!(cause(&["cells/a.csv", "rewards/a.csv"]).contains("both rewards/a.csv and cells/a.csv"));
        assert!(cause(&["exposures/a.csv", "exposures/b.parquet"]).contains("more than one format"));
        assert!(cause(&["exposures/a.csv", "exposures/b.txt"]).contains("exposures/b.txt: the name ends in none"));
        assert!(cause(&["exposures/a.parquet.gz"]).contains("the name ends in none"));
    }

    #[test]
    fn refuses_a_file_that_cannot_be_put() {
        let folder = folder(&["exposures/a.csv"]);
        let file = fs::File::options().write(true).open(folder.path().join("exposures/a.csv")).unwrap();
        file.set_len(MOST_BYTES).unwrap();
        assert_eq!(files(folder.path()).unwrap()[0].bytes, MOST_BYTES);
        file.set_len(MOST_BYTES + 1).unwrap();
        let refused = files(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("a.csv: the file has 5368709121 bytes"), "{refused}");
    }
}
