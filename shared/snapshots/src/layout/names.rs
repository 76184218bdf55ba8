//! What the name of an object says: data or not, and how it is written.

use crate::file::{Compression, Format};

/// Whether a folder or file is one that writers hide: `_temporary`, `_committed_…`, `.part.crc`. A name with `=` after
/// its underscore is a partition.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Whether a folder is one of those in which Hive keeps what transactions wrote: `base_0000012`, `delta_0000013_0000013_0000`,
/// `delete_delta_…`. Which of them count, Hive alone knows.
pub(super) fn is_of_acid(folder: &str) -> bool {
    let numbers = folder
        .strip_prefix("base_")
        .map(|rest| (rest, 1))
        .or_else(|| Some((folder.strip_prefix("delete_").unwrap_or(folder).strip_prefix("delta_")?, 2)));
    let Some((rest, least)) = numbers else { return false };
    let parts: Vec<&str> = rest.split('_').collect();
    let is_number = |part: &&str| part.len() >= 7 && part.bytes().all(|c| c.is_ascii_digit());
    parts.len() >= least && parts[..least].iter().all(is_number)
}

/// Whether a file is beside the data and not data: Hadoop's folder markers, Athena's metadata, checksums, what an editor kept.
pub(super) fn is_beside(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let ends = |ending: &&str| lower.ends_with(*ending);
    ["_$folder$", ".metadata", ".crc", ".md5", ".sha256", "~"].iter().any(ends) || name == "manifest"
}

/// Whether a file is a list of the others, as Redshift and Athena write it: `0000_manifest`, `…-manifest.csv`.
pub(super) fn is_manifest(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    stem.strip_suffix("manifest").is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '_']))
}

/// How a file says that it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    As(Format),
    /// The name does not say.
    Nothing,
    /// As something that is not read.
    Unknown,
}

/// The format that a name says.
pub(super) fn format(name: &str) -> Named {
    let lower = name.to_ascii_lowercase();
    let (stem, compression) = match (lower.strip_suffix(".gz"), lower.strip_suffix(".zst")) {
        (Some(stem), _) => (stem, Compression::Gzip),
        (_, Some(stem)) => (stem, Compression::Zstd),
        _ => (lower.as_str(), Compression::Plain),
    };
    let Some((_, ending)) = stem.rsplit_once('.') else { return Named::Nothing };
    match ending {
        "parquet" | "pq" if compression == Compression::Plain => Named::As(Format::Parquet),
        "jsonl" | "ndjson" | "json" => Named::As(Format::Json(compression)),
        "csv" | "tsv" => Named::As(Format::Csv(compression)),
        // Numbers of parts: `part.000`, `part-00000.c000`.
        _ if ending.is_empty() || ending.bytes().any(|c| !c.is_ascii_alphabetic()) && ending.len() < 8 => {
            match ending {
                "bz2" | "lz4" | "7z" | "mp4" => Named::Unknown,
                _ => Named::Nothing,
            }
        }
        _ => Named::Unknown,
    }
}

/// Whether an object in no folder of ours is named as data are. JSON beside the folders may be anything.
pub(super) fn is_data(key: &str) -> bool {
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    let is_format = match format(name) {
        Named::As(Format::Json(_)) => {
            !folders.is_empty() || !name.to_ascii_lowercase().split('.').any(|part| part == "json")
        }
        Named::As(_) => true,
        Named::Nothing | Named::Unknown => false,
    };
    is_format && !is_beside(name) && !is_manifest(name) && !key.split('/').any(is_hidden)
}

/// Whether a name is nearly that of a folder: in another case, in the singular, with something before or after, or with a
/// slip of the fingers.
pub(super) fn is_nearly(name: &str, folder: &str) -> bool {
    let lower = name.trim().to_ascii_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    let singular = folder.strip_suffix('s').unwrap_or(folder);
    let words: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
    words.iter().any(|word| *word == folder || *word == singular)
        || (words.len() == 1 && folder.len() > 5 && distance(stem, folder) <= 2)
}

/// The letters to insert, delete, replace or swap with the next to get from one name to another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(32).collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let named = |name| match format(name) {
            Named::As(format) => Some(format),
            Named::Nothing | Named::Unknown => None,
        };
        assert_eq!(named("a.b.ndjson.zst"), Some(Format::Json(Compression::Zstd)));
        assert_eq!(named("a.json"), Some(Format::Json(Compression::Plain)));
        assert_eq!(named("a.snappy.PARQUET"), Some(Format::Parquet));
        assert_eq!(named("a.tsv.gz"), Some(Format::Csv(Compression::Gzip)));
        for name in ["parquet", "0000_part_00", "000000_0.gz", "data_0_0_0", "part.000", "part-00000.c000", "x.zst"] {
            assert_eq!(format(name), Named::Nothing, "{name}");
        }
        for name in ["a.parquet.gz", "a.txt", "a.orc", "a.avro", "a.csv.bz2", "a.json.lz4", "a.csv.snappy", "a.xlsx"] {
            assert_eq!(format(name), Named::Unknown, "{name}");
        }
    }

    #[test]
    fn what_is_not_data() {
        for name in ["_SUCCESS", "_committed_12", "_started_12", ".part.crc", "_temporary", "._a.csv"] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["_dt=2026-06-01", "part_0", "a._b"] {
            assert!(!is_hidden(name), "{name}");
        }
        for name in ["dt=1_$folder$", "0a1b.csv.metadata", "part-0.parquet.crc", "manifest", "a.csv~", "a.csv.~1~"] {
            assert!(is_beside(name), "{name}");
        }
        for name in ["0000_manifest", "manifest", "0a1b-manifest.csv", "parquet_manifest", "manifest.json"] {
            assert!(is_manifest(name), "{name}");
        }
        for name in ["manifesto.csv", "part-0.parquet", "amanifest.csv", "manifest_1.csv"] {
            assert!(!is_beside(name) && !is_manifest(name), "{name}");
        }
    }

    #[test]
    fn what_is_named_as_data() {
        for key in ["conversions/a.json", "conversions/dt=1/part-0.parquet", "clicks.csv", "goals.ndjson.gz"] {
            assert!(is_data(key), "{key}");
        }
        for key in
            ["README.md", "schema.json", "stats.json.gz", "docs/notes.txt", "x/_a.csv", "x/manifest.json", "x/part"]
        {
            assert!(!is_data(key), "{key}");
        }
    }

    #[test]
    fn folders_of_transactions() {
        for name in
            ["base_0000012", "base_0000012_v0000031", "delta_0000013_0000013_0000", "delete_delta_0000013_0000013_0000"]
        {
            assert!(is_of_acid(name), "{name}");
        }
        for name in ["base_1", "base", "delta_1_2", "delta_0000013", "database_0000012", "base_2026-01", "delta_a_b"] {
            assert!(!is_of_acid(name), "{name}");
        }
    }

    #[test]
    fn names_that_look_like_a_folder() {
        for (name, folder) in [
            ("Rewards", "rewards"),
            ("reward", "rewards"),
            ("rewards ", "rewards"),
            ("rewards.parquet", "rewards"),
            ("rewards_2026", "rewards"),
            ("my-rewards", "rewards"),
            ("rewadrs", "rewards"),
            ("exposure", "exposures"),
            ("EXPOSURES", "exposures"),
            ("exposres", "exposures"),
            ("Cells", "cells"),
        ] {
            assert!(is_nearly(name, folder), "{name}");
        }
        for (name, folder) in [("README", "rewards"), ("notes", "exposures"), ("sells", "cells"), ("words", "rewards")]
        {
            assert!(!is_nearly(name, folder), "{name}");
        }
    }
}
