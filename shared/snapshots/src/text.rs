//! Text files: JSON lines and CSV, streamed through their compression.

mod csv;
mod json;
mod rows;
mod stream;

use crate::assign::Assigner;
use crate::batch::Batch;
use crate::error::SnapshotError;
use crate::fields::Wanted;
use crate::layout::{File, Format};
use crate::plan::Plan;
use crate::source::Source;
use rows::Rows;

/// The longest record of a text file, in bytes.
pub(crate) const RECORD: usize = 1 << 20;

/// Decodes a text file and hands its rows on, some thousand at a time.
///
/// # Errors
/// What the file and the store may do wrong, and what `each` returns.
pub(crate) fn read(
    source: &dyn Source,
    file: &File<'_>,
    wanted: &[Wanted],
    plan: &Plan<'_>,
    assigner: &mut Assigner<'_>,
    each: &mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let typed = !matches!(file.format, Format::Csv(_));
    let mut rows = Rows::new(plan, typed, assigner, each);
    match file.format {
        Format::Json(compression) => {
            stream::open(source, file, compression, |text| json::read(text, file.key, wanted, &mut rows))
        }
        Format::Csv(compression) => {
            stream::open(source, file, compression, |text| csv::read(text, file.key, wanted, &mut rows))
        }
        Format::Parquet => Ok(()),
    }?;
    rows.finish()
}
