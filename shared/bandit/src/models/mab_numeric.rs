//! mab, numeric reward: normal–inverse-gamma arms.
//!
//! r | μ, σ² ~ N(μ, σ²); μ | σ² ~ N(μ0, σ²/κ0); σ² ~ Inv-Gamma(α0, β0), with μ0 the pooled mean, κ0 = 1, α0 = 1.5,
//! β0 = ½ · pooled variance (Gelman et al., BDA3, §3.3).

use rand::RngExt;
use rand_distr::{Distribution, Gamma, StandardNormal};

use super::checks::check_cells;
use super::pooled::Pooled;
use crate::inference::streams::{Stream, stream};
use crate::posterior::column_means;
use crate::{CellTable, DRAWS, Diagnostics, FitError, Link, Posterior, Predictor, Seed, Space, Step};

/// κ0: the prior mean counts as so many observations.
const KAPPA: f64 = 1.0;
/// α0: the prior of σ² counts as 2·1.5 observations.
const ALPHA: f64 = 1.5;
/// β0 in pooled variances.
const BETA: f64 = 0.5;

/// Fits the model.
///
/// With n, r̄ and Q = Σ (r − r̄)² of an arm: κn = 1 + n, μn = (μ0 + n r̄)/κn, αn = 1.5 + n/2,
/// βn = β0 + ½ Q + ½ n (r̄ − μ0)²/κn. The marginal of μ is Student-t with 2αn degrees of freedom about μn and scale
/// √(βn/(αn κn)).
///
/// The posterior has one column for each variant (excluded ones too); draws are (μ − center)/scale with the
/// `Link::Identity` of the pooled mean and standard deviation. `arms` has (μn, κn, αn, βn) in reward units,
/// variants × 4.
///
/// Where all rewards are equal they name no unit: `scale`, and every βn in reward units, are 0, and every expected reward
/// is that one. The draws are then of the same model in an arbitrary unit, β0 = ½ of it squared. Which arm is
/// best does not depend on the unit, so that arms that were hardly tried keep their share of what is served.
///
/// # Errors
/// [`FitError::NoObservations`], [`FitError::OutsideSpace`], [`FitError::Unresolved`].
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn fit(space: &Space, cells: &CellTable, seed: &Seed) -> Result<Posterior, FitError> {
    check_cells(space, cells)?;
    let pooled = Pooled::of(cells)?;
    // In standardised units: Σ n, Σ y and Σ (y − ȳ_cell)² + Σ n ȳ_cell² of each arm, y = (r − mean)/sd.
    let mut sums = vec![(0.0_f64, 0.0_f64, 0.0_f64); space.variants()];
    for cell in cells.cells() {
        let (n, y) = (cell.n as f64, pooled.standardised(cell));
        let arm = &mut sums[cell.variant];
        arm.0 += n;
        arm.1 += n * y;
        arm.2 += pooled.within(cell) + n * y * y;
    }
    let arms: Vec<[f64; 4]> = sums
        .iter()
        .map(|&(n, sum, squares)| {
            let kappa = KAPPA + n;
            // Σ (y − ȳ)² + n ȳ²/κn = Σ y² − (Σ y)²/κn.
            let beta = BETA + 0.5 * (squares - sum * sum / kappa).max(0.0);
            [sum / kappa, kappa, ALPHA + 0.5 * n, beta]
        })
        .collect();
    let mut rng = stream(seed, Stream::Exact);
    let mut draws = vec![0.0_f32; DRAWS * arms.len()];
    for draw in draws.chunks_exact_mut(arms.len()) {
        for (value, &[mean, kappa, alpha, beta]) in draw.iter_mut().zip(&arms) {
            // α ≥ 1.5 is always a valid shape.
            let precision = Gamma::new(alpha, 1.0).map_or(f64::NAN, |g| g.sample(&mut rng));
            let z: f64 = rng.sample(StandardNormal);
            #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
            let location = (mean + z * (beta / (precision * kappa)).sqrt()) as f32;
            *value = location;
        }
    }
    let unit = pooled.scale;
    Ok(Posterior {
        predictor: Predictor::Arms,
        link: Link::Identity { center: pooled.mean, scale: unit },
        columns: arms.len(),
        mean: column_means(&draws, arms.len()),
        draws,
        precision_cholesky: Vec::new(),
        arms: arms
            .into_iter()
            .flat_map(|[mean, kappa, alpha, beta]| [pooled.mean + unit * mean, kappa, alpha, unit * unit * beta])
            .collect(),
        diagnostics: Diagnostics {
            step: Step::Exact,
            scales: Vec::new(),
            kappa: None,
            pareto_k: None,
            effective_draws: None,
            r_hat: None,
            divergences: None,
        },
    })
}
