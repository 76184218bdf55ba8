//! Which objects of a snapshot are read, as what.

use crate::error::SnapshotError;
use crate::source::Object;

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Json(Compression),
    Csv(Compression),
}

/// How a text file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// One file to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    pub(crate) format: Format,
}

/// The files of a snapshot, each list in the order of the names.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Exposures { exposures: Vec<File<'a>>, rewards: Vec<File<'a>> },
    Observations(Vec<File<'a>>),
    Cells(Vec<File<'a>>),
}

/// The folders of a snapshot that are read.
pub const FOLDERS: [&str; 4] = ["exposures", "rewards", "observations", "cells"];

/// The shape of a snapshot. Objects outside the four folders, hidden ones and folder markers are left out.
///
/// # Errors
/// More than one shape, more than one format in a folder, a name without a known ending.
pub(crate) fn shape(objects: &[Object]) -> Result<Shape<'_>, SnapshotError> {
    let mut folders: [Vec<File<'_>>; 4] = Default::default();
    for object in objects {
        let Some((folder, rest)) = object.key.split_once('/') else { continue };
        let Some(number) = FOLDERS.iter().position(|f| *f == folder) else { continue };
        let hidden = |name: &str| name.starts_with(['_', '.']);
        if rest.is_empty() || rest.ends_with('/') || rest.split('/').any(hidden) {
            continue;
        }
        let format = format(rest).ok_or_else(|| SnapshotError::UnknownFormat { object: object.key.clone() })?;
        folders[number].push(File { key: &object.key, size: object.size, format });
    }
    for (files, folder) in folders.iter_mut().zip(FOLDERS) {
        files.sort_by_key(|file| file.key);
        one_format(files, folder)?;
    }
    let [exposures, rewards, observations, cells] = folders;
    let firsts =
        [exposures.first().or(rewards.first()), observations.first(), cells.first()].map(Option::<&File<'_>>::copied);
    let mut present = firsts.into_iter().flatten();
    if let (Some(first), Some(second)) = (present.next(), present.next()) {
        return Err(SnapshotError::SeveralShapes { first: first.key.into(), second: second.key.into() });
    }
    Ok(match (observations.is_empty(), cells.is_empty()) {
        (false, _) => Shape::Observations(observations),
        (_, false) => Shape::Cells(cells),
        _ => Shape::Exposures { exposures, rewards },
    })
}

/// The keys of those objects of a snapshot that are read, as [`count`](crate::count()) takes them; none where there is nothing
/// to train on.
///
/// # Errors
/// More than one shape, more than one format in a folder, a name without a known ending.
pub fn read_keys(objects: &[Object]) -> Result<Vec<&str>, SnapshotError> {
    let files = match shape(objects)? {
        Shape::Exposures { exposures, .. } if exposures.is_empty() => Vec::new(),
        Shape::Exposures { exposures, rewards } => [exposures, rewards].concat(),
        Shape::Observations(files) | Shape::Cells(files) => files,
    };
    Ok(files.into_iter().map(|file| file.key).collect())
}

fn one_format(files: &[File<'_>], folder: &'static str) -> Result<(), SnapshotError> {
    let Some(first) = files.first() else { return Ok(()) };
    let same = |file: &&File<'_>| std::mem::discriminant(&file.format) == std::mem::discriminant(&first.format);
    match files.iter().find(|file| !same(file)) {
        None => Ok(()),
        Some(other) => Err(SnapshotError::MixedFormats { folder, first: first.key.into(), second: other.key.into() }),
    }
}

fn format(name: &str) -> Option<Format> {
    let lower = name.to_ascii_lowercase();
    let (stem, compression) = match (lower.strip_suffix(".gz"), lower.strip_suffix(".zst")) {
        (Some(stem), _) => (stem, Compression::Gzip),
        (_, Some(stem)) => (stem, Compression::Zstd),
        _ => (lower.as_str(), Compression::Plain),
    };
    match stem.rsplit_once('.')?.1 {
        "parquet" if compression == Compression::Plain => Some(Format::Parquet),
        "jsonl" | "ndjson" | "json" => Some(Format::Json(compression)),
        "csv" => Some(Format::Csv(compression)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(keys: &[&str]) -> Vec<Object> {
        keys.iter().map(|key| Object { key: (*key).into(), size: 1 }).collect()
    }

    #[test]
    fn files_are_found_in_sub_folders_and_sorted() {
        let objects = objects(&[
            "_SUCCESS",
            "truth.json",
            "exposures/",
            "exposures/dt=2/b.parquet",
            "exposures/dt=1/bucket=07/a.snappy.PARQUET",
            "exposures/_delta_log/0.json",
            "exposures/.part.crc",
            "exposures/dt=1/_committed",
            "rewards/r.csv.gz",
            "rewards/q.csv",
            "notes/readme.txt",
        ]);
        let Shape::Exposures { exposures, rewards } = shape(&objects).unwrap() else { panic!("shape") };
        let keys = |files: &[File<'_>]| files.iter().map(|f| f.key.to_owned()).collect::<Vec<_>>();
        assert_eq!(keys(&exposures), ["exposures/dt=1/bucket=07/a.snappy.PARQUET", "exposures/dt=2/b.parquet"]);
        assert_eq!(keys(&rewards), ["rewards/q.csv", "rewards/r.csv.gz"]);
        assert_eq!(rewards[1].format, Format::Csv(Compression::Gzip));
    }

    #[test]
    fn the_keys_that_are_read() {
        let with_rewards = objects(&["rewards/a.csv", "_SUCCESS", "exposures/b.csv", "exposures/_c.csv", "notes.txt"]);
        assert_eq!(read_keys(&with_rewards).unwrap(), ["exposures/b.csv", "rewards/a.csv"]);
        assert_eq!(read_keys(&objects(&["cells/a.csv"])).unwrap(), ["cells/a.csv"]);
        assert!(read_keys(&objects(&["rewards/a.csv"])).unwrap().is_empty());
    }

    #[test]
    fn endings() {
        assert_eq!(format("a.b.ndjson.zst"), Some(Format::Json(Compression::Zstd)));
        assert_eq!(format("a.json"), Some(Format::Json(Compression::Plain)));
        assert_eq!(format("a.parquet.gz"), None);
        assert_eq!(format("a.txt"), None);
        assert_eq!(format("parquet"), None);
    }

    #[test]
    fn what_is_refused() {
        let error = |keys: &[&str]| shape(&objects(keys)).unwrap_err().to_string();
        assert!(error(&["exposures/a.parquet", "cells/b.csv"]).contains("both exposures/a.parquet and cells/b.csv"));
        assert!(error(&["rewards/a.csv", "observations/b.csv"]).contains("both rewards/a.csv and observations/b.csv"));
        assert!(error(&["exposures/a.parquet", "exposures/b.csv"]).contains("exposures/ holds more than one format"));
        assert!(error(&["cells/readme"]).starts_with("cells/readme: the name ends in none of"));
        assert!(shape(&objects(&["exposures/a.parquet", "rewards/b.csv"])).is_ok());
    }
}
