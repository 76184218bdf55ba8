//! Cell table: counts and sums by variant, context and stratum, all that training sees of the observations.

use serde::{Deserialize, Serialize};

/// The observations of one variant in one context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Variant number, see [`crate::Space`].
    pub variant: usize,
    /// Context number, see [`crate::Space`].
    pub context: u64,
    /// Number of trials.
    pub n: u64,
    /// Σ r over the trials, in reward units. For a bool reward: the number of converted trials.
    pub sum: f64,
    /// Σ r² over the trials, in squared reward units.
    pub sum_sq: f64,
}

impl Cell {
    /// Whether the sums are numbers, and 0 where nothing was tried.
    fn is_possible(&self) -> bool {
        let empty = self.sum == 0.0 && self.sum_sq == 0.0;
        self.sum.is_finite() && self.sum_sq.is_finite() && (self.n > 0 || empty)
    }

    /// n·Σr² ≥ (Σr)² (Cauchy and Schwarz), but for rounding.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    fn has_enough_squares(&self) -> bool {
        self.sum_sq * (self.n as f64) * (1.0 + 1e-9) + f64::MIN_POSITIVE >= self.sum * self.sum
    }

    /// The same observations with sums about 0 instead of `shift`.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    fn unshifted(self, shift: f64) -> Self {
        let n = self.n as f64;
        Self { sum: self.sum + n * shift, sum_sq: self.sum_sq + shift * (2.0 * self.sum + n * shift), ..self }
    }

    fn impossible(&self) -> CellError {
        let Self { variant, context, n, sum, sum_sq } = *self;
        CellError::Impossible { variant, context, n, sum, sum_sq }
    }
}

/// Why cells are not a table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CellError {
    /// A sum is NaN or infinite, a sum of squares is below what its sum demands, or there are sums without a trial.
    #[error(
        "cell (variant {variant}, context {context}) has impossible sums: n {n}, sum {sum}, sum of squares {sum_sq}"
    )]
    Impossible {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
        /// Trials.
        n: u64,
        /// Σ r.
        sum: f64,
        /// Σ r².
        sum_sq: f64,
    },
    /// A cell is of a stratum that there is not.
    #[error("a cell is of stratum {stratum}, and there are {strata}")]
    NoStratum {
        /// Its stratum.
        stratum: usize,
        /// How many there are.
        strata: usize,
    },
    /// A weight is not in (0, 1].
    #[error("cell (variant {variant}, context {context}) has weight {weight}; it must be above 0 and at most 1")]
    Weight {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
        /// The weight.
        weight: f64,
    },
    /// More rewards other than 0 than trials.
    #[error("cell (variant {variant}, context {context}) has {nonzero} rewards other than 0 in {n} trials")]
    Nonzero {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
        /// z.
        nonzero: u64,
        /// Trials.
        n: u64,
    },
    /// The shift is no number.
    #[error("the sums are about {shift}, which is no number")]
    Shift {
        /// What was given.
        shift: f64,
    },
    /// More trials than a double counts one by one.
    #[error("there are more than 2^53 trials, in all cells together")]
    TooManyTrials,
    /// Two tables do not have the same strata, or their sums are not about the same number.
    #[error("tables of different strata, or with sums about different numbers, cannot be added up")]
    Apart,
}

/// The most trials of a table: to here a double holds every number.
const MOST_TRIALS: u64 = 1 << 53;

/// A span of time within which allocation was constant enough that assignment given the context is as good as random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stratum {
    /// The first second of it, since 1970-01-01T00:00:00Z.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
}

/// The observations of one variant in one context and one stratum, as [`CellTable::stratified`] takes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StratumCell {
    /// Number of the stratum.
    pub stratum: usize,
    /// Variant, context, trials, Σ (r − shift) and Σ (r − shift)², with the shift of the table.
    pub cell: Cell,
    /// z: trials with a reward other than 0. `None` where nobody counted.
    pub nonzero: Option<u64>,
    /// What one observation counts for in a fit, in (0, 1]: less than 1 for its age (see [`crate::time::decay`]) or because
    /// observations of one user are not independent (1 over the design effect).
    pub weight: f64,
}

impl From<Cell> for StratumCell {
    /// In the only stratum, in full.
    fn from(cell: Cell) -> Self {
        Self { stratum: 0, cell, nonzero: None, weight: 1.0 }
    }
}

/// What a fit sees of the observations of one variant in one context and one stratum: counts and sums, each observation
/// by its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weighted {
    pub stratum: usize,
    pub variant: usize,
    pub context: u64,
    /// Trials as they were counted.
    pub trials: u64,
    /// n.
    pub n: f64,
    /// z.
    pub nonzero: Option<f64>,
    /// Σ (r − shift).
    pub sum: f64,
    /// Σ (r − shift)².
    pub sum_sq: f64,
}

impl Weighted {
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    fn of(given: &StratumCell) -> Self {
        let StratumCell { stratum, cell, nonzero, weight } = *given;
        Self {
            stratum,
            variant: cell.variant,
            context: cell.context,
            trials: cell.n,
            n: weight * cell.n as f64,
            nonzero: nonzero.map(|z| weight * z as f64),
            sum: weight * cell.sum,
            sum_sq: weight * cell.sum_sq,
        }
    }

    pub(crate) fn place(&self) -> (u64, usize, usize) {
        (self.context, self.variant, self.stratum)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.n += other.n;
        self.nonzero = self.nonzero.zip(other.nonzero).map(|(a, b)| a + b);
        self.sum += other.sum;
        self.sum_sq += other.sum_sq;
    }
}

/// Cells in ascending order of (context, variant), each pair at most once, each with n > 0; and of the same observations
/// what fits see: sums by (context, variant, stratum), with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellTable {
    cells: Vec<Cell>,
    weighted: Vec<Weighted>,
    strata: Vec<Stratum>,
    shift: f64,
    negative: bool,
}

impl CellTable {
    /// A table of one stratum from the given cells in any order; cells of the same variant and context are added up in the
    /// order given, empty ones (n, Σr and Σr² all 0) are dropped.
    ///
    /// # Errors
    /// [`CellError::Impossible`] for sums that no observations can have: of any cell given that are not finite, or not 0
    /// where n is 0; and of a cell of the table with n·Σr² < (Σr)² beyond rounding.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Result<Self, CellError> {
        Self::stratified(Vec::new(), 0.0, cells.into_iter().map(StratumCell::from))
    }

    /// A table of several strata, numbered as in `strata`; without any there is one, of which no span is known. The sums of
    /// the cells are about `shift`, in reward units: rewards of 10⁶ ± 1 keep the digits of their spread in sums about 10⁶,
    /// and lose them in sums about 0. Cells of the same place are added up in the order given, empty ones dropped.
    ///
    /// # Errors
    /// [`CellError::Impossible`] as in [`CellTable::new`]; [`CellError::NoStratum`], [`CellError::Weight`],
    /// [`CellError::Nonzero`], [`CellError::Shift`], [`CellError::TooManyTrials`].
    pub fn stratified(
        strata: Vec<Stratum>,
        shift: f64,
        cells: impl IntoIterator<Item = StratumCell>,
    ) -> Result<Self, CellError> {
        if !shift.is_finite() {
            return Err(CellError::Shift { shift });
        }
        let mut sorted: Vec<StratumCell> = cells.into_iter().collect();
        if sorted.iter().fold(0, |trials: u64, given| trials.saturating_add(given.cell.n)) > MOST_TRIALS {
            return Err(CellError::TooManyTrials);
        }
        for given in &sorted {
            let StratumCell { stratum, cell, nonzero, weight } = given;
            if !cell.is_possible() {
                return Err(cell.impossible());
            }
            if *stratum >= strata.len().max(1) {
                return Err(CellError::NoStratum { stratum: *stratum, strata: strata.len().max(1) });
            }
            if !(*weight > 0.0 && *weight <= 1.0) {
                return Err(CellError::Weight { variant: cell.variant, context: cell.context, weight: *weight });
            }
            if let Some(nonzero) = nonzero.filter(|&z| z > cell.n) {
                let Cell { variant, context, n, .. } = *cell;
                return Err(CellError::Nonzero { variant, context, nonzero, n });
            }
        }
        sorted.retain(|given| given.cell.n > 0);
        sorted.sort_by_key(|given| (given.cell.context, given.cell.variant, given.stratum));
        let (mut summed, mut weighted): (Vec<Cell>, Vec<Weighted>) = (Vec::new(), Vec::new());
        for given in &sorted {
            match summed.last_mut() {
                Some(last) if (last.context, last.variant) == (given.cell.context, given.cell.variant) => {
                    last.n += given.cell.n;
                    last.sum += given.cell.sum;
                    last.sum_sq += given.cell.sum_sq;
                }
                _ => summed.push(given.cell),
            }
            let one = Weighted::of(given);
            match weighted.last_mut() {
                Some(last) if last.place() == one.place() => last.add(&one),
                _ => weighted.push(one),
            }
        }
        if let Some(cell) = summed.iter().find(|c| !(c.is_possible() && c.has_enough_squares())) {
            return Err(cell.impossible());
        }
        let cells = summed.into_iter().map(|cell| cell.unshifted(shift)).collect();
        Ok(Self { cells, weighted, strata, shift, negative: false })
    }

    /// The sum of two tables: what one pass over both sets of observations would have counted.
    ///
    /// # Errors
    /// As [`CellTable::new`], and [`CellError::Apart`] where strata or shifts differ.
    pub fn merge(&self, other: &Self) -> Result<Self, CellError> {
        // A table without cells has no strata of its own to insist on.
        if self.cells.is_empty() || other.cells.is_empty() {
            return Ok(if self.cells.is_empty() { other.clone() } else { self.clone() });
        }
        if self.strata != other.strata || self.shift.to_bits() != other.shift.to_bits() {
            return Err(CellError::Apart);
        }
        let mut cells: Vec<Cell> = self.cells.iter().chain(&other.cells).copied().collect();
        if cells.iter().fold(0, |trials: u64, cell| trials.saturating_add(cell.n)) > MOST_TRIALS {
            return Err(CellError::TooManyTrials);
        }
        cells.sort_by_key(|cell| (cell.context, cell.variant));
        cells.dedup_by(|next, sum| {
            let same = (next.context, next.variant) == (sum.context, sum.variant);
            if same {
                sum.n += next.n;
                sum.sum += next.sum;
                sum.sum_sq += next.sum_sq;
            }
            same
        });
        if let Some(cell) = cells.iter().find(|c| !(c.is_possible() && c.has_enough_squares())) {
            return Err(cell.impossible());
        }
        let mut weighted: Vec<Weighted> = self.weighted.iter().chain(&other.weighted).copied().collect();
        weighted.sort_by_key(Weighted::place);
        weighted.dedup_by(|next, sum| {
            let same = next.place() == sum.place();
            if same {
                sum.add(next);
            }
            same
        });
        let negative = self.negative || other.negative;
        Ok(Self { cells, weighted, strata: self.strata.clone(), shift: self.shift, negative })
    }

    /// The same table, of rewards some of which are below 0: sums alone do not tell.
    #[must_use]
    pub fn with_negative_rewards(mut self, negative: bool) -> Self {
        self.negative = negative;
        self
    }

    /// Whether the rewards are 0 or positive amounts, at least a tenth of them 0, as far as was counted.
    pub(crate) fn is_two_part(&self) -> bool {
        let positive = !self.negative && self.cells.iter().all(|cell| cell.sum >= 0.0);
        let n: f64 = self.weighted.iter().map(|w| w.n).sum();
        let nonzero: Option<f64> = self.weighted.iter().map(|w| w.nonzero).sum();
        positive && nonzero.is_some_and(|z| z <= 0.9 * n)
    }

    /// The cells, summed over strata, every observation in full; sums are of the rewards as they are, about 0.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What fits see, in ascending order of (context, variant, stratum).
    pub(crate) fn weighted(&self) -> &[Weighted] {
        &self.weighted
    }

    /// The strata with their spans; empty where there is one and no span is known.
    #[must_use]
    pub fn strata(&self) -> &[Stratum] {
        &self.strata
    }

    /// G: the number of strata, at least 1.
    #[must_use]
    pub fn strata_count(&self) -> usize {
        self.strata.len().max(1)
    }

    /// What the sums of the given cells were about.
    pub(crate) fn shift(&self) -> f64 {
        self.shift
    }

    /// N: the number of trials.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.cells.iter().map(|c| c.n).sum()
    }

    /// Trials of each stratum.
    #[must_use]
    pub fn stratum_trials(&self) -> Vec<u64> {
        let mut trials = vec![0; self.strata_count()];
        self.weighted.iter().for_each(|w| trials[w.stratum] += w.trials);
        trials
    }

    /// S: the sum of the rewards.
    #[must_use]
    pub fn reward_sum(&self) -> f64 {
        self.cells.iter().map(|c| c.sum).sum()
    }

    /// Σ r² over everything.
    #[must_use]
    pub fn reward_sum_sq(&self) -> f64 {
        self.cells.iter().map(|c| c.sum_sq).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(n: u64, sum: f64, sum_sq: f64) -> Cell {
        Cell { variant: 1, context: 2, n, sum, sum_sq }
    }

    #[test]
    fn sums_without_a_trial_are_impossible_and_not_dropped() {
        for (sum, sum_sq) in [(1.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            // Alone, and beside trials of the same cell.
            for beside in [vec![], vec![cell(5, 2.0, 2.0)]] {
                let cells = beside.into_iter().chain([cell(0, sum, sum_sq)]);
                let error = CellTable::new(cells).unwrap_err();
                assert!(matches!(error, CellError::Impossible { n: 0, .. }), "{sum} {sum_sq}");
            }
        }
        let table = CellTable::new([cell(0, 0.0, 0.0), cell(5, 2.0, 2.0), cell(0, -0.0, 0.0)]).unwrap();
        assert_eq!(table.cells(), [cell(5, 2.0, 2.0)]);
    }

    #[test]
    fn trials_beyond_what_a_double_counts_are_refused() {
        let most = CellTable::new([cell(1 << 53, 0.0, 0.0)]).unwrap();
        assert_eq!(most.trials(), 1 << 53);
        let one = CellTable::new([cell(1, 0.0, 0.0)]).unwrap();
        assert_eq!(most.merge(&one), Err(CellError::TooManyTrials));
        // In 64 bits these two are 0, and in two cells as in one.
        let half = cell(1 << 63, 0.0, 0.0);
        assert_eq!(CellTable::new([half, half]), Err(CellError::TooManyTrials));
        assert_eq!(CellTable::new([half, Cell { context: 1, ..half }]), Err(CellError::TooManyTrials));
    }

    #[test]
    fn squares_are_held_against_sums() {
        for (n, sum, sum_sq) in [(2, 3.0, 4.0), (1, 0.1, 0.0), (3, f64::NAN, 1.0), (3, 1.0, f64::INFINITY)] {
            assert!(CellTable::new([cell(n, sum, sum_sq)]).is_err(), "{n} {sum} {sum_sq}");
        }
        // Finite parts whose sum is not.
        assert!(CellTable::new([cell(1, 0.0, f64::MAX), cell(1, 0.0, f64::MAX)]).is_err());
        // 0.1 three times: (Σr)² is above n Σr² in the last place.
        let thrice = cell(3, 0.1 + 0.1 + 0.1, 3.0 * (0.1 * 0.1));
        assert_eq!(CellTable::new([thrice]).unwrap().cells(), [thrice]);
    }

    fn spans(count: i64) -> Vec<Stratum> {
        (0..count).map(|g| Stratum { from: g * 86_400, to: (g + 1) * 86_400 }).collect()
    }

    #[test]
    fn strata_are_kept_apart_for_fits_and_summed_for_everybody_else() {
        let of = |stratum, n, sum| StratumCell { stratum, ..StratumCell::from(cell(n, sum, sum)) };
        let table = CellTable::stratified(spans(2), 0.0, [of(1, 5, 2.0), of(0, 7, 1.0), of(1, 1, 1.0)]).unwrap();
        assert_eq!(table.cells(), [cell(13, 4.0, 4.0)]);
        let seen: Vec<_> = table.weighted().iter().map(|w| (w.stratum, w.trials, w.sum)).collect();
        assert_eq!(seen, [(0, 7, 1.0), (1, 6, 3.0)]);
        assert_eq!((table.strata_count(), table.stratum_trials()), (2, vec![7, 6]));
        let parts = [of(1, 5, 2.0), of(0, 7, 1.0), of(1, 1, 1.0)]
            .map(|one| CellTable::stratified(spans(2), 0.0, [one]).unwrap());
        assert_eq!(parts[2].merge(&parts[1]).unwrap().merge(&parts[0]).unwrap(), table);
        assert_eq!(parts[0].merge(&CellTable::new([cell(1, 0.0, 0.0)]).unwrap()), Err(CellError::Apart));
    }

    /// A weight of a quarter makes four observations count as one, in fits alone.
    #[test]
    fn weights_are_for_fits() {
        let given = StratumCell { weight: 0.25, nonzero: Some(4), ..StratumCell::from(cell(8, 4.0, 4.0)) };
        let table = CellTable::stratified(Vec::new(), 0.0, [given]).unwrap();
        let seen = table.weighted()[0];
        assert_eq!((seen.trials, seen.n, seen.nonzero, seen.sum, seen.sum_sq), (8, 2.0, Some(1.0), 1.0, 1.0));
        assert_eq!(table.cells(), [cell(8, 4.0, 4.0)]);
    }

    #[test]
    fn sums_about_a_shift_are_told_about_zero() {
        // 1,000,001 and 999,999 twice.
        let table = CellTable::stratified(Vec::new(), 1e6, [cell(4, 0.0, 4.0).into()]).unwrap();
        assert_eq!(table.cells(), [cell(4, 4e6, 4e12 + 4.0)]);
        assert!((table.weighted()[0].sum_sq - 4.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        let good = StratumCell::from(cell(5, 2.0, 2.0));
        for (given, error) in [
            (StratumCell { stratum: 2, ..good }, CellError::NoStratum { stratum: 2, strata: 2 }),
            (StratumCell { weight: 0.0, ..good }, CellError::Weight { variant: 1, context: 2, weight: 0.0 }),
            (StratumCell { weight: 1.5, ..good }, CellError::Weight { variant: 1, context: 2, weight: 1.5 }),
            (StratumCell { nonzero: Some(6), ..good }, CellError::Nonzero { variant: 1, context: 2, nonzero: 6, n: 5 }),
        ] {
            assert_eq!(CellTable::stratified(spans(2), 0.0, [good, given]), Err(error));
        }
        assert!(matches!(CellTable::stratified(spans(2), f64::NAN, [good]), Err(CellError::Shift { .. })));
    }
}
