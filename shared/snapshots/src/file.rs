//! A file of a snapshot: what it is called, how it is written, and what its path says.

use crate::fields::{Wanted, find};

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Json(Compression),
    Csv(Compression),
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Json(_) => "JSON",
            Self::Csv(_) => "CSV",
        }
    }
}

/// How a text file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// One file to read.
#[derive(Clone, Debug)]
pub(crate) struct File<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    pub(crate) format: Format,
    /// The columns that its path carries, with their values; `None` is null.
    pub(crate) in_path: Vec<(String, Option<String>)>,
}

impl File<'_> {
    /// The columns to look for in this file: those that its path carries have their value.
    pub(crate) fn wanted(&self, columns: &[Wanted]) -> Vec<Wanted> {
        let in_path = |column: &Wanted| {
            let found =
                column.names.iter().find_map(|name| find(name, self.in_path.iter().map(|(key, _)| key.as_str())));
            found.map(|position| self.in_path[position].1.clone())
        };
        columns.iter().map(|column| Wanted { in_path: in_path(column), ..column.clone() }).collect()
    }
}

/// What Hive and Spark call a null in a path.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns that the folders of a key carry: `dt=2026-06-01/device=mobile/part-0.parquet`. Keys and values may be
/// percent-encoded.
pub(crate) fn columns_in_path(key: &str) -> Vec<(String, Option<String>)> {
    let mut folders = key.split('/').rev();
    folders.next();
    let mut columns: Vec<(String, Option<String>)> = folders
        .filter_map(|folder| folder.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (decoded(name), (value != NULL).then(|| decoded(value))))
        .collect();
    columns.reverse();
    columns
}

/// A text without its percent-encoding; what is not valid stays as it is.
pub(crate) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_carry_columns() {
        let of = |key: &str| columns_in_path(key);
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(of("exposures/dt=2026-06-01/a=b=c.csv"), [("dt".to_owned(), value("2026-06-01"))]);
        assert_eq!(
            of("exposures/_device=Ship%20faster%2F2/x/k=__HIVE_DEFAULT_PARTITION__/a.csv"),
            [("_device".to_owned(), value("Ship faster/2")), ("k".to_owned(), None)]
        );
        assert_eq!(of("exposures/=a/a==/p.csv"), [("a".to_owned(), value("="))]);
        assert_eq!(of("exposures/device=100%/p.csv"), [("device".to_owned(), value("100%"))]);
    }
}
