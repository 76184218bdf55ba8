//! From a local folder to a snapshot: what is one, and how it gets into the bucket.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The folders that a snapshot can have, each with those that may stand beside it.
const SHAPES: [(&str, &[&str]); 3] = [("exposures", &["rewards"]), ("observations", &[]), ("cells", &[])];
const FORMATS: [&str; 5] = [".parquet", ".jsonl", ".ndjson", ".json", ".csv"];
const PACKED: [&str; 2] = [".gz", ".zst"];

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

/// The files of a folder that are a snapshot's, in the order of their keys.
///
/// # Errors
/// [`CliError::NoSnapshot`] for a folder that has not exactly one of the three shapes or holds no file that can be read, and
/// [`CliError::File`].
pub(super) fn files(folder: &Path) -> Result<Vec<LocalFile>, CliError> {
    let fail = |cause: String| CliError::NoSnapshot { path: folder.to_owned(), cause };
    if !folder.is_dir() {
        return Err(fail("it is not a folder".into()));
    }
    let present = |name: &&str| folder.join(name).is_dir();
    let shapes: Vec<_> = SHAPES.iter().filter(|(name, _)| present(name)).collect();
    let (main, beside) = match shapes.as_slice() {
        [one] => one,
        [] => return Err(fail("it has no folder exposures, observations or cells".into())),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            return Err(fail(format!("it has {}; a snapshot has one shape", names.join(" and "))));
        }
    };
    if present(&"rewards") && !beside.contains(&"rewards") {
        return Err(fail(format!("it has rewards beside {main}, where they are joined already")));
    }
    let mut all = Vec::new();
    for part in std::iter::once(main).chain(*beside).filter(|name| present(name)) {
        let before = all.len();
        collect(&folder.join(part), part, &mut all)?;
        if part == main && all.len() == before {
            return Err(fail(format!("{main} holds no file; {}", formats_text())));
        }
        one_format(&all[before..])
            .map_err(|(a, b)| fail(format!("{part} mixes {a} and {b}; a folder has one format")))?;
    }
    if let Some(odd) = all.iter().find(|file| format(&file.key).is_none()) {
        return Err(fail(format!("{} is of no format that is read; {}", odd.key, formats_text())));
    }
    all.sort();
    Ok(all)
}

fn formats_text() -> String {
    format!("files end in {}, the text ones also in {} after that", FORMATS.join(", "), PACKED.join(" or "))
}

fn collect(folder: &Path, key: &str, into: &mut Vec<LocalFile>) -> Result<(), CliError> {
    let entries = fs::read_dir(folder).map_err(|e| CliError::file(folder, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| CliError::file(folder, e))?;
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(CliError::file(path, "the name is not UTF-8, as a key has to be"));
        };
        // Such names are not read: `_temporary`, `.crc` and their like.
        if name.starts_with(['_', '.']) {
            continue;
        }
        let key = format!("{key}/{name}");
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

/// The format of a file, by its name; JSON lines have three names.
fn format(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let plain = PACKED.iter().find_map(|packed| key.strip_suffix(packed));
    let of = |name: &str| FORMATS.into_iter().find(|format| name.ends_with(format));
    match (of(plain.unwrap_or(&key)), plain) {
        (Some(".parquet"), Some(_)) | (None, _) => None,
        (Some(".ndjson" | ".json"), _) => Some(".jsonl"),
        (found, _) => found,
    }
}

fn one_format(files: &[LocalFile]) -> Result<(), (&'static str, &'static str)> {
    let formats: BTreeSet<&'static str> = files.iter().filter_map(|file| format(&file.key)).collect();
    let mut formats = formats.into_iter();
    match (formats.next(), formats.next()) {
        (Some(one), Some(other)) => Err((one, other)),
        _ => Ok(()),
    }
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
        assert!(cause(&["rewards/a.csv"]).contains("no folder exposures"));
        assert!(cause(&["exposures/a.csv", "cells/a.csv"]).contains("exposures and cells"));
        assert!(cause(&["cells/a.csv", "rewards/a.csv"]).contains("joined already"));
        assert!(cause(&["exposures/_a.csv"]).contains("holds no file"));
        assert!(cause(&["exposures/a.csv", "exposures/b.parquet"]).contains("one format"));
        assert!(cause(&["exposures/a.csv", "exposures/b.txt"]).contains("b.txt is of no format"));
        assert!(cause(&["exposures/a.parquet.gz"]).contains("of no format"));
    }
}
