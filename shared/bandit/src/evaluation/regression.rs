//! Regressions of grouped users on classes: one class each with an effect of its own (the blocks), and a few more columns.
//!
//! A block's effect appears in its own rows alone, so that this part of the information matrix is diagonal and is eliminated
//! first: what is left to factorize is as large as the other columns. Columns that are sums of others are found once, by
//! the pivots of the matrix of counts, and left out: the fitted values do not need them.

use super::error::EvaluationError;
use crate::RewardType;

/// Iterations until a fit gives up. Newton's needs under ten, and one for each e-fold of the deviance where a rate runs to 0 or 1.
const MOST_ITERATIONS: usize = 60;

/// A pivot below this share of its diagonal is that of a column that is the sum of others.
const ALIASED: f64 = 1e-9;

/// Users with the same columns.
pub(super) struct Row {
    pub(super) block: usize,
    pub(super) columns: Vec<usize>,
    pub(super) n: f64,
    pub(super) sum: f64,
}

/// The rows with the number of blocks and of columns, each block with at least one row.
pub(super) struct Design<'a> {
    pub(super) rows: &'a [Row],
    pub(super) blocks: usize,
    pub(super) columns: usize,
}

/// A fitted regression.
pub(super) struct Fit {
    /// The fitted mean of each row.
    pub(super) means: Vec<f64>,
    /// −2 ln likelihood up to a constant for a bool reward; Σ n (y − mean)² of the rows' means y for a numeric one.
    pub(super) deviance: f64,
    information: Information,
}

/// Blocks eliminated, columns factorized.
struct Information {
    /// D: weight of each block.
    blocks: Vec<f64>,
    /// C: columns × blocks, the weight of their rows in common.
    common: Vec<Vec<f64>>,
    /// Lower Cholesky factor of S = E − C D⁻¹ Cᵀ over the columns that are kept.
    factor: Vec<Vec<f64>>,
    kept: Vec<usize>,
}

impl Design<'_> {
    /// Number of effects that the rows tell apart.
    pub(super) fn rank(&self) -> usize {
        self.blocks + self.kept().len()
    }

    fn kept(&self) -> Vec<usize> {
        let weights: Vec<f64> = self.rows.iter().map(|row| row.n).collect();
        let (_, _, matrix, diagonal) = self.eliminate(&weights);
        factorize(&matrix, &(0..self.columns).collect::<Vec<_>>(), Some(&diagonal)).1
    }

    /// (D, C, S, diagonal of E) of rows with the given weights.
    #[expect(clippy::type_complexity, reason = "four parts of one matrix")]
    fn eliminate(&self, weights: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<f64>) {
        let mut blocks = vec![0.0; self.blocks];
        let mut common = vec![vec![0.0; self.blocks]; self.columns];
        let mut matrix = vec![vec![0.0; self.columns]; self.columns];
        for (row, &w) in self.rows.iter().zip(weights) {
            blocks[row.block] += w;
            for &j in &row.columns {
                common[j][row.block] += w;
                row.columns.iter().for_each(|&k| matrix[j][k] += w);
            }
        }
        let diagonal = (0..self.columns).map(|j| matrix[j][j]).collect();
        for i in 0..self.blocks {
            let touched: Vec<usize> = (0..self.columns).filter(|&j| common[j][i] != 0.0).collect();
            for &j in &touched {
                let share = common[j][i] / blocks[i];
                for &k in &touched {
                    matrix[j][k] -= share * common[k][i];
                }
            }
        }
        (blocks, common, matrix, diagonal)
    }

    fn information(&self, weights: &[f64], kept: &[usize]) -> Information {
        let (blocks, common, matrix, _) = self.eliminate(weights);
        let (factor, kept) = factorize(&matrix, kept, None);
        Information { blocks, common, factor, kept }
    }

    /// Maximum likelihood: logistic for a bool reward, with rates that may run to 0 or 1; least squares for a numeric one.
    ///
    /// # Errors
    /// [`EvaluationError::NotConverged`].
    pub(super) fn fit(&self, what: &'static str, reward: RewardType) -> Result<Fit, EvaluationError> {
        let kept = self.kept();
        let total = |of: fn(&Row) -> f64| self.rows.iter().map(of).sum::<f64>();
        let pooled = total(|row| row.sum) / total(|row| row.n);
        let start = if reward == RewardType::Bool { (pooled / (1.0 - pooled)).ln() } else { pooled };
        let mut effects = vec![start; self.blocks];
        let mut slopes = vec![0.0; self.columns];
        let mut deviance = f64::INFINITY;
        let mut means = self.means(&effects, &slopes, reward);
        for _ in 0..MOST_ITERATIONS {
            deviance = self.deviance(&means, reward);
            let weights: Vec<f64> =
                self.rows.iter().zip(&means).map(|(row, &mean)| weight(row.n, mean, reward)).collect();
            let information = self.information(&weights, &kept);
            let (by_block, by_column) = self.score(&means);
            let (step_blocks, step_columns) = information.solve(&by_block, &by_column);
            // Half the step until the deviance falls: the first is Newton's own.
            let mut length = 1.0;
            let next = loop {
                let moved = |from: &[f64], step: &[f64]| -> Vec<f64> {
                    from.iter().zip(step).map(|(x, dx)| x + length * dx).collect()
                };
                let next = (moved(&effects, &step_blocks), moved(&slopes, &step_columns));
                let found = self.deviance(&self.means(&next.0, &next.1, reward), reward);
                if found <= deviance || length < 1e-6 {
                    break (next, found);
                }
                length *= 0.5;
            };
            let ((new_effects, new_slopes), found) = next;
            (effects, slopes) = (new_effects, new_slopes);
            means = self.means(&effects, &slopes, reward);
            if deviance - found <= 1e-10 * (1.0 + deviance.abs()) {
                return Ok(Fit { means, deviance: found, information });
            }
        }
        Err(EvaluationError::NotConverged { what, iterations: MOST_ITERATIONS, deviance })
    }

    fn means(&self, effects: &[f64], slopes: &[f64], reward: RewardType) -> Vec<f64> {
        let at = |row: &Row| effects[row.block] + row.columns.iter().map(|&j| slopes[j]).sum::<f64>();
        match reward {
            RewardType::Bool => self.rows.iter().map(|row| 1.0 / (1.0 + (-at(row)).exp())).collect(),
            RewardType::Numeric => self.rows.iter().map(at).collect(),
        }
    }

    fn deviance(&self, means: &[f64], reward: RewardType) -> f64 {
        let part = |(row, &mean): (&Row, &f64)| match reward {
            RewardType::Bool => 2.0 * (entropy(row.sum, row.n * mean) + entropy(row.n - row.sum, row.n * (1.0 - mean))),
            RewardType::Numeric => row.n * (row.sum / row.n - mean).powi(2),
        };
        self.rows.iter().zip(means).map(part).sum()
    }

    /// Σ (y − n mean) by block and by column.
    fn score(&self, means: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut by_block, mut by_column) = (vec![0.0; self.blocks], vec![0.0; self.columns]);
        for (row, mean) in self.rows.iter().zip(means) {
            let excess = row.sum - row.n * mean;
            by_block[row.block] += excess;
            row.columns.iter().for_each(|&j| by_column[j] += excess);
        }
        (by_block, by_column)
    }

    /// The variance of Σ (y − n mean) over some rows, given that the effects were fitted to all: what is left of the weight
    /// of an indicator of these rows beside all other columns, x'Wx − x'WZ (Z'WZ)⁻¹ Z'Wx. Returns x'Wx and what is left of it,
    /// in units of the dispersion.
    pub(super) fn excess_variance(&self, fit: &Fit, reward: RewardType, is_in: impl Fn(usize) -> bool) -> (f64, f64) {
        let mut own = 0.0;
        let (mut by_block, mut by_column) = (vec![0.0; self.blocks], vec![0.0; self.columns]);
        for (r, row) in self.rows.iter().enumerate().filter(|&(r, _)| is_in(r)) {
            let w = weight(row.n, fit.means[r], reward);
            own += w;
            by_block[row.block] += w;
            row.columns.iter().for_each(|&j| by_column[j] += w);
        }
        let (blocks, columns) = fit.information.solve(&by_block, &by_column);
        let explained = by_block.iter().zip(&blocks).chain(by_column.iter().zip(&columns)).map(|(a, b)| a * b);
        (own, own - explained.sum::<f64>())
    }
}

/// The weight of n users of mean m in the information: n m (1 − m), or n.
fn weight(n: f64, mean: f64, reward: RewardType) -> f64 {
    match reward {
        RewardType::Bool => n * mean * (1.0 - mean),
        RewardType::Numeric => n,
    }
}

/// x ln(x/m), 0 at 0.
fn entropy(x: f64, m: f64) -> f64 {
    if x > 0.0 { x * (x / m).ln() } else { 0.0 }
}

impl Information {
    /// The solution of the normal equations for a right-hand side by block and by column; 0 for columns that are not kept.
    fn solve(&self, by_block: &[f64], by_column: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let per_block: Vec<f64> =
            by_block.iter().zip(&self.blocks).map(|(s, d)| if *d > 0.0 { s / d } else { 0.0 }).collect();
        let mut right: Vec<f64> = self
            .kept
            .iter()
            .map(|&j| by_column[j] - self.common[j].iter().zip(&per_block).map(|(c, s)| c * s).sum::<f64>())
            .collect();
        let size = right.len();
        for j in 0..size {
            let done: f64 = (0..j).map(|k| self.factor[j][k] * right[k]).sum();
            right[j] = (right[j] - done) / self.factor[j][j];
        }
        for j in (0..size).rev() {
            let done: f64 = (j + 1..size).map(|k| self.factor[k][j] * right[k]).sum();
            right[j] = (right[j] - done) / self.factor[j][j];
        }
        let mut columns = vec![0.0; by_column.len()];
        self.kept.iter().zip(&right).for_each(|(&j, &x)| columns[j] = x);
        let mut blocks = per_block;
        for (&j, x) in self.kept.iter().zip(&right) {
            for ((block, c), d) in blocks.iter_mut().zip(&self.common[j]).zip(&self.blocks) {
                if *d > 0.0 {
                    *block -= c / d * x;
                }
            }
        }
        (blocks, columns)
    }
}

/// The lower Cholesky factor of a matrix over the given columns. With `diagonal`, those whose pivot is below [`ALIASED`] of it
/// are left out; without, only those whose pivot is not positive, which rounding makes of a rate that has run to 0 or 1.
fn factorize(matrix: &[Vec<f64>], columns: &[usize], diagonal: Option<&[f64]>) -> (Vec<Vec<f64>>, Vec<usize>) {
    let mut factor: Vec<Vec<f64>> = Vec::new();
    let mut kept: Vec<usize> = Vec::new();
    for &j in columns {
        let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
        for (k, &column) in kept.iter().enumerate() {
            let done: f64 = (0..k).map(|i| row[i] * factor[k][i]).sum();
            row.push((matrix[j][column] - done) / factor[k][k]);
        }
        let pivot = matrix[j][j] - row.iter().map(|x| x * x).sum::<f64>();
        if pivot > diagonal.map_or(0.0, |diagonal| ALIASED * diagonal[j]) {
            row.push(pivot.sqrt());
            factor.push(row);
            kept.push(j);
        }
    }
    (factor, kept)
}
