//! Reading all files of a folder: opened, cut into units, decoded by several threads.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use crate::assign::Assigner;
use crate::batch::Batch;
use crate::error::SnapshotError;
use crate::fields::{Role, Wanted, wanted};
use crate::layout::{File, Format};
use crate::parquet::{self, Chunks, ParquetFile};
use crate::plan::Plan;
use crate::source::{Source, SourceError};
use crate::text;
use crate::workers::{Job, run};

/// The bytes of a range, all of them.
///
/// # Errors
/// [`SnapshotError::Source`]; [`SnapshotError::Changed`] where the object is gone or shorter than it was listed.
pub(crate) fn fetch(source: &dyn Source, key: &str, range: Range<u64>) -> Result<Bytes, SnapshotError> {
    let length = range.end - range.start;
    let changed = |detail: String| SnapshotError::Changed { object: key.into(), detail };
    let bytes = source.read(key, range.clone()).map_err(|error| match error {
        SourceError::Gone(_) => changed(format!("bytes {} to {} are gone", range.start, range.end)),
        source => SnapshotError::Source { object: key.into(), source },
    })?;
    if bytes.len() as u64 != length {
        return Err(changed(format!("{} bytes at {} where {length} were listed", bytes.len(), range.start)));
    }
    Ok(bytes)
}

/// What one thread decodes at a time.
enum Unit<'a> {
    RowGroup(&'a ParquetFile<'a>, usize),
    Text(File<'a>),
}

/// What is fetched ahead for a unit.
enum Fetched {
    Chunks(Chunks),
    /// Text is fetched as it is decoded.
    Nothing,
}

/// What is made of the rows of one unit. One is made for each decoding thread.
pub(crate) trait Count {
    /// What a unit comes to.
    type Unit: Send;

    /// Takes some rows of the object `object`.
    ///
    /// # Errors
    /// A value that fails the run.
    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError>;

    /// What the unit's rows came to; the next rows are of another unit.
    fn finish(&mut self) -> Self::Unit;
}

/// Reads all rows of `files`, which are in the order of their names. Each unit's result goes to `fold` in the order (file name, row).
///
/// # Errors
/// The first, in that order.
pub(crate) fn scan<C: Count>(
    source: &dyn Source,
    files: &[File<'_>],
    role: Role,
    plan: &Plan<'_>,
    count: impl Fn() -> C + Sync,
    fold: impl FnMut(C::Unit) + Send,
) -> Result<(), SnapshotError> {
    let wanted = wanted(role, plan);
    let opened = open(source, files, &wanted, plan)?;
    let decompressed = AtomicU64::new(0);
    let mut units = Vec::new();
    for (file, parquet) in files.iter().zip(&opened) {
        match parquet {
            Some(parquet) => units.extend((0..parquet.row_groups()).map(|group| Unit::RowGroup(parquet, group))),
            None => units.push(Unit::Text(*file)),
        }
    }
    let job = Job {
        weight: |unit: &Unit<'_>| match unit {
            Unit::RowGroup(file, group) => Chunks::weight(file, *group),
            Unit::Text(_) => 0,
        },
        fetch: |unit: &Unit<'_>| match unit {
            Unit::RowGroup(file, group) => Ok(Fetched::Chunks(Chunks::read(source, file, *group)?)),
            Unit::Text(_) => Ok(Fetched::Nothing),
        },
        init: || (count(), Assigner::new(plan.space)),
        work: |(count, assigner): &mut (C, Assigner<'_>), unit: &Unit<'_>, fetched: Fetched| {
            match (unit, fetched) {
                (Unit::RowGroup(file, group), Fetched::Chunks(chunks)) => {
                    let each = &mut |batch: &Batch| count.rows(file.key, batch);
                    parquet::read((file, *group), &chunks, role, plan, &decompressed, assigner, each)?;
                }
                (Unit::Text(file), _) => {
                    let each = &mut |batch: &Batch| count.rows(file.key, batch);
                    text::read(source, file, (role, &wanted), plan, &decompressed, assigner, each)?;
                }
                (Unit::RowGroup(..), Fetched::Nothing) => {}
            }
            Ok(count.finish())
        },
    };
    run(&units, plan.threads, &job, fold)
}

/// Reads the footers of the Parquet files.
fn open<'a>(
    source: &dyn Source,
    files: &[File<'a>],
    wanted: &[Wanted],
    plan: &Plan<'_>,
) -> Result<Vec<Option<ParquetFile<'a>>>, SnapshotError> {
    let mut opened = Vec::with_capacity(files.len());
    let job = Job {
        weight: |_: &File<'a>| 0,
        fetch: |file: &File<'a>| match file.format {
            Format::Parquet => parquet::open(source, file, wanted, &plan.limits).map(Some),
            Format::Json(_) | Format::Csv(_) => Ok(None),
        },
        init: || (),
        work: |(): &mut (), _: &File<'a>, file| Ok(file),
    };
    run(files, plan.threads, &job, |file| opened.push(file))?;
    Ok(opened)
}
