//! The sink of a check: which days the rows cover, and which of them come twice.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use crate::batch::{Batch, Id};
use crate::error::SnapshotError;
use crate::place::{cell, timestamp};
use crate::sink::Sink;

/// Rows that are looked at for duplicates; eight bytes each.
const ROWS: usize = 50_000_000;
const DAY: i64 = 86_400_000_000;

/// What a check finds in the rows of some units.
#[derive(Debug, Default)]
pub(crate) struct Surveyed {
    first: Option<i64>,
    last: Option<i64>,
    /// Days since 1970, in UTC.
    days: BTreeSet<i64>,
    hashes: Vec<u64>,
}

/// Looks at the ids, times and variants of rows.
pub(crate) struct Survey {
    pub(crate) hasher: DefaultHashBuilder,
    seen: Surveyed,
}

impl Survey {
    /// The same `hasher` for all units of a pass.
    pub(crate) fn new(hasher: &DefaultHashBuilder) -> Self {
        Self { hasher: hasher.clone(), seen: Surveyed::default() }
    }
}

impl Sink for Survey {
    type Unit = Surveyed;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        // Of observations and cells no ids are read, so that none of them is known to come twice.
        let with_ids = batch.ids.len() == batch.rows;
        for row in 0..batch.rows {
            let Ok(time) = timestamp(batch, row) else { continue };
            self.seen.first = Some(self.seen.first.map_or(time, |first| first.min(time)));
            self.seen.last = self.seen.last.max(Some(time));
            self.seen.days.insert(time.div_euclid(DAY));
            if !with_ids {
                continue;
            }
            let (Id::Text(id), Ok(cell)) = (batch.ids.get(row), cell(batch, row)) else { continue };
            if self.seen.hashes.len() < ROWS {
                self.seen.hashes.push(self.hasher.hash_one((id, time, cell.variant, cell.context)));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Surveyed {
        std::mem::take(&mut self.seen)
    }
}

impl Surveyed {
    pub(crate) fn merge(&mut self, other: Self) {
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.days.extend(other.days);
        let room = ROWS.saturating_sub(self.hashes.len());
        self.hashes.extend(other.hashes.into_iter().take(room));
    }

    /// The first and the last time, and the number of days that have any.
    pub(crate) fn days(&self) -> Option<(i64, i64, usize)> {
        Some((self.first?, self.last?, self.days.len()))
    }

    /// Rows that have the id, time, variant and context of an earlier one.
    pub(crate) fn duplicates(mut self) -> u64 {
        let rows = self.hashes.len();
        self.hashes.sort_unstable();
        self.hashes.dedup();
        (rows - self.hashes.len()) as u64
    }
}
