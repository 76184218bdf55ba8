//! Text files: JSON and CSV as they come, streamed through their compression.

mod csv;
mod dialect;
mod json;
mod magic;
mod objects;
mod rows;
mod stream;
mod unpack;

use std::sync::atomic::AtomicU64;

use crate::assign::Assigner;
use crate::batch::Batch;
use crate::error::SnapshotError;
use crate::fields::{Field, Role, Wanted, resolve};
use crate::file::{File, Format};
use crate::found::Finder;
use crate::mapping::Columns;
use crate::plan::Plan;
use crate::source::Source;
pub(crate) use rows::Rows;

pub(crate) use magic::{HEAD, Magic, is_json, magic};

/// What the rows of a file are, and what is looked for in them.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) role: Role,
    pub(crate) wanted: &'a [Wanted],
    pub(crate) mapping: Option<&'a Columns>,
    /// Where the columns are noted, for a check.
    pub(crate) finder: Option<Finder<'a>>,
}

impl Of<'_> {
    /// Notes a column of a file and what it is read as.
    fn note(&self, name: &str, written_as: &str, field: Option<Field>) {
        if let Some(finder) = &self.finder {
            finder.add(name, written_as, field);
        }
    }

    /// Notes the columns that the path of the file carries, but for those that the file has.
    fn note_in_path(&self, has: impl Fn(Field) -> bool) {
        for column in self.wanted.iter().filter(|column| column.in_path.is_some() && !has(column.field)) {
            self.note(&column.names[0], "path", Some(column.field));
        }
    }
}

/// Which of the wanted columns any record of a file has, and the names of the fields of the first.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) columns: Vec<bool>,
    pub(crate) first: Vec<String>,
}

impl Seen {
    /// The required column that is not there.
    pub(crate) fn missing(&self, wanted: &[Wanted]) -> Option<String> {
        let seen = wanted.iter().zip(&self.columns).filter(|(_, seen)| **seen);
        let names: Vec<String> = seen.map(|(column, _)| column.names[0].clone()).collect();
        resolve(wanted, &names).err()
    }
}

/// Decodes a text file and hands its rows on, some thousand at a time. `total` counts the bytes to which the files of the folder are
/// decompressed. Of JSON, whose records may leave out what is null, it returns which columns it has: whether one is missing is
/// decided for the folder.
///
/// # Errors
/// What the file and the store may do wrong, and what `each` returns.
pub(crate) fn read(
    source: &dyn Source,
    file: &File<'_>,
    of: Of<'_>,
    plan: &Plan<'_>,
    total: &AtomicU64,
    assigner: &mut Assigner<'_>,
    each: &mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
) -> Result<Option<Seen>, SnapshotError> {
    let mut seen = None;
    stream::open(source, file, &plan.limits, total, |text| {
        let is_json = matches!(file.format, Format::Json(_));
        let mut rows = Rows::new(file.key, (of.role, of.mapping), plan, is_json, assigner, each);
        if is_json {
            seen = json::read(text, file.key, of, &mut rows)?;
        } else {
            csv::read(text, file.key, of, &mut rows)?;
        }
        rows.finish()
    })?;
    Ok(seen)
}
