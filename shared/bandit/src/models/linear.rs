//! Numeric rewards, normal: hierarchical Bayesian linear regression, for arms as for columns.
//!
//! In standardised units y = (r − pooled mean)/(pooled standard deviation):
//! y ~ N(η, σ²) with the linear predictor η = `φᵀβ` of [`crate::Columns`]; β0 | σ² ~ N(0, 2.5² σ²), strata's intercepts
//! likewise, main effects | σ² ~ N(0, `τ_main`² σ²), pairs | σ² ~ N(0, `τ_pair`² σ²); σ² ~ Inv-Gamma(1.5, 0.5), one for all
//! cells (½ · pooled variance in these units); `τ_main`, `τ_pair` half-normal or fixed. A mab is the same with its variants as
//! the levels of one factor: arms that are exchangeable.
//!
//! Given τ all is conjugate (Gelman et al., BDA3, §14.8; the evidence as in MacKay 1992 and Tipping 2001, but τ is
//! integrated over a grid, not maximised).

use faer::Mat;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma, StandardNormal};

use super::assembly::Fitted;
use super::input::Input;
use super::pooled::Pooled;
use crate::cells::Weighted;
use crate::inference::factor::Factor;
use crate::inference::family::Family;
use crate::inference::grid::{self, Point, Resolution};
use crate::inference::laplace::GaussianPrior;
use crate::inference::rows::Rows;
use crate::inference::scales::{INTERCEPT_SD, Layout, Scales};
use crate::inference::sites::Sites;
use crate::inference::streams::{Stream, stream};
use crate::inference::swept::Swept;
use crate::inference::work::{self, Work};
use crate::{DRAWS, Diagnostics, FitError, Link, Posterior, Prior, ScalePoint, Seed, Step};

/// α0 of the residual variance.
const ALPHA: f64 = 1.5;
/// β0 of the residual variance, in pooled variances.
const BETA: f64 = 0.5;
/// Values of `τ_pair` for which a factorisation is kept at a time: those of two grids.
const KEPT: usize = 16;

/// The likelihood in standardised units, from one pass over the rows.
///
/// For the rows' sum of squares S(β) = Σ n (ȳ − `φᵀβ`)², −½ S(β) is quadratic about any β0, exactly; β0 is the fit at the
/// hyperprior's scales, so that what is left of S there is small and nothing of it cancels at other scales.
struct Data {
    /// −½ S(β).
    sites: Sites,
    layout: Layout,
    /// Σ (y − ȳ)², ȳ the mean of its row.
    within: f64,
    /// αn.
    alpha: f64,
    work: Work,
}

impl Data {
    fn new(rows: &Rows, layout: Layout, cells: &[Weighted], pooled: &Pooled, prior: &Prior) -> Result<Self, FitError> {
        let work = Work::of(rows);
        work.charge("the sums of the design", 2.0 * work::newton_step(rows))?;
        let means: Vec<f64> = cells.iter().map(|cell| pooled.standardised(cell)).collect();
        let mut centre = vec![0.0; rows.columns];
        rows.add_transposed(&means.iter().zip(&rows.n).map(|(y, n)| y * n).collect::<Vec<f64>>(), &mut centre);
        let guess = layout.precision(Scales { main: prior.main_scale, pair: prior.pair_scale });
        Factor::new(rows.gram(&rows.n, &guess))?.solve(&mut centre);
        let mut eta = Vec::new();
        rows.predict(&centre, &mut eta);
        let left: Vec<f64> = means.iter().zip(&eta).map(|(y, e)| y - e).collect();
        let squares: f64 = left.iter().zip(&rows.n).map(|(l, n)| n * l * l).sum();
        let residual: Vec<f64> = left.iter().zip(&rows.n).map(|(l, n)| n * l).collect();
        Ok(Self {
            sites: Sites::new(rows, centre, -0.5 * squares, &residual, &rows.n),
            layout,
            within: cells.iter().map(|cell| pooled.within(cell)).sum(),
            alpha: ALPHA + 0.5 * rows.n.iter().sum::<f64>(),
            work,
        })
    }

    /// β | σ² ~ N(0, σ² D⁻¹).
    fn prior(&self, scales: Scales) -> GaussianPrior {
        GaussianPrior { intercept: 0.0, at: self.layout.intercept(), d: self.layout.precision(scales) }
    }

    /// What is shared by the points of the grid with the same `τ_pair`; none where there are no pairs.
    fn swept(&self, prior: &GaussianPrior) -> Result<Option<(Swept, Factor)>, FitError> {
        let pairs = self.layout.pairs() > 0;
        pairs.then(|| Swept::new(&self.sites, prior, self.layout.mains(), &self.work)).transpose()
    }

    /// βn and ln p(y|τ), from ln|Λ| and `known` = −½ S(μ) − ½ μᵀDμ + ½ ln|D| − ½ ln|Λ|, the evidence at σ = 1 of what is
    /// between rows. The difference is a sum of squares, which only rounding makes negative.
    fn given(&self, prior: &GaussianPrior, log_det: f64, known: f64) -> (f64, f64) {
        let log_dets = prior.half_log_det() - 0.5 * log_det;
        let beta = BETA + 0.5 * self.within + (log_dets - known).max(0.0);
        (beta, log_dets - self.alpha * beta.ln())
    }

    /// βn and ln p(y|τ) as a function of the scales, which remembers what depends on `τ_pair` alone.
    fn evidence(&self) -> impl FnMut(Scales) -> Result<(f64, f64), FitError> {
        let mut kept: Vec<(u64, Swept)> = Vec::new();
        move |scales| {
            let prior = self.prior(scales);
            let key = scales.pair.to_bits();
            if !kept.iter().any(|(at, _)| *at == key)
                && let Some((swept, _)) = self.swept(&prior)?
            {
                kept.truncate(KEPT - 1);
                kept.insert(0, (key, swept));
            }
            let (log_det, known) = if let Some((_, swept)) = kept.iter().find(|(at, _)| *at == key) {
                let parted = swept.under(&self.sites, &prior, &self.work)?;
                (parted.log_det, parted.log_evidence)
            } else {
                let whole = self.sites.under(&prior, &self.work)?;
                (whole.factor.log_det(), whole.log_evidence)
            };
            Ok(self.given(&prior, log_det, known))
        }
    }
}

/// Fits the model.
///
/// With rows i of `n_i` rewards of mean `ȳ_i` in standardised units, n = Σ `n_i`, N = diag(`n_i`), and the P × P matrix
/// D = diag(1/2.5², 1/`τ_main`², …, 1/`τ_pair`², …):
///
/// ```text
/// Λ = ΦᵀNΦ + D,   μ = Λ⁻¹ΦᵀNȳ,   αn = 3/2 + n/2,
/// βn = 1/2 + ½ [Σ (y − ȳ)² + Σ n_i (ȳ_i − φ_iᵀμ)² + μᵀDμ]
/// β | σ², τ, y ~ N(μ, σ²Λ⁻¹),   σ² | τ, y ~ Inv-Gamma(αn, βn)
/// ln p(y | τ) = ½ ln|D| − ½ ln|Λ| − αn ln βn + constants of the data
/// p(τ | y) ∝ p(y | τ) p(τ_main) p(τ_pair)
/// ```
///
/// (Gelman et al., BDA3, §14.8, with the prior as further observations; the evidence as in MacKay 1992.) p(τ | y) is put
/// on 6 × 8 points of (ln `τ_main`, ln `τ_pair`), the weight of a point being p(τ | y) times its cell in τ. The grid
/// lies where the posterior of the scales is: see the diagnostics' `scales`.
///
/// Draws are in units of `Link::Identity { center, scale }`, the pooled mean and standard deviation, and exact: a point of the
/// grid by its weight, σ² from its inverse gamma, β from its normal. `precision_cholesky` is of Λ at the mean scales, in
/// units of 1/σ², strata averaged over.
///
/// Where all rewards are equal they name no unit: `scale` is 0, and every expected reward is that one. The draws are then
/// those of y = 0 everywhere, in an arbitrary unit. Which variant is best does not depend on the unit, so that variants that
/// were hardly tried keep their share of what is served.
///
/// # Errors
/// [`FitError::Unresolved`], [`FitError::NotPositiveDefinite`]; [`FitError::NoConvergence`] where the grid does not come
/// to rest; [`FitError::Work`] where the next step would cost more than a fit may. The cells are passed over once; every
/// later step costs the same however many they are, and is counted before it is taken.
pub(crate) fn fit(input: &Input<'_>, seed: &Seed) -> Result<Posterior, FitError> {
    let (cells, prior) = (&input.cells, &input.prior);
    let pooled = Pooled::of(cells, input.shift)?;
    let observed = input.observed(|c| Some((c.n, 0.0)));
    let design = input.design(&observed, INTERCEPT_SD);
    let rows = Rows::new(&design, &observed, Family::Binomial);
    let data = Data::new(&rows, design.layout, cells, &pooled, prior)?;
    let mut points = {
        let mut evidence = data.evidence();
        grid::search(prior, data.layout, Resolution::FULL, None, |scales, _: Option<&f64>| evidence(scales))?.0
    };
    points.sort_by(|a, b| a.scales.pair.total_cmp(&b.scales.pair).then(a.scales.main.total_cmp(&b.scales.main)));
    let Drawn { draws, scales, sigma } = draw(&data, &points, seed)?;
    points.sort_by(|a, b| a.scales.main.total_cmp(&b.scales.main).then(a.scales.pair.total_cmp(&b.scales.pair)));
    let mean_scales = grid::mean_scales(&points);
    let factor = data.sites.under(&data.prior(mean_scales), &data.work)?.factor;
    let diagnostics = Diagnostics {
        scales: points
            .iter()
            .map(|p| ScalePoint { main: p.scales.main, pair: p.scales.pair, weight: p.weight })
            .collect(),
        ..Diagnostics::new(Step::Exact)
    };
    let fitted = Fitted { draws, scales, sigma: Some(sigma), factor, mean_scales, diagnostics };
    let link = Link::Identity { center: input.shift + pooled.mean, scale: pooled.scale };
    Ok(if input.arms { fitted.arms(&design, link) } else { fitted.contextual(&design, link, seed) })
}

/// What is drawn.
#[derive(Default)]
struct Drawn {
    /// Draws × P.
    draws: Vec<f32>,
    /// Of each draw.
    scales: Vec<Scales>,
    /// σ of each draw.
    sigma: Vec<f64>,
}

/// Draws × P, those of a point of the grid beside each other. Points, which have their βn, are by ascending `τ_pair`.
fn draw(data: &Data, points: &[Point<f64>], seed: &Seed) -> Result<Drawn, FitError> {
    let mut rng = stream(seed, Stream::Exact);
    let mut drawn = Drawn { draws: Vec::with_capacity(DRAWS * data.layout.columns), ..Drawn::default() };
    let weights: Vec<f64> = points.iter().map(|p| p.weight).collect();
    let shares = grid::share_out(&weights, DRAWS);
    let mut start = 0;
    for group in points.chunk_by(|a, b| a.scales.pair.total_cmp(&b.scales.pair).is_eq()) {
        let counts = &shares[start..start + group.len()];
        start += group.len();
        if counts.iter().all(|&count| count == 0) {
            continue;
        }
        let swept = data.swept(&data.prior(group[0].scales))?;
        for (point, &count) in group.iter().zip(counts).filter(|(_, count)| **count > 0) {
            draw_at(data, point, swept.as_ref(), count, &mut rng, &mut drawn)?;
        }
    }
    Ok(drawn)
}

/// `count` draws at a point of the grid, at the end of `drawn`.
#[expect(clippy::cast_precision_loss, reason = "a cost")]
fn draw_at(
    data: &Data,
    point: &Point<f64>,
    swept: Option<&(Swept, Factor)>,
    count: usize,
    rng: &mut impl Rng,
    drawn: &mut Drawn,
) -> Result<(), FitError> {
    let columns = data.layout.columns;
    data.work.charge("drawing", work::solving(columns, count) + 30.0 * (columns * count) as f64)?;
    let prior = data.prior(point.scales);
    let mut z = Mat::<f64>::zeros(columns, count);
    for s in 0..count {
        z.col_as_slice_mut(s).fill_with(|| rng.sample(StandardNormal));
    }
    let mean = if let Some((swept, factor)) = swept {
        let parted = swept.under(&data.sites, &prior, &data.work)?;
        swept.unwhiten(factor, &parted, z.as_mut());
        parted.mean
    } else {
        let whole = data.sites.under(&prior, &data.work)?;
        whole.factor.unwhiten(z.as_mut());
        whole.mean
    };
    for s in 0..count {
        // α ≥ 1.5 is always a valid shape.
        let precision = Gamma::new(data.alpha, 1.0).map_or(f64::NAN, |g| g.sample(rng));
        let sigma = (point.fit / precision).sqrt();
        drawn.scales.push(point.scales);
        drawn.sigma.push(sigma);
        #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
        drawn.draws.extend(z.col_as_slice(s).iter().zip(&mean).map(|(z, m)| (m + sigma * z) as f32));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
