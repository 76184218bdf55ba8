//! Operation counts: what a fit may cost. There is no clock here.

use std::cell::Cell;
use std::rc::Rc;

use super::rows::Rows;
use crate::FitError;

/// Operations that a fit has spent, and how many it may. Copies count together.
///
/// One operation is a multiplication and addition of a plain loop, about a nanosecond; the blocked ones of dense linear
/// algebra count a sixteenth. Every step is charged before it is taken, so that no fit passes its bound; the one exception
/// is the layout of the rows, which is as long as the input and charged first of all.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    spent: Rc<Cell<f64>>,
    /// What may not be spent yet: steps that come last must still find it.
    held_back: Rc<Cell<f64>>,
    bound: f64,
    columns: usize,
}

/// Bounds of a small and of any other fit. Measured, 10⁹ operations take 0.7 to 1.26 s: less than 5 s and about 20 s.
const BOUNDS: (f64, f64) = (4e9, 1.6e10);
/// A fit is small up to so many columns, however many the rows.
const SMALL: usize = 104;
/// It is so too up to so many columns and rows.
const SMALL_TABLE: (usize, usize) = (200, 10_000);
/// A multiplication and addition of blocked linear algebra.
const BLOCKED: f64 = 1.0 / 16.0;

impl Work {
    /// With the bound that suits the rows.
    pub(crate) fn of(rows: &Rows) -> Self {
        let few = rows.columns <= SMALL_TABLE.0 && rows.len() <= SMALL_TABLE.1;
        Self::bounded(rows.columns, if rows.columns <= SMALL || few { BOUNDS.0 } else { BOUNDS.1 })
    }

    /// With a given bound.
    pub(crate) fn bounded(columns: usize, bound: f64) -> Self {
        Self { spent: Rc::default(), held_back: Rc::default(), bound, columns }
    }

    /// Counts a step that is about to be taken.
    ///
    /// # Errors
    /// [`FitError::Work`] where it would pass the bound; nothing is counted then.
    pub(crate) fn charge(&self, step: &'static str, operations: f64) -> Result<(), FitError> {
        self.require(step, operations)?;
        self.spent.set(self.spent() + operations);
        Ok(())
    }

    /// That a step of so many operations could be taken; counts nothing.
    ///
    /// # Errors
    /// [`FitError::Work`] where it could not.
    pub(crate) fn require(&self, step: &'static str, operations: f64) -> Result<(), FitError> {
        let (spent, bound, columns) = (self.spent(), self.bound, self.columns);
        if operations > self.left() { Err(FitError::Work { step, columns, spent, bound }) } else { Ok(()) }
    }

    /// Keeps so many operations for what comes last.
    ///
    /// # Errors
    /// [`FitError::Work`] where there are no more so many.
    pub(crate) fn hold_back(&self, step: &'static str, operations: f64) -> Result<(), FitError> {
        self.require(step, operations)?;
        self.held_back.set(self.held_back.get() + operations);
        Ok(())
    }

    /// Lets so many of the operations that were kept be spent.
    pub(crate) fn release(&self, operations: f64) {
        self.held_back.set((self.held_back.get() - operations).max(0.0));
    }

    /// So far.
    pub(crate) fn spent(&self) -> f64 {
        self.spent.get()
    }

    /// Until the bound, without what is kept.
    pub(crate) fn left(&self) -> f64 {
        self.bound - self.held_back.get() - self.spent()
    }
}

/// P as a number.
#[expect(clippy::cast_precision_loss, reason = "columns are at most 2,000")]
fn number(size: usize) -> f64 {
    size as f64
}

/// Pairs of active columns, over all rows.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
fn pairs(rows: &Rows) -> f64 {
    let (ones, rows) = (rows.ones() as f64, rows.len() as f64);
    0.5 * ones * (ones / rows.max(1.0) + 1.0)
}

/// A Cholesky factorisation.
pub(crate) fn factoring(size: usize) -> f64 {
    number(size).powi(3) / 6.0 * BLOCKED + number(size).powi(2)
}

/// Solving for `count` right-hand sides at once, or products of that size.
pub(crate) fn solving(size: usize, count: usize) -> f64 {
    number(size).powi(2) * number(count) * BLOCKED
}

/// Solving for one right-hand side, which waits for memory.
pub(crate) fn solving_once(size: usize) -> f64 {
    number(size).powi(2)
}

/// ΦᵀWΦ + D, its factor, and a few passes over the rows: a Newton step.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn newton_step(rows: &Rows) -> f64 {
    pairs(rows) + 4.0 * rows.ones() as f64 + 40.0 * rows.len() as f64 + factoring(rows.columns)
}

/// Averages over a Gaussian: the inverse of its precision, variances of the rows, and quadrature in each.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn averaging(rows: &Rows) -> f64 {
    2.0 * factoring(rows.columns) + pairs(rows) + rows.ones() as f64 + 150.0 * rows.len() as f64
}

/// A weighted draw.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn drawing(rows: &Rows) -> f64 {
    0.5 * solving(rows.columns, 1) + 30.0 * number(rows.columns) + 4.0 * rows.len() as f64
}

/// A gradient of the log-posterior in whitened coordinates.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn gradient(rows: &Rows) -> f64 {
    0.5 * solving_once(rows.columns) + rows.ones() as f64 + 20.0 * rows.len() as f64
}

/// Laying out the rows, once.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn laying_out(rows: &Rows) -> f64 {
    10.0 * rows.ones() as f64 + 400.0 * rows.len() as f64
}

/// Ranking the values of a coefficient in so many draws twice, and passes over them.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn ranking(draws: usize) -> f64 {
    let draws = draws as f64;
    draws * (8.0 * draws.max(2.0).log2() + 30.0)
}

/// Resampling so many draws and halving them, where `halved`, by what they say of as many cells as that looks at.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
pub(crate) fn resampling(rows: &Rows, draws: usize, halved: bool) -> f64 {
    let watched = rows.len().min(super::thin::CELLS) as f64;
    let features = if halved { watched * (rows.ones() as f64 / rows.len().max(1) as f64 + 80.0) } else { 0.0 };
    draws as f64 * (300.0 + number(rows.columns) + features)
}
