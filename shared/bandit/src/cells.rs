//! The cell table: all that training sees of the observations.

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

/// Why cells are not a table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CellError {
    /// A sum is NaN or infinite, or a sum of squares is below what its sum demands.
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
    /// given, empty ones are dropped.
    ///
    /// # Errors
    /// [`CellError::Impossible`] for sums that no observations can have (not finite, or n·Σr² < (Σr)² beyond rounding).
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Result<Self, CellError> {
        let mut sorted: Vec<Cell> = cells.into_iter().filter(|c| c.n > 0).collect();
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
        for c in &table {
            #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
            let enough = c.sum_sq * (c.n as f64) * (1.0 + 1e-9) + f64::MIN_POSITIVE >= c.sum * c.sum;
            if !(c.sum.is_finite() && c.sum_sq.is_finite() && enough) {
                let Cell { variant, context, n, sum, sum_sq } = *c;
                return Err(CellError::Impossible { variant, context, n, sum, sum_sq });
            }
        }
        Ok(Self { cells: table })
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
