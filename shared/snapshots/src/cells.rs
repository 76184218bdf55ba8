//! Counting by cell.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bandit::{Cell, CellTable, Space};

use crate::error::SnapshotError;

/// Spaces with at most this many cells are numbered by arithmetic, larger ones as cells appear.
const DENSE: u64 = 1 << 16;

/// Numbers the cells of a space for one run: (variant, context) to a small integer.
#[derive(Debug)]
pub(crate) struct CellNumbers {
    variants: u64,
    dense: bool,
    appeared: Mutex<Appeared>,
}

#[derive(Debug, Default)]
struct Appeared {
    numbers: HashMap<(usize, u64), u32>,
    cells: Vec<(usize, u64)>,
}

impl CellNumbers {
    pub(crate) fn new(space: &Space) -> Self {
        let variants = space.variants() as u64;
        let dense = variants.checked_mul(space.contexts()).is_some_and(|cells| cells <= DENSE);
        Self { variants, dense, appeared: Mutex::default() }
    }

    /// The number of a cell that may be new.
    fn number(&self, variant: usize, context: u64) -> Result<u32, SnapshotError> {
        let mut appeared = self.appeared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = appeared.numbers.get(&(variant, context)) {
            return Ok(number);
        }
        let number = u32::try_from(appeared.cells.len())
            .ok()
            .filter(|&number| number < u32::MAX)
            .ok_or(SnapshotError::TooLarge { what: "cells" })?;
        appeared.numbers.insert((variant, context), number);
        appeared.cells.push((variant, context));
        Ok(number)
    }

    /// The variant and context of a number.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder by the number of variants, a usize")]
    pub(crate) fn cell(&self, number: u32) -> (usize, u64) {
        if self.dense {
            let number = u64::from(number);
            return ((number % self.variants) as usize, number / self.variants);
        }
        self.appeared.lock().unwrap_or_else(PoisonError::into_inner).cells[number as usize]
    }
}

/// One worker's way to the numbers: without a lock for cells it has seen.
#[derive(Debug)]
pub(crate) struct CellCache<'a> {
    numbers: &'a CellNumbers,
    seen: HashMap<(usize, u64), u32>,
}

impl<'a> CellCache<'a> {
    pub(crate) fn new(numbers: &'a CellNumbers) -> Self {
        Self { numbers, seen: HashMap::new() }
    }

    /// The number of a cell.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] for more than 2³² − 1 cells.
    #[inline]
    pub(crate) fn number(&mut self, variant: usize, context: u64) -> Result<u32, SnapshotError> {
        if self.numbers.dense {
            let number = context * self.numbers.variants + variant as u64;
            return u32::try_from(number).map_err(|_| SnapshotError::TooLarge { what: "cells" });
        }
        if let Some(&number) = self.seen.get(&(variant, context)) {
            return Ok(number);
        }
        let number = self.numbers.number(variant, context)?;
        self.seen.insert((variant, context), number);
        Ok(number)
    }
}

/// n, Σ r and Σ r² of a cell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) n: u64,
    pub(crate) sum: f64,
    pub(crate) sum_sq: f64,
}

/// Sums by the number of the cell.
#[derive(Debug, Default)]
pub(crate) struct CellSums(Vec<Sums>);

impl CellSums {
    #[inline]
    pub(crate) fn at(&mut self, number: u32) -> &mut Sums {
        let number = number as usize;
        if number >= self.0.len() {
            self.0.resize((number + 1).next_power_of_two(), Sums::default());
        }
        &mut self.0[number]
    }

    pub(crate) fn add(&mut self, number: u32, other: Sums) {
        let sums = self.at(number);
        // What passes the greatest number stays there, and the table of cells refuses it.
        sums.n = sums.n.saturating_add(other.n);
        sums.sum += other.sum;
        sums.sum_sq += other.sum_sq;
    }

    /// The cells with observations, which are then none.
    pub(crate) fn drain(&mut self) -> Vec<(u32, Sums)> {
        let cells = (0..).zip(&mut self.0).filter(|(_, sums)| sums.n > 0);
        cells.map(|(number, sums)| (number, std::mem::take(sums))).collect()
    }

    /// The cell table.
    ///
    /// # Errors
    /// [`SnapshotError::Sums`].
    pub(crate) fn into_table(mut self, numbers: &CellNumbers) -> Result<CellTable, SnapshotError> {
        let cells = self.drain().into_iter().map(|(number, Sums { n, sum, sum_sq })| {
            let (variant, context) = numbers.cell(number);
            Cell { variant, context, n, sum, sum_sq }
        });
        Ok(CellTable::new(cells)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandit::{Dtype, Factor};

    fn space(levels: &[usize]) -> Space {
        let factor = |(i, levels): (usize, &usize)| {
            Factor::new(format!("f{i}"), Dtype::Str, (0..*levels).map(|l| l.to_string()).collect()).unwrap()
        };
        let mut factors = levels.iter().enumerate().map(factor);
        let design = factors.next().into_iter().collect();
        Space::new(design, factors.collect()).unwrap()
    }

    #[test]
    fn small_and_large_spaces_number_their_cells() {
        for levels in [&[3, 2][..], &[40, 45, 45], &[50; 11]] {
            let space = space(levels);
            let numbers = CellNumbers::new(&space);
            let last = (space.variants() - 1, space.contexts() - 1);
            let places = [last, (0, 0), (1, 0), (0, 1), last];
            let mut sums = CellSums::default();
            // Two workers see the same cells in another order.
            let mut caches = [CellCache::new(&numbers), CellCache::new(&numbers)];
            for (cache, reversed) in caches.iter_mut().zip([false, true]) {
                let order: Vec<_> = if reversed { places.iter().rev().collect() } else { places.iter().collect() };
                for &&(variant, context) in &order {
                    let cell = cache.number(variant, context).unwrap();
                    sums.add(cell, Sums { n: 1, sum: 0.5, sum_sq: 0.25 });
                }
            }
            let table = sums.into_table(&numbers).unwrap();
            let cells: Vec<_> = table.cells().iter().map(|c| (c.variant, c.context, c.n)).collect();
            assert_eq!(cells, [(0, 0, 2), (1, 0, 2), (0, 1, 2), (last.0, last.1, 4)], "{levels:?}");
        }
    }

    #[test]
    fn draining_leaves_nothing() {
        let mut sums = CellSums::default();
        sums.add(5, Sums { n: 2, sum: 1.0, sum_sq: 1.0 });
        assert_eq!(sums.drain().len(), 1);
        assert!(sums.drain().is_empty());
        sums.add(5, Sums { n: 1, sum: 0.25, sum_sq: 0.5 });
        let drained = sums.drain();
        assert!(drained.len() == 1 && drained[0].0 == 5 && drained[0].1.n == 1, "{drained:?}");
        assert_eq!(drained[0].1.sum.to_bits(), f64::to_bits(0.25));
    }
}
