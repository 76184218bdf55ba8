//! Principal directions of the posterior, to sort draws by before resampling.

use super::laplace::Gaussian;
use super::rows::Rows;
use super::work::{self, Work};
use crate::FitError;

/// Linear functionals c of β for which cᵀβ are the leading principal components of η = Φβ under N(μ, Λ⁻¹).
///
/// They solve `ΦᵀΦ` Λ⁻¹ c = λ c; ten steps of orthogonal iteration in the inner product of Λ⁻¹ are enough, since any
/// directions near the leading ones sort draws as well. The start is fixed: nothing here is random.
///
/// # Errors
/// [`FitError::Work`].
#[expect(clippy::cast_precision_loss, reason = "a column number, or a cost")]
pub(crate) fn leading(rows: &Rows, gaussian: &Gaussian, count: usize, work: &Work) -> Result<Vec<Vec<f64>>, FitError> {
    let columns = rows.columns;
    let mut directions: Vec<Vec<f64>> = (0..count.min(columns))
        .map(|k| {
            let mut start = vec![0.0; columns];
            rows.add_transposed(
                &(0..rows.len()).map(|i| (0.7 * (k as f64) * (i as f64 + 1.0)).cos()).collect::<Vec<f64>>(),
                &mut start,
            );
            start
        })
        .collect();
    let mut eta = Vec::new();
    for _ in 0..10 {
        let once = 4.0 * work::solving_once(columns) + 4.0 * rows.ones() as f64;
        work.charge("the directions that draws are sorted by", once * count as f64)?;
        let mut kept: Vec<(Vec<f64>, Vec<f64>)> = Vec::with_capacity(directions.len());
        for direction in &directions {
            let mut solved = direction.clone();
            gaussian.factor.solve(&mut solved);
            rows.predict(&solved, &mut eta);
            let mut next = vec![0.0; columns];
            rows.add_transposed(&eta, &mut next);
            for (before, image) in &kept {
                let overlap: f64 = image.iter().zip(&next).map(|(a, b)| a * b).sum();
                for (x, b) in next.iter_mut().zip(before) {
                    *x -= overlap * b;
                }
            }
            let mut image = next.clone();
            gaussian.factor.solve(&mut image);
            let norm = next.iter().zip(&image).map(|(a, b)| a * b).sum::<f64>().max(0.0).sqrt();
            // What is left of a direction that the others span already is rounding.
            if norm > 0.0 && norm.is_finite() {
                for (x, y) in next.iter_mut().zip(&mut image) {
                    *x /= norm;
                    *y /= norm;
                }
                kept.push((next, image));
            }
        }
        directions = kept.into_iter().map(|(direction, _)| direction).collect();
    }
    Ok(directions)
}
