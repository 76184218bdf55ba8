//! Cell table: counts and sums by variant, context and stratum, all that training sees of the observations.

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
}

/// Cells in ascending order of (context, variant), each pair at most once, each with n > 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellTable {
    cells: Vec<Cell>,
}

impl CellTable {
    /// A table of the given cells in any order; cells of the same variant and context are added up in the order
    /// given, empty ones (n, Σr and Σr² all 0) are dropped.
    ///
    /// # Errors
    /// [`CellError::Impossible`] for sums that no observations can have: of any cell given that are not finite, or not 0
    /// where n is 0; and of a cell of the table with n·Σr² < (Σr)² beyond rounding.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Result<Self, CellError> {
        let mut sorted: Vec<Cell> = cells.into_iter().collect();
        if let Some(cell) = sorted.iter().find(|c| !c.is_possible()) {
            return Err(cell.impossible());
        }
        sorted.retain(|c| c.n > 0);
        sorted.sort_by_key(|c| (c.context, c.variant));
        let mut table: Vec<Cell> = Vec::with_capacity(sorted.len());
        for cell in sorted {
            match table.last_mut() {
                Some(last) if (last.context, last.variant) == (cell.context, cell.variant) => {
                    last.n += cell.n;
                    last.sum += cell.sum;
                    last.sum_sq += cell.sum_sq;
                }
                _ => table.push(cell),
            }
        }
        match table.iter().find(|c| !(c.is_possible() && c.has_enough_squares())) {
            Some(cell) => Err(cell.impossible()),
            None => Ok(Self { cells: table }),
        }
    }

    /// The sum of two tables: what one pass over both sets of observations would have counted.
    ///
    /// # Errors
    /// As [`CellTable::new`].
    pub fn merge(&self, other: &Self) -> Result<Self, CellError> {
        Self::new(self.cells.iter().chain(&other.cells).copied())
    }

    /// The cells.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// N: the number of trials.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.cells.iter().map(|c| c.n).sum()
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
                let CellError::Impossible { n, .. } = CellTable::new(cells).unwrap_err();
                assert_eq!(n, 0, "{sum} {sum_sq}");
            }
        }
        let table = CellTable::new([cell(0, 0.0, 0.0), cell(5, 2.0, 2.0), cell(0, -0.0, 0.0)]).unwrap();
        assert_eq!(table.cells(), [cell(5, 2.0, 2.0)]);
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
}
