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
use crate::fields::{Role, Wanted};
use crate::file::{File, Format};
use crate::mapping::Columns;
use crate::plan::Plan;
use crate::source::Source;
pub(crate) use rows::Rows;

pub(crate) use magic::{HEAD, Magic, is_json, magic};

/// Decodes a text file and hands its rows on, some thousand at a time. `total` counts the bytes to which the files of the folder are
/// decompressed.
///
/// # Errors
/// What the file and the store may do wrong, and what `each` returns.
pub(crate) fn read(
    source: &dyn Source,
    file: &File<'_>,
    (role, wanted, mapping): (Role, &[Wanted], Option<&Columns>),
    plan: &Plan<'_>,
    total: &AtomicU64,
    assigner: &mut Assigner<'_>,
    each: &mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    stream::open(source, file, &plan.limits, total, |text| {
        let is_json = matches!(file.format, Format::Json(_));
        let mut rows = Rows::new(file.key, (role, mapping), plan, is_json, assigner, each);
        if is_json {
            json::read(text, file.key, wanted, &mut rows)?;
        } else {
            csv::read(text, file.key, wanted, &mut rows)?;
        }
        rows.finish()
    })
}
