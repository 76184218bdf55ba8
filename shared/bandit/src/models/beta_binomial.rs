//! mab, bool reward, one stratum: Beta–binomial arms with a learned prior.
//!
//! `θ_v` ~ Beta(κm, κ(1−m)), `s_v` | `θ_v` ~ Binomial(`n_v`, `θ_v`), with κ and m learned from the arms (Gelman et al.,
//! BDA3, §5.3: the hyperprior κ^(−3/2) is uniform on 1/√κ, about the prior's standard deviation; m is uniform).
//!
//! Both are averaged over, not maximised: with few arms the best single κ makes the intervals too narrow, and with m at the
//! pooled rate so does that, most where hardly any arm converts (measured in docs/statistics.md, "Calibration").

use libm::lgamma;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gamma};

use crate::inference::family::sigmoid;
use crate::inference::streams::{Stream, stream};
use crate::posterior::column_means;
use crate::{DRAWS, Diagnostics, Link, Posterior, Predictor, Seed, Step};

/// Points of the grid over ln κ, while it is looked for where they lie and in the end.
const POINTS: (usize, usize) = (24, 40);
/// So many of the points that are looked at first must carry the posterior.
const ENOUGH: usize = 8;
/// Times that the grid is narrowed at most.
const NARROWINGS: usize = 5;
/// Points of the grid over logit m, for each κ.
const MEANS: usize = 24;
/// What carries less than e^(−16) of the greatest density is left out.
const NEGLIGIBLE: f64 = 16.0;
/// Where logit m may be.
const RANGE: (f64, f64) = (-60.0, 60.0);

/// Fits the model to (`n_v`, `s_v`) of every variant, those without trials too.
///
/// The posterior of κ on [1, max(2, N)] and m on (0, 1) has the density
///
/// ```text
/// p(κ, m | data) ∝ κ^(−3/2) Π_v B(κm + s_v, κ(1−m) + n_v − s_v) / B(κm, κ(1−m))
/// ```
///
/// and is put on 40 points equally spaced in ln κ, over the part of that range which carries it, and for each of them on 24
/// points of logit m, over what carries p(m | κ, data). A draw takes one of them by its weight, and then for every arm
/// `θ_v` | κ, m, data ~ Beta(κm + `s_v`, κ(1−m) + `n_v` − `s_v`).
///
/// The posterior has one column for each variant (excluded ones too) and draws of logit `θ_v` in log-odds. `arms` and
/// the diagnostics' `kappa` are of the most probable ln κ and of the most probable m with it: (`a_v`, `b_v`) = (κ̂m̂ + `s_v`,
/// κ̂(1−m̂) + `n_v` − `s_v`), variants × 2. A variant without trials has the prior.
pub(super) fn fit(counts: &[(f64, f64)], seed: &Seed) -> Posterior {
    let arms = Arms::new(counts);
    let spread = arms.spread();
    let (kappa, mean) = arms.most_probable(&spread);
    let beta = |(kappa, y): (f64, f64), (n, s): (f64, f64)| (kappa * sigmoid(y) + s, kappa * sigmoid(-y) + (n - s));
    let mut rng = stream(seed, Stream::Exact);
    let mut draws = Vec::with_capacity(DRAWS * counts.len());
    for prior in priors(&spread) {
        for &count in counts {
            let (a, b) = beta(prior, count);
            #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
            draws.push((log_gamma_draw(a, &mut rng) - log_gamma_draw(b, &mut rng)) as f32);
        }
    }
    Posterior {
        predictor: Predictor::Arms,
        link: Link::Logit,
        columns: counts.len(),
        mean: column_means(&draws, counts.len()),
        draws,
        precision_cholesky: Vec::new(),
        arms: counts.iter().map(|&count| beta((kappa, mean), count)).flat_map(|(a, b)| [a, b]).collect(),
        diagnostics: Diagnostics { kappa: Some(kappa), ..Diagnostics::new(Step::Exact) },
        strata: Vec::new(),
        amount: None,
    }
}

/// The arms that were tried.
struct Arms {
    counts: Vec<(f64, f64)>,
    /// ln max(2, N): the greatest ln κ.
    top: f64,
    /// logit of the pooled rate: where m is looked for first.
    centre: f64,
}

/// p(m | κ, data) on points of y = logit m.
struct Conditional {
    /// (y, ln p(data | κ, m) m (1−m)).
    points: Vec<(f64, f64)>,
    /// ln p(data | κ).
    log_total: f64,
    /// The y with the greatest density in y.
    mode: f64,
}

impl Arms {
    fn new(counts: &[(f64, f64)]) -> Self {
        let counts: Vec<(f64, f64)> = counts.iter().copied().filter(|(n, _)| *n > 0.0).collect();
        let (trials, sum) = counts.iter().fold((0.0, 0.0), |t, c| (t.0 + c.0, t.1 + c.1));
        Self { counts, top: trials.max(2.0).ln(), centre: ((sum + 0.5) / (trials - sum + 0.5)).ln() }
    }

    /// ln of the beta-binomial marginal of the arms times m (1−m), the Jacobian of y = logit m. What depends on κ alone is
    /// left out.
    fn log_density(&self, kappa: f64, y: f64) -> f64 {
        let (m, rest) = (sigmoid(y), sigmoid(-y));
        let (a, b) = (kappa * m, kappa * rest);
        let prior = lgamma(a) + lgamma(b);
        let arms: f64 = self.counts.iter().map(|(n, s)| lgamma(a + s) + lgamma(b + (n - s)) - prior).sum();
        arms + m.ln() + rest.ln()
    }

    /// The part of it that depends on κ alone, with its hyperprior.
    fn log_kappa_part(&self, kappa: f64) -> f64 {
        let prior = lgamma(kappa);
        self.counts.iter().map(|(n, _)| prior - lgamma(kappa + n)).sum::<f64>() - 1.5 * kappa.ln()
    }

    /// The grid over m at one κ.
    #[expect(clippy::cast_precision_loss, reason = "small indices")]
    fn conditional(&self, kappa: f64) -> Conditional {
        let value = |y: f64| self.log_density(kappa, y);
        let mode = golden(&value, self.centre - 12.0, self.centre + 12.0, 1e-6);
        let top = value(mode);
        // Outwards by doubled steps until too little is left, then back by halves.
        let end = |direction: f64| {
            let (mut inner, mut step) = (mode, 1e-5);
            loop {
                let outer = (inner + direction * step).clamp(RANGE.0, RANGE.1);
                if outer <= RANGE.0 || outer >= RANGE.1 {
                    return outer;
                }
                if value(outer) < top - NEGLIGIBLE {
                    let mut ends = (inner, outer);
                    for _ in 0..5 {
                        let middle = 0.5 * (ends.0 + ends.1);
                        if value(middle) < top - NEGLIGIBLE { ends.1 = middle } else { ends.0 = middle }
                    }
                    return ends.1;
                }
                inner = outer;
                step *= 2.0;
            }
        };
        let (low, high) = (end(-1.0), end(1.0));
        let step = (high - low) / (MEANS - 1) as f64;
        let points: Vec<(f64, f64)> = (0..MEANS).map(|i| low + step * i as f64).map(|y| (y, value(y))).collect();
        let total: f64 = points.iter().map(|(_, log)| (log - top).exp()).sum();
        Conditional { points, log_total: top + (total * step).ln() + self.log_kappa_part(kappa), mode }
    }

    /// Points of ln κ, equally spaced, that span [0, `top`] or less of it where fewer than so many would carry the posterior:
    /// with many arms ln κ is known to hundredths.
    #[expect(clippy::cast_precision_loss, reason = "small indices")]
    fn spread(&self) -> Vec<(f64, Conditional)> {
        let (mut low, mut high) = (0.0, self.top);
        for narrowing in 0..=NARROWINGS {
            let count = POINTS.0;
            let at = |i: usize| low + (high - low) * i as f64 / (count - 1) as f64;
            // dκ = κ d ln κ.
            let logs: Vec<f64> = (0..count).map(|i| self.conditional(at(i).exp()).log_total + at(i)).collect();
            let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let carries = |log: &f64| *log > greatest - NEGLIGIBLE;
            let first = logs.iter().position(carries).unwrap_or(0).saturating_sub(1);
            let last = logs.iter().rposition(carries).map_or(count - 1, |i| (i + 1).min(count - 1));
            let enough = last - first >= ENOUGH || narrowing == NARROWINGS;
            (low, high) = (at(first), at(last));
            if enough {
                break;
            }
        }
        let at = |i: usize| low + (high - low) * i as f64 / (POINTS.1 - 1) as f64;
        (0..POINTS.1).map(|i| (at(i), self.conditional(at(i).exp()))).collect()
    }

    /// The κ at which ln κ has its greatest density, and the logit m of the greatest density given it. (The density of κ itself is
    /// greatest near 1 where few arms agree, since there m may be anything.)
    fn most_probable(&self, spread: &[(f64, Conditional)]) -> (f64, f64) {
        let value = |x: f64| self.conditional(x.exp()).log_total + x;
        let known = |i: usize| spread[i].1.log_total + spread[i].0;
        let best = (1..spread.len()).fold(0, |b, i| if known(i) > known(b) { i } else { b });
        let at = |i: usize| spread[i].0;
        let middle = golden(&value, at(best.saturating_sub(1)), at((best + 1).min(spread.len() - 1)), 1e-3);
        // The ends of the range are reached only in the limit: one of them may be the maximum.
        let x = [at(0), at(spread.len() - 1)]
            .into_iter()
            .fold(middle, |b, end| if value(end) > value(b) { end } else { b });
        (x.exp(), self.conditional(x.exp()).mode)
    }
}

/// (κ, logit m) of each draw, as many of each point of the grid as its weight demands. The order is spread out, so that
/// every k-th draw is a fair share of all.
#[expect(clippy::cast_precision_loss, reason = "small indices")]
fn priors(spread: &[(f64, Conditional)]) -> Vec<(f64, f64)> {
    // A step that shares no factor with the number of draws visits every place once.
    const STEP: usize = 3_819;
    let mut points = Vec::with_capacity(spread.len() * MEANS);
    let greatest = spread.iter().map(|(x, c)| x + c.log_total).fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for (i, (x, conditional)) in spread.iter().enumerate() {
        // The ends of the trapezoidal rule count half.
        let end = if i == 0 || i + 1 == spread.len() { 0.5 } else { 1.0 };
        let weight = end * (x + conditional.log_total - greatest).exp();
        let top = conditional.points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
        let share: f64 = conditional.points.iter().map(|p| (p.1 - top).exp()).sum();
        for (y, log) in &conditional.points {
            total += weight * (log - top).exp() / share;
            points.push((x.exp(), *y, total));
        }
    }
    (0..DRAWS)
        .map(|s| {
            let place = (((s * STEP) % DRAWS) as f64 + 0.5) / DRAWS as f64 * total;
            let (kappa, y, _) = points[points.partition_point(|p| p.2 < place).min(points.len() - 1)];
            (kappa, y)
        })
        .collect()
}

/// The maximum of a function with one, by golden sections.
fn golden(value: &impl Fn(f64) -> f64, mut low: f64, mut high: f64, tolerance: f64) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (value(left), value(right));
    while high - low > tolerance {
        if at_left >= at_right {
            high = right;
            (right, at_right) = (left, at_left);
            left = high - ratio * (high - low);
            at_left = value(left);
        } else {
            low = left;
            (left, at_left) = (right, at_right);
            right = low + ratio * (high - low);
            at_right = value(right);
        }
    }
    0.5 * (low + high)
}

/// ln G for G ~ Gamma(shape, 1). For a shape below 1, G = G'·U^(1/shape) with G' ~ Gamma(shape + 1), in logarithms:
/// G itself would underflow for shapes such as 1e-6 (Marsaglia & Tsang 2000, §6).
fn log_gamma_draw<R: Rng>(shape: f64, rng: &mut R) -> f64 {
    let (boosted, extra) = if shape < 1.0 {
        // 1 − U is in (0, 1].
        (shape + 1.0, (1.0 - rng.random::<f64>()).ln() / shape)
    } else {
        (shape, 0.0)
    };
    // A shape of at least 1 is always a valid parameter; NaN would only be the caller's.
    Gamma::new(boosted, 1.0).map_or(f64::NAN, |g| g.sample(rng).ln() + extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of ln κ and of logit m: of the draws, and by plain sums over 400 × 400 points.
    fn both(counts: &[(f64, f64)]) -> [[(f64, f64); 2]; 2] {
        let arms = Arms::new(counts);
        let moments = |values: &mut dyn Iterator<Item = (f64, f64)>| {
            let (total, sum, squares) =
                values.fold((0.0, 0.0, 0.0), |t, (x, w)| (t.0 + w, t.1 + w * x, t.2 + w * x * x));
            let mean: f64 = sum / total;
            (mean, (squares / total - mean * mean).max(0.0).sqrt())
        };
        let drawn: Vec<(f64, f64)> = priors(&arms.spread()).iter().map(|(k, y)| (k.ln(), *y)).collect();
        let found = [moments(&mut drawn.iter().map(|d| (d.0, 1.0))), moments(&mut drawn.iter().map(|d| (d.1, 1.0)))];
        // Well beyond the draws' own range: all that carries anything.
        let range = |of: fn(&(f64, f64)) -> f64, low: f64, high: f64| {
            let (a, b) = drawn.iter().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |r, x| (r.0.min(x), r.1.max(x)));
            let margin = 0.3 * (b - a);
            ((a - margin).max(low), (b + margin).min(high))
        };
        let (x, y) = (range(|d| d.0, 0.0, arms.top), range(|d| d.1, RANGE.0, RANGE.1));
        let at = |r: (f64, f64), i: i32| r.0 + (r.1 - r.0) * (f64::from(i) + 0.5) / 400.0;
        let mut fine = Vec::new();
        for i in 0..400 {
            let kappa = at(x, i).exp();
            let part = arms.log_kappa_part(kappa) + at(x, i);
            fine.extend((0..400).map(|j| (at(x, i), at(y, j), part + arms.log_density(kappa, at(y, j)))));
        }
        let greatest = fine.iter().map(|f| f.2).fold(f64::NEG_INFINITY, f64::max);
        let exact = [
            moments(&mut fine.iter().map(|f| (f.0, (f.2 - greatest).exp()))),
            moments(&mut fine.iter().map(|f| (f.1, (f.2 - greatest).exp()))),
        ];
        [found, exact]
    }

    /// From arms that say nearly nothing of κ and m to such that know both well; with few conversions and with none, where
    /// log m has a long lower tail.
    #[test]
    fn the_points_follow_the_posterior_of_the_prior() {
        let rate = |v: u32| 0.1 + 0.02 * (f64::from(v) * 2.399_963).sin() + 0.01 * (f64::from(v) * 0.7).cos();
        let alike = |arms: u32, trials: f64, scale: f64| -> Vec<(f64, f64)> {
            (0..arms).map(|v| (trials, (trials * scale * rate(v)).round())).collect()
        };
        for counts in [
            alike(60, 1e7, 1.0),
            alike(10, 1e3, 1.0),
            alike(10, 1e9, 1.0),
            alike(3, 50.0, 1.0),
            alike(4, 200.0, 0.05),
            vec![(100.0, 0.0), (80.0, 0.0)],
            vec![(100.0, 100.0), (80.0, 0.0), (50.0, 25.0)],
        ] {
            let [found, exact] = both(&counts);
            for ((f, e), of) in found.iter().zip(&exact).zip(["ln κ", "logit m"]) {
                assert!((f.0 - e.0).abs() < 0.03 * e.1, "{of}, {counts:?}: {f:?} {e:?}");
                assert!((f.1 / e.1 - 1.0).abs() < 0.03, "{of}, {counts:?}: {f:?} {e:?}");
            }
        }
    }
}
