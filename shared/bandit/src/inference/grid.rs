//! The scales are integrated over on a logarithmic grid that follows where their posterior is.

use super::scales::{Layout, Scales, log_hyperprior};
use crate::{FitError, Prior};

/// A point of the grid with what was fitted there.
pub(crate) struct Point<F> {
    pub scales: Scales,
    /// ln of hyperprior × cell of the grid.
    pub log_prior: f64,
    /// ln p(y | τ), up to a constant of the data.
    pub log_evidence: f64,
    /// Posterior probability of the point within its grid.
    pub weight: f64,
    pub fit: F,
}

/// How fine a grid is.
#[derive(Clone, Copy)]
pub(crate) struct Resolution {
    /// Points along `τ_main`.
    pub main: usize,
    /// Points along `τ_pair`.
    pub pair: usize,
    /// The grid is laid at most so many times.
    pub rounds: usize,
}

/// The first grid spans these multiples of the hyperprior's scale. The lowest cell reaches down to 0.
const SPAN: (f64, f64) = (0.06, 3.6);
/// Beyond this multiple the grid does not follow the data.
const LIMIT: f64 = 100.0;

/// Equally spaced values of ln τ.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    low: f64,
    step: f64,
    points: usize,
    /// Lowest point of the first grid.
    floor: f64,
    ceiling: f64,
}

impl Axis {
    fn new(scale: f64, points: usize) -> Self {
        let (low, high) = ((scale * SPAN.0).ln(), (scale * SPAN.1).ln());
        Self::spanning(low, high, points, low, (scale * LIMIT).ln())
    }

    /// A single point, for a scale that governs no column: the data say nothing about it.
    fn single(scale: f64) -> Self {
        Self { low: scale.ln(), step: 1.0, points: 1, floor: f64::NEG_INFINITY, ceiling: scale.ln() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    fn spanning(low: f64, high: f64, points: usize, floor: f64, ceiling: f64) -> Self {
        let (low, high) = (low.max(floor), high.min(ceiling));
        Self { low, step: (high - low) / (points - 1) as f64, points, floor, ceiling }
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    fn at(&self, i: usize) -> f64 {
        self.low + self.step * i as f64
    }

    fn high(&self) -> f64 {
        self.at(self.points - 1)
    }

    /// ln of the width of cell i in τ: τ·h, the trapezoidal rule in ln τ; the lowest cell of all reaches down to 0.
    fn log_width(&self, i: usize) -> f64 {
        if self.points == 1 {
            0.0
        } else if i == 0 && self.low <= self.floor {
            self.at(i) + 0.5 * self.step
        } else {
            self.at(i) + self.step.ln()
        }
    }

    /// The axis that suits the marginal weights along this one; itself where it does already.
    fn follow(&self, weights: &[f64]) -> Self {
        if self.points == 1 {
            return self.clone();
        }
        let mean: f64 = weights.iter().enumerate().map(|(i, w)| w * self.at(i)).sum();
        let sd = weights.iter().enumerate().map(|(i, w)| w * (self.at(i) - mean).powi(2)).sum::<f64>().sqrt();
        let respan = |low, high| Self::spanning(low, high, self.points, self.floor, self.ceiling);
        if weights[self.points - 1] > 0.005 && self.high() < self.ceiling {
            return respan(self.low + self.step, self.high() + 3.0 * self.step);
        }
        if weights[0] > 0.005 && self.low > self.floor {
            return respan(self.low - 3.0 * self.step, self.high() - self.step);
        }
        if sd < 0.7 * self.step {
            let sd = sd.max(curvature(weights).map_or(0.3, |c| c.clamp(0.02, 0.7)) * self.step);
            return respan(mean - 3.2 * sd, mean + 3.2 * sd);
        }
        self.clone()
    }
}

/// Where a grid lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axes {
    main: Axis,
    pair: Axis,
}

impl Axes {
    /// Of the first grid.
    fn new(prior: &Prior, layout: Layout, resolution: Resolution) -> Self {
        let pair = if layout.pairs() == 0 {
            Axis::single(prior.pair_scale)
        } else {
            Axis::new(prior.pair_scale, resolution.pair)
        };
        Self { main: Axis::new(prior.main_scale, resolution.main), pair }
    }
}

/// Standard deviation, in steps, of the normal through the log-weights of the greatest weight and its neighbours.
fn curvature(weights: &[f64]) -> Option<f64> {
    let peak = (0..weights.len()).max_by(|&a, &b| weights[a].total_cmp(&weights[b]))?;
    let (below, above) = (weights.get(peak.checked_sub(1)?)?, weights.get(peak + 1)?);
    let second = below.max(1e-300).ln() + above.max(1e-300).ln() - 2.0 * weights[peak].ln();
    (second < 0.0).then(|| (-1.0 / second).sqrt())
}

/// The posterior of the scales: evidence × hyperprior × cell on a grid in (ln `τ_main`, ln `τ_pair`). The grid is laid over
/// 0.06…3.6 times the hyperprior's scales, then moved or narrowed until the posterior spans it.
///
/// `start` is where a grid of the same resolution was found to lie before. `fit` gives p(y | τ) and whatever is to be kept, from the scales and a neighbouring fit.
///
/// # Errors
/// What `fit` returns; [`FitError::NoConvergence`] where no point has a finite evidence.
pub(crate) fn search<F>(
    prior: &Prior,
    layout: Layout,
    resolution: Resolution,
    start: Option<&Axes>,
    mut fit: impl FnMut(Scales, Option<&F>) -> Result<(F, f64), FitError>,
) -> Result<(Vec<Point<F>>, Axes), FitError> {
    let mut axes = start.cloned().unwrap_or_else(|| Axes::new(prior, layout, resolution));
    if prior.fixed {
        let scales = Scales { main: prior.main_scale, pair: prior.pair_scale };
        let (fit, log_evidence) = fit(scales, None)?;
        return Ok((vec![Point { scales, log_prior: 0.0, log_evidence, weight: 1.0, fit }], axes));
    }
    let mut points: Vec<Point<F>> = Vec::new();
    for _ in 0..resolution.rounds.max(1) {
        let Axes { main, pair } = &axes;
        let mut next: Vec<Point<F>> = Vec::with_capacity(main.points * pair.points);
        for i in 0..main.points {
            for step in 0..pair.points {
                // Back and forth, so that each fit starts from a neighbour.
                let j = if i % 2 == 0 { pair.points - 1 - step } else { step };
                let scales = Scales { main: main.at(i).exp(), pair: pair.at(j).exp() };
                let near = next.last().or_else(|| nearest(&points, scales)).map(|p| &p.fit);
                let (fit, log_evidence) = fit(scales, near)?;
                let log_prior = log_hyperprior(prior, scales) + main.log_width(i) + pair.log_width(j);
                next.push(Point { scales, log_prior, log_evidence, weight: 0.0, fit });
            }
        }
        normalise(&mut next)?;
        points = next;
        let marginal = |axis: &Axis, of: &dyn Fn(&Point<F>) -> f64| {
            let mut weights = vec![0.0; axis.points];
            for point in &points {
                let nearest = (0..axis.points)
                    .min_by(|&a, &b| (axis.at(a) - of(point)).abs().total_cmp(&(axis.at(b) - of(point)).abs()));
                weights[nearest.unwrap_or(0)] += point.weight;
            }
            weights
        };
        let next_main = main.follow(&marginal(main, &|p| p.scales.main.ln()));
        let next_pair = pair.follow(&marginal(pair, &|p| p.scales.pair.ln()));
        let next = Axes { main: next_main, pair: next_pair };
        if next == axes {
            break;
        }
        axes = next;
    }
    Ok((points, axes))
}

fn nearest<F>(points: &[Point<F>], scales: Scales) -> Option<&Point<F>> {
    let distance =
        |p: &Point<F>| (p.scales.main / scales.main).ln().powi(2) + (p.scales.pair / scales.pair).ln().powi(2);
    points.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Weights ∝ evidence × hyperprior × cell.
///
/// # Errors
/// [`FitError::NoConvergence`] where the greatest is not finite.
pub(crate) fn normalise<F>(points: &mut [Point<F>]) -> Result<(), FitError> {
    let greatest = points.iter().map(|p| p.log_evidence + p.log_prior).fold(f64::NEG_INFINITY, f64::max);
    if !greatest.is_finite() {
        return Err(FitError::NoConvergence { what: "the evidence of the scales", residual: greatest });
    }
    let mut total = 0.0;
    for p in points.iter_mut() {
        p.weight = (p.log_evidence + p.log_prior - greatest).exp();
        total += p.weight;
    }
    for p in points.iter_mut() {
        p.weight /= total;
    }
    Ok(())
}

/// E τ over the points, whose weights need not add up to 1.
pub(crate) fn mean_scales<F>(points: &[Point<F>]) -> Scales {
    let total: f64 = points.iter().map(|p| p.weight).sum();
    points.iter().fold(Scales { main: 0.0, pair: 0.0 }, |s, p| Scales {
        main: s.main + p.weight / total * p.scales.main,
        pair: s.pair + p.weight / total * p.scales.pair,
    })
}

/// Shares `total` draws out in proportion to `weights`: each gets its share rounded up or down, the same way each time.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of `total`")]
pub(crate) fn share_out(weights: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let (mut running, mut given) = (0.0, 0);
    weights
        .iter()
        .map(|w| {
            running += w / sum;
            let upto = ((running * total as f64 + 0.5).floor() as usize).min(total);
            let share = upto - given;
            given = upto;
            share
        })
        .collect()
}
