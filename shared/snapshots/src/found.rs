//! Which columns the files of a folder have, and what each is read as.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bandit::Space;
use serde::Serialize;

use crate::fields::{Field, Role};
use crate::mapping::Columns;
use crate::report::cut;

/// Columns that are told apart; further ones are counted.
const TOLD_APART: usize = 2_000;

/// A column of some files of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The folder.
    pub folder: String,
    /// The name, as the files write it.
    pub column: String,
    /// How it is written: the physical and logical type of Parquet, the kind of JSON value in the first record, `text` in CSV, `path`
    /// for a folder `key=value`.
    #[serde(rename = "type")]
    pub written_as: String,
    /// What it is read as; null where it is not read.
    pub read_as: Option<String>,
    /// Files that have it so.
    pub files: u64,
}

/// The folder, the name, how it is written, what it is read as.
type Key = (&'static str, String, String, Option<String>);

#[derive(Debug, Default)]
struct All {
    columns: BTreeMap<Key, u64>,
    more: u64,
}

/// The columns of all files that were opened.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<All>);

/// The columns of the files of one role.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    pub(crate) found: &'a Found,
    pub(crate) role: Role,
    pub(crate) mapping: Option<&'a Columns>,
    pub(crate) space: &'a Space,
}

impl Finder<'_> {
    /// Takes a column of a file: its name, how it is written, and the field that it is.
    pub(crate) fn add(&self, name: &str, written_as: &str, field: Option<Field>) {
        let read_as = field.map(|field| match (field, self.mapping) {
            (Field::Source(source), Some(mapping)) => mapping.uses(source, self.role, self.space),
            (Field::DesignFactor(_), _) => format!("factor {} of the variant", field.name(self.role, self.space)),
            (Field::ContextFactor(_), _) => format!("factor {} of the context", field.name(self.role, self.space)),
            _ => field.name(self.role, self.space).to_owned(),
        });
        let mut all = self.found.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.role.folder(), cut(name), cut(written_as), read_as);
        if all.columns.len() < TOLD_APART || all.columns.contains_key(&key) {
            *all.columns.entry(key).or_default() += 1;
        } else {
            all.more += 1;
        }
    }
}

impl Found {
    /// The columns, those that are read first, and how many there are beyond those that are told apart.
    pub(crate) fn columns(self) -> (Vec<Column>, u64) {
        let All { columns, more } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let column = |((folder, column, written_as, read_as), files): (Key, u64)| Column {
            folder: folder.into(),
            column,
            written_as,
            read_as,
            files,
        };
        let mut columns: Vec<Column> = columns.into_iter().map(column).collect();
        columns.sort_by_key(|column| (column.folder.clone(), column.read_as.is_none()));
        (columns, more)
    }
}
