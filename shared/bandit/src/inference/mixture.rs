//! Mixture of Gaussians over the grid of scales: the proposal that draws are made from.

use std::borrow::Cow;

use faer::MatMut;

use super::factor::Factor;
use super::family::Smoothed;
use super::grid::{self, Axes, Point, Resolution};
use super::laplace::{EXACT, Gaussian, GaussianPrior, ROUGH, laplace};
use super::rows::Rows;
use super::scales::{Layout, Scales};
use super::sites::Sites;
use super::swept::{Parted, Swept};
use super::variational::{Moments, variational};
use super::work::{self, Work};
use crate::{FitError, Prior};

/// Points that carry less than this are not drawn from: 10,000 draws shared out would give them none or one, whose weight
/// is then all that the point is judged by.
const NEGLIGIBLE: f64 = 1e-4;
/// Above this cost of one step (see [`step_cost`]) the points of a grid share expansions of the likelihood.
const SHARED_ABOVE: f64 = 1.5e7;
/// Three groups of points have an expansion each where that takes less than this share of the work that is left.
const SHARE: f64 = 0.4;
/// A variational fit ends where a step raises its bound by less: in small models, and in those that share one fit.
const TOLERANCES: (f64, f64) = (1e-3, 0.03);

/// Which Gaussian stands at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// [`variational()`].
    Variational,
    /// [`laplace()`].
    Laplace,
}

/// A point of the grid, with the place of what gives its Gaussian in [`Fits`]; none where it carries no weight.
type Place = Point<Option<usize>>;

/// The mixture: Σ over the points of weight × N(μ, Λ⁻¹).
pub(crate) struct Mixture {
    /// By ascending `τ_main`, then `τ_pair`.
    pub points: Vec<Place>,
    fits: Fits,
    layout: Layout,
    intercept: f64,
    pub work: Work,
}

/// What the places of points refer to.
enum Fits {
    /// A Gaussian for each point.
    Each(Vec<Gaussian>),
    /// An expansion for each group of points.
    Shared(Vec<Sites>),
}

/// Ranges of about equal weight, of points in the order given: three, or one.
fn groups(points: &[Place], count: usize) -> Vec<std::ops::Range<usize>> {
    let cuts: &[f64] = if count == 1 { &[] } else { &[0.3, 0.6] };
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let (mut start, mut running) = (0, 0.0);
    for (i, point) in points.iter().enumerate() {
        running += point.weight;
        let last = i + 1 == points.len();
        if last || cuts.get(ranges.len()).is_some_and(|&cut| running >= cut) {
            ranges.push(start..i + 1);
            start = i + 1;
        }
    }
    ranges
}

/// The model without its scales.
pub(crate) struct Model<'a> {
    pub rows: &'a Rows,
    pub layout: Layout,
    /// Mean of the intercept's prior, logit m.
    pub intercept: f64,
    pub smoothed: Smoothed,
    pub work: Work,
}

impl Model<'_> {
    /// The prior of β at the scales.
    pub(crate) fn prior(&self, scales: Scales) -> GaussianPrior {
        GaussianPrior { intercept: self.intercept, at: self.layout.intercept(), d: self.layout.precision(scales) }
    }

    /// The prior's mean: where a first Newton step starts.
    pub(crate) fn origin(&self) -> Vec<f64> {
        let mut origin = vec![0.0; self.layout.columns];
        origin[self.layout.intercept()] = self.intercept;
        origin
    }

    /// Operations of one step at one point: assembling, factoring and inverting Λ, and averages over the rows.
    #[expect(clippy::cast_precision_loss, reason = "a cost")]
    fn step_cost(&self) -> f64 {
        let rows = self.rows.len() as f64;
        let active = self.rows.ones() as f64 / rows.max(1.0);
        // An arrow's columns have to do with its border alone.
        let border = if self.layout.arms { 1 + self.layout.strata } else { self.layout.columns };
        rows * (3.0 * active * active + 300.0) + (border as f64).powi(2) * self.layout.columns as f64
    }

    /// Whether the points of a grid share expansions of the likelihood.
    pub(crate) fn is_large(&self) -> bool {
        self.step_cost() > SHARED_ABOVE
    }

    /// Fits the mixture.
    ///
    /// # Errors
    /// [`FitError::NoConvergence`], [`FitError::NotPositiveDefinite`].
    pub(crate) fn mixture(&self, prior: &Prior, kind: Kind) -> Result<Mixture, FitError> {
        if self.is_large() && !prior.fixed { self.shared(prior, kind) } else { self.each(prior, kind) }
    }

    fn refine(&self, scales: Scales, mode: Gaussian, kind: Kind) -> Result<Gaussian, FitError> {
        match kind {
            Kind::Laplace => Ok(mode),
            Kind::Variational => {
                let tolerance = if self.is_large() { TOLERANCES.1 } else { TOLERANCES.0 };
                variational(self.rows, &self.prior(scales), mode, &self.smoothed, tolerance, &self.work)
            }
        }
    }

    /// A fit of its own at every point: Laplace to lay the grid, the variational one where there is weight.
    pub(super) fn each(&self, prior: &Prior, kind: Kind) -> Result<Mixture, FitError> {
        let origin = self.origin();
        let (found, _) =
            grid::search(prior, self.layout, Resolution::FULL, None, |scales, near: Option<&Gaussian>| {
                let mode =
                    laplace(self.rows, &self.prior(scales), near.map_or(&origin, |g| &g.mean), EXACT, &self.work)?;
                let log_evidence = mode.log_evidence;
                Ok((mode, log_evidence))
            })?;
        let mut points = Vec::with_capacity(found.len());
        let mut fits = Vec::with_capacity(found.len());
        for Point { scales, log_prior, log_evidence, weight, fit } in found {
            let mut point = Point { scales, log_prior, log_evidence, weight, fit: None };
            if weight > NEGLIGIBLE {
                let fit = self.refine(scales, fit, kind)?;
                point.log_evidence = fit.log_evidence;
                point.fit = Some(fits.len());
                fits.push(fit);
            }
            points.push(point);
        }
        self.finish(points, Fits::Each(fits))
    }

    /// A few expansions of the likelihood for all points: made at a guess of the scales and again at their mean to lay
    /// the grid; then, for each third of the posterior of `τ_pair`, at the mean of its scales. Where three would take too much
    /// of the work that is left, one for all of it: rows are then so many for the columns that the scales matter little.
    pub(super) fn shared(&self, prior: &Prior, kind: Kind) -> Result<Mixture, FitError> {
        let guess = Scales { main: 0.6 * prior.main_scale, pair: 0.6 * prior.pair_scale };
        let mode = laplace(self.rows, &self.prior(guess), &self.origin(), ROUGH, &self.work)?;
        let (found, axes) = self.lay(prior, Resolution::LOCATE, None, &self.expand(&mode))?;
        let mode = laplace(self.rows, &self.prior(grid::mean_scales(&found)), &mode.mean, ROUGH, &self.work)?;
        let (mut points, _) = self.lay(prior, Resolution::FULL, Some(&axes), &self.expand(&mode))?;
        points.sort_by(|a, b| a.scales.pair.total_cmp(&b.scales.pair).then(a.scales.main.total_cmp(&b.scales.main)));
        let mut sites: Vec<Sites> = Vec::new();
        let steps = 12.0 * (work::newton_step(self.rows) + work::averaging(self.rows));
        for group in groups(&points, if steps > SHARE * self.work.left() { 1 } else { 3 }) {
            let prior = self.prior(grid::mean_scales(&points[group.clone()]));
            // The expansion of the group before is nearer than any mode.
            let before = sites.last().map(|sites| sites.under(&prior, &self.work)).transpose()?;
            let expansion = match (kind, before) {
                (Kind::Laplace, before) => {
                    self.expand(&laplace(self.rows, &prior, &before.as_ref().unwrap_or(&mode).mean, ROUGH, &self.work)?)
                }
                (Kind::Variational, before) => {
                    let start = match before {
                        Some(before) => before,
                        None => laplace(self.rows, &prior, &mode.mean, ROUGH, &self.work)?,
                    };
                    let fit = variational(self.rows, &prior, start, &self.smoothed, TOLERANCES.1, &self.work)?;
                    self.work.charge("a variational step", work::averaging(self.rows))?;
                    let moments = Moments::of(self.rows, &prior, &fit, &self.smoothed);
                    let bound = fit.log_evidence;
                    Sites::new(self.rows, fit.mean, 0.0, &moments.residual, &moments.weights)
                        .levelled(&prior, bound, &self.work)?
                }
            };
            let mut evidence = self.evidence(&expansion);
            for point in points[group].iter_mut().filter(|p| p.weight > NEGLIGIBLE) {
                point.log_evidence = evidence(point.scales)?;
                point.fit = Some(sites.len());
            }
            drop(evidence);
            sites.push(expansion);
        }
        self.finish(points, Fits::Shared(sites))
    }

    /// The evidence of an expansion as a function of the scales, which remembers what depends on `τ_pair` alone.
    fn evidence<'a>(&'a self, sites: &'a Sites) -> impl FnMut(Scales) -> Result<f64, FitError> + 'a {
        let mut known: Vec<(u64, Swept)> = Vec::new();
        move |scales| {
            let prior = self.prior(scales);
            if self.layout.pairs() == 0 {
                return Ok(sites.under(&prior, &self.work)?.log_evidence);
            }
            let key = scales.pair.to_bits();
            if !known.iter().any(|(at, _)| *at == key) {
                known.push((key, Swept::new(sites, &prior, self.layout.mains(), &self.work)?.0));
            }
            let swept =
                known.iter().find(|(at, _)| *at == key).map(|(_, swept)| swept.under(sites, &prior, &self.work));
            swept.map_or(Ok(f64::NEG_INFINITY), |parted| Ok(parted?.log_evidence))
        }
    }

    /// The likelihood about its posterior mode.
    fn expand(&self, mode: &Gaussian) -> Sites {
        let rows = self.rows;
        let mut eta = Vec::new();
        rows.predict(&mode.mean, &mut eta);
        let residual: Vec<f64> = rows.drives().iter().zip(rows.fitted(&eta)).map(|(d, f)| d - f).collect();
        Sites::new(rows, mode.mean.clone(), rows.log_likelihood(&eta), &residual, &rows.weights(&eta))
    }

    fn lay(
        &self,
        prior: &Prior,
        resolution: Resolution,
        start: Option<&Axes>,
        sites: &Sites,
    ) -> Result<(Vec<Place>, Axes), FitError> {
        let mut evidence = self.evidence(sites);
        grid::search(prior, self.layout, resolution, start, |scales, _| Ok((None, evidence(scales)?)))
    }

    fn finish(&self, mut points: Vec<Place>, fits: Fits) -> Result<Mixture, FitError> {
        for point in &mut points {
            if point.fit.is_none() {
                point.log_evidence = f64::NEG_INFINITY;
            }
        }
        grid::normalise(&mut points)?;
        points.sort_by(|a, b| a.scales.main.total_cmp(&b.scales.main).then(a.scales.pair.total_cmp(&b.scales.pair)));
        Ok(Mixture { points, fits, layout: self.layout, intercept: self.intercept, work: self.work.clone() })
    }
}

impl Mixture {
    /// The prior of β at point g.
    pub(crate) fn prior(&self, g: usize) -> GaussianPrior {
        let d = self.layout.precision(self.points[g].scales);
        GaussianPrior { intercept: self.intercept, at: self.layout.intercept(), d }
    }

    /// The Gaussian at point g, which must carry weight.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`]; [`FitError::NoConvergence`] for a point without weight.
    pub(crate) fn gaussian(&self, g: usize) -> Result<Cow<'_, Gaussian>, FitError> {
        let place = self.points[g].fit.ok_or(FitError::NoConvergence {
            what: "a point of the grid without weight",
            residual: self.points[g].weight,
        })?;
        match &self.fits {
            Fits::Each(fits) => Ok(Cow::Borrowed(&fits[place])),
            Fits::Shared(sites) => Ok(Cow::Owned(sites[place].under(&self.prior(g), &self.work)?)),
        }
    }

    /// The points, in an order in which [`Proposals`] need not begin anew for each.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        if let Fits::Shared(_) = &self.fits {
            order.sort_by(|&a, &b| self.points[a].scales.pair.total_cmp(&self.points[b].scales.pair).then(a.cmp(&b)));
        }
        order
    }

    /// What draws are made from.
    pub(crate) fn proposals(&self) -> Proposals<'_> {
        Proposals { mixture: self, swept: None }
    }

    /// The point with the greatest weight.
    pub(crate) fn peak(&self) -> usize {
        (0..self.points.len()).fold(0, |b, g| if self.points[g].weight > self.points[b].weight { g } else { b })
    }
}

/// The Gaussians of a mixture one after another, with what neighbours share.
pub(crate) struct Proposals<'a> {
    mixture: &'a Mixture,
    swept: Option<(usize, u64, Swept, Factor)>,
}

/// The Gaussian of one point, to draw from.
pub(crate) enum Proposal<'a> {
    /// As a whole.
    Whole(Cow<'a, Gaussian>),
    /// In parts, with what neighbours share and the factor of the pairs' part.
    Parted(Parted, &'a Swept, &'a Factor),
}

impl Proposals<'_> {
    /// That of point g, which must carry weight.
    ///
    /// # Errors
    /// As [`Mixture::gaussian`].
    pub(crate) fn at(&mut self, g: usize) -> Result<Proposal<'_>, FitError> {
        let (Fits::Shared(sites), Some(place)) = (&self.mixture.fits, self.mixture.points[g].fit) else {
            return Ok(Proposal::Whole(self.mixture.gaussian(g)?));
        };
        if self.mixture.layout.pairs() == 0 {
            return Ok(Proposal::Whole(self.mixture.gaussian(g)?));
        }
        let (sites, prior) = (&sites[place], self.mixture.prior(g));
        let key = self.mixture.points[g].scales.pair.to_bits();
        let known = self.swept.take().filter(|(of, at, ..)| (*of, *at) == (place, key));
        let shared = if let Some(known) = known {
            known
        } else {
            let (swept, factor) = Swept::new(sites, &prior, self.mixture.layout.mains(), &self.mixture.work)?;
            (place, key, swept, factor)
        };
        let (.., swept, factor) = self.swept.insert(shared);
        Ok(Proposal::Parted(swept.under(sites, &prior, &self.mixture.work)?, swept, factor))
    }
}

impl Proposal<'_> {
    /// μ.
    pub(crate) fn mean(&self) -> &[f64] {
        match self {
            Self::Whole(gaussian) => &gaussian.mean,
            Self::Parted(parted, ..) => &parted.mean,
        }
    }

    /// ln|Λ|.
    pub(crate) fn log_det(&self) -> f64 {
        match self {
            Self::Whole(gaussian) => gaussian.factor.log_det(),
            Self::Parted(parted, ..) => parted.log_det,
        }
    }

    /// Columns of standard normals become columns of N(0, Λ⁻¹).
    pub(crate) fn unwhiten(&self, x: MatMut<'_, f64>) {
        match self {
            Self::Whole(gaussian) => gaussian.factor.unwhiten(x),
            Self::Parted(parted, swept, pairs) => swept.unwhiten(pairs, parted, x),
        }
    }
}
