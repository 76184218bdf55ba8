//! Reading all files of a folder: opened, cut into units, decoded by several threads.

use std::sync::atomic::AtomicU64;

use crate::assign::Assigner;
use crate::batch::Batch;
use crate::error::SnapshotError;
use crate::fields::{Role, Wanted, wanted};
use crate::file::{File, Format};
use crate::found::{Finder, Found};
use crate::mapping::Mapping;
use crate::parquet::{self, Chunks, ParquetFile};
use crate::place::Origin;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::source::Source;
use crate::text;
use crate::unknown::Unknowns;
use crate::workers::{Job, run};

/// What is read, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) unknowns: &'a Unknowns,
    pub(crate) mapping: Option<&'a Mapping>,
    /// Where the columns of the files are noted, for a check.
    pub(crate) found: Option<&'a Found>,
}

impl<'a> Reading<'a> {
    pub(crate) fn origin(&self, role: Role) -> Origin<'a> {
        Origin { role, space: self.plan.space, unknowns: self.unknowns }
    }
}

/// What one thread decodes at a time.
enum Unit<'a> {
    RowGroup(&'a ParquetFile<'a>, usize),
    Text(&'a File<'a>),
}

/// What is fetched ahead for a unit.
enum Fetched {
    Chunks(Chunks),
    /// Text is fetched as it is decoded.
    Nothing,
}

/// Reads all rows of `files`, which are in the order of their names. Each unit's result goes to `fold` in the order (file name, row),
/// with its file.
///
/// # Errors
/// The first, in that order.
pub(crate) fn scan<'f, S: Sink>(
    reading: &Reading<'_>,
    files: &'f [File<'f>],
    role: Role,
    sink: impl Fn() -> S + Sync,
    mut fold: impl FnMut(&'f File<'f>, S::Unit) + Send,
) -> Result<(), SnapshotError> {
    let Reading { source, plan, unknowns, mapping, found } = *reading;
    let mapping = mapping.and_then(|mapping| mapping.of(role, plan));
    let mapping = mapping.as_ref();
    // The times of the same files are read before.
    let found = found.filter(|_| role != Role::Times);
    let finder = found.map(|found| Finder { found, role, mapping, space: plan.space });
    let columns = mapping.map_or_else(|| wanted(role, plan), |mapping| mapping.read.clone());
    let wanted: Vec<Vec<Wanted>> = files.iter().map(|file| file.wanted(&columns)).collect();
    let opened = open(source, files, &wanted, plan, finder)?;
    let decompressed = AtomicU64::new(0);
    let mut units = Vec::new();
    for ((number, file), parquet) in files.iter().enumerate().zip(&opened) {
        match parquet {
            Some(parquet) => {
                units.extend((0..parquet.row_groups()).map(|group| (number, Unit::RowGroup(parquet, group))));
            }
            None => units.push((number, Unit::Text(file))),
        }
    }
    let job = Job {
        weight: |(_, unit): &(usize, Unit<'_>)| match unit {
            Unit::RowGroup(file, group) => Chunks::weight(file, *group),
            Unit::Text(_) => 0,
        },
        fetch: |(_, unit): &(usize, Unit<'_>)| match unit {
            Unit::RowGroup(file, group) => Ok(Fetched::Chunks(Chunks::read(source, file, *group)?)),
            Unit::Text(_) => Ok(Fetched::Nothing),
        },
        init: || (sink(), Assigner::new(plan.space, unknowns)),
        work: |(sink, assigner): &mut (S, Assigner<'_>), (number, unit): &(usize, Unit<'_>), fetched: Fetched| {
            let mut seen = None;
            match (unit, fetched) {
                (Unit::RowGroup(file, group), Fetched::Chunks(chunks)) => {
                    let each = &mut |batch: &Batch| sink.rows(file.key, batch);
                    parquet::read((file, *group), &chunks, (role, mapping), plan, &decompressed, assigner, each)?;
                }
                (Unit::Text(file), _) => {
                    let each = &mut |batch: &Batch| sink.rows(file.key, batch);
                    let of = text::Of { role, wanted: &wanted[*number], mapping, finder };
                    seen = text::read(source, file, of, plan, &decompressed, assigner, each)?;
                }
                (Unit::RowGroup(..), Fetched::Nothing) => {}
            }
            Ok((*number, seen, sink.finish()))
        },
    };
    let mut columns = Columns::default();
    run(&units, plan.threads, &job, |(number, seen, unit)| {
        if let Some(seen) = seen {
            columns.add((files[number].key, &wanted[number]), seen);
        }
        fold(&files[number], unit);
    })?;
    columns.check()
}

/// Which columns the records of a folder have. A writer may leave nulls out: where any record has a column, it is null in the others.
#[derive(Default)]
struct Columns<'f> {
    all: Vec<bool>,
    /// The first file without a required column, and the names of its first record's fields.
    missing: Option<(&'f str, &'f [Wanted], Vec<String>)>,
}

impl<'f> Columns<'f> {
    fn add(&mut self, (key, wanted): (&'f str, &'f [Wanted]), seen: text::Seen) {
        if self.missing.is_none() && seen.missing(wanted).is_some() {
            self.missing = Some((key, wanted, seen.first));
        }
        self.all.resize(seen.columns.len(), false);
        self.all.iter_mut().zip(seen.columns).for_each(|(any, seen)| *any |= seen);
    }

    fn check(self) -> Result<(), SnapshotError> {
        let Some((key, wanted, first)) = self.missing else { return Ok(()) };
        let all = text::Seen { columns: self.all, first };
        match all.missing(wanted) {
            None => Ok(()),
            Some(column) => Err(SnapshotError::MissingColumn { object: key.into(), column, found: all.first }),
        }
    }
}

/// Reads the footers of the Parquet files.
fn open<'a>(
    source: &dyn Source,
    files: &'a [File<'a>],
    wanted: &[Vec<Wanted>],
    plan: &Plan<'_>,
    finder: Option<Finder<'_>>,
) -> Result<Vec<Option<ParquetFile<'a>>>, SnapshotError> {
    let mut opened = Vec::with_capacity(files.len());
    let units: Vec<(&File<'a>, &[Wanted])> = files.iter().zip(wanted.iter().map(Vec::as_slice)).collect();
    let job = Job {
        weight: |_: &(&'a File<'a>, &[Wanted])| 0,
        fetch: |(file, wanted): &(&'a File<'a>, &[Wanted])| match file.format {
            Format::Parquet => parquet::open(source, file, wanted, &plan.limits).map(Some),
            Format::Json(_) | Format::Csv(_) => Ok(None),
        },
        init: || (),
        work: |(): &mut (), _: &(&'a File<'a>, &[Wanted]), file| Ok(file),
    };
    run(&units, plan.threads, &job, |file: Option<ParquetFile<'a>>| {
        if let (Some(file), Some(finder)) = (&file, finder) {
            file.found(finder);
        }
        opened.push(file);
    })?;
    Ok(opened)
}
