//! Data sets drawn from the prior of each model.
//!
//! Where the specification's prior is proper it is drawn as it stands. Where it takes a number from the data (an
//! empirical prior), nothing can be drawn from it before there are data; the number is then drawn as stated at each
//! model, and the fit takes it from the data as it always does. Such a check is not exact, and what is lost shows.

use bandit::{Cell, CellTable, Columns, Distribution, ModelType, Prior, RewardType, Settings, Space};
use rand::{Rng, RngExt};

use crate::draw::{
    binomial, half_normal, known_contexts, log_gamma, log_uniform, logit, logit_beta, normal, normal_sums, poisson,
    shares, sigmoid, space,
};
use crate::error::Error;

/// One of the four models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// The name on the command line and in tables.
    pub name: &'static str,
    model_type: ModelType,
    reward: RewardType,
}

/// All four.
pub const ESTIMATORS: [Estimator; 4] = [
    Estimator { name: "mab-bool", model_type: ModelType::Mab, reward: RewardType::Bool },
    Estimator { name: "mab-numeric", model_type: ModelType::Mab, reward: RewardType::Numeric },
    Estimator { name: "cmab-bool", model_type: ModelType::Cmab, reward: RewardType::Bool },
    Estimator { name: "cmab-numeric", model_type: ModelType::Cmab, reward: RewardType::Numeric },
];

/// A simulated cell: what it is in truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueCell {
    /// Variant number.
    pub variant: usize,
    /// Context number.
    pub context: u64,
    /// Trials in the data; cells without any are checked too.
    pub n: u64,
    /// Expected reward.
    pub mean: f64,
}

/// Data with the truth behind them.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// The factors.
    pub space: Space,
    /// The model's configuration.
    pub settings: Settings,
    /// The data.
    pub cells: CellTable,
    /// Every cell of known levels (mab: every variant).
    pub truth: Vec<TrueCell>,
    /// κ and m that the arms of a bool mab were drawn with.
    pub arms: Option<(f64, f64)>,
}

/// Levels of the design factors: 10 variants.
const DESIGN: [usize; 2] = [5, 2];
/// Levels of the context factors of the cmabs: 12 contexts.
const CONTEXT: [usize; 2] = [4, 3];
/// The number of trials is drawn log-uniformly between these.
const TRIALS: (f64, f64) = (300.0, 30_000.0);
/// Standard deviation of the logarithms of the variants' and the contexts' shares of the trials.
const UNEVEN: f64 = 0.7;
/// m of the intercept's prior N(logit m, 2.5²) when it is drawn from; the fit takes m from the data.
pub const INTERCEPT_RATE: f64 = 0.05;
/// Range of m of the arms' prior Beta(κm, κ(1−m)) when it is drawn from, log-uniform; the fit averages over it.
pub const ARM_RATES: (f64, f64) = (0.01, 0.5);
const INTERCEPT_SD: f64 = 2.5;

impl Estimator {
    /// Draws parameters from the prior and data from the parameters.
    ///
    /// # Errors
    /// [`Error`] of the distributions and of the types of the data, which the constants here rule out.
    pub fn simulate(&self, rng: &mut impl Rng) -> Result<DataSet, Error> {
        let context: &[usize] = if self.model_type == ModelType::Cmab { &CONTEXT } else { &[] };
        let space = space(&DESIGN, context)?;
        let prior = Prior::default();
        let settings = Settings {
            model_type: self.model_type,
            reward: self.reward,
            distribution: Distribution::Normal,
            prior,
            exploration: 1.0,
        };
        let contexts = known_contexts(&space);
        let trials = log_uniform(TRIALS.0, TRIALS.1, rng);
        let (by_variant, by_context) = (shares(space.variants(), UNEVEN, rng), shares(contexts.len(), UNEVEN, rng));
        let mut counts = Vec::new();
        for (context, share) in contexts.iter().zip(by_context) {
            for (variant, of_variant) in by_variant.iter().enumerate() {
                counts.push((variant, *context, poisson(trials * share * of_variant, rng)?));
            }
        }
        let arms = (self.name == ESTIMATORS[0].name).then(|| hyperparameters(&counts, rng));
        let parameters = match (self.model_type, self.reward) {
            (ModelType::Mab, RewardType::Bool) => beta_arms(&counts, arms.unwrap_or((1.0, 0.5)), rng)?,
            (ModelType::Mab, RewardType::Numeric) => normal_arms(&counts, &prior, rng)?,
            (ModelType::Cmab, RewardType::Bool) => logistic(&space, &counts, &prior, rng),
            (ModelType::Cmab, RewardType::Numeric) => linear(&space, &counts, &prior, rng)?,
        };
        let mut cells = Vec::with_capacity(counts.len());
        let mut truth = Vec::with_capacity(counts.len());
        for (&(variant, context, n), (mean, sd)) in counts.iter().zip(parameters) {
            truth.push(TrueCell { variant, context, n, mean });
            if n == 0 {
                continue;
            }
            let (sum, sum_sq) = match self.reward {
                RewardType::Bool => {
                    #[expect(clippy::cast_precision_loss, reason = "a small count")]
                    let converted = binomial(n, mean, rng)? as f64;
                    (converted, converted)
                }
                RewardType::Numeric => normal_sums(n, mean, sd, rng)?,
            };
            cells.push(Cell { variant, context, n, sum, sum_sq });
        }
        Ok(DataSet { space, settings, cells: CellTable::new(cells)?, truth, arms })
    }
}

/// (mean, sd) of each cell's rewards; sd is not used where rewards are bool.
type Parameters = Vec<(f64, f64)>;
type Count = (usize, u64, u64);

/// κ from its hyperprior κ^(−3/2) on [1, N], by its inverse distribution function: 1/√κ is uniform on [1/√N, 1].
/// m, which is uniform to the model, is log-uniform in [`ARM_RATES`] here: rates such as tests have, of which the
/// prior says that they are rare.
fn hyperparameters(counts: &[Count], rng: &mut impl Rng) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    let trials = counts.iter().map(|c| c.2).sum::<u64>().max(2) as f64;
    let lowest = trials.sqrt().recip();
    let kappa = (lowest + (1.0 - lowest) * rng.random::<f64>()).powi(-2);
    (kappa, log_uniform(ARM_RATES.0, ARM_RATES.1, rng))
}

/// θ ~ Beta(κm, κ(1−m)) per arm.
fn beta_arms(counts: &[Count], (kappa, m): (f64, f64), rng: &mut impl Rng) -> Result<Parameters, Error> {
    counts.iter().map(|_| Ok((sigmoid(logit_beta(kappa * m, kappa * (1.0 - m), rng)?), 0.0))).collect()
}

/// As [`linear`], with the variants as the levels of one factor.
fn normal_arms(counts: &[Count], prior: &Prior, rng: &mut impl Rng) -> Result<Parameters, Error> {
    linear(&space(&[counts.len()], &[])?, counts, prior, rng)
}

/// τ from their half-normals, β | τ normal, β0 ~ N(logit m, 2.5²) with m = [`INTERCEPT_RATE`].
fn logistic(space: &Space, counts: &[Count], prior: &Prior, rng: &mut impl Rng) -> Parameters {
    let beta = coefficients(space, prior, rng);
    locations(space, counts, &beta).into_iter().map(|eta| (sigmoid(logit(INTERCEPT_RATE) + eta), 0.0)).collect()
}

/// σ² ~ Inv-Gamma(1.5, ½), τ from their half-normals, β | σ², τ normal in units of σ, β0 | σ² ~ N(0, 2.5²σ²). The fit
/// measures all of it in units of the pooled standard deviation about the pooled mean.
fn linear(space: &Space, counts: &[Count], prior: &Prior, rng: &mut impl Rng) -> Result<Parameters, Error> {
    let sd = (0.5 * (-log_gamma(1.5, rng)?).exp()).sqrt();
    let beta = coefficients(space, prior, rng);
    Ok(locations(space, counts, &beta).into_iter().map(|eta| (sd * eta, sd)).collect())
}

/// τ ~ half-normal, β | τ ~ N(0, τ²), β0 ~ N(0, 2.5²).
fn coefficients(space: &Space, prior: &Prior, rng: &mut impl Rng) -> Vec<f64> {
    let columns = Columns::of(space);
    let main = half_normal(prior.main_scale, rng);
    let pair = half_normal(prior.pair_scale, rng);
    let mains = columns.main_effects();
    let scale = |j: usize| match j {
        0 => INTERCEPT_SD,
        j if mains.contains(&j) => main,
        _ => pair,
    };
    // Nobody is seen with an unknown level here.
    let drawn = |(j, column)| if columns.is_unknown(&column) { 0.0 } else { scale(j) * normal(rng) };
    columns.describe().into_iter().enumerate().map(drawn).collect()
}

fn locations(space: &Space, counts: &[Count], beta: &[f64]) -> Vec<f64> {
    let columns = Columns::of(space);
    counts
        .iter()
        .map(|&(variant, context, _)| {
            let active = columns.active(&space.decode_variant(variant), &space.decode_context(context));
            active.into_iter().map(|j| beta[j]).sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::generator;

    #[test]
    fn every_model_has_its_cells() {
        for estimator in ESTIMATORS {
            let data = estimator.simulate(&mut generator(3, &[estimator.name])).unwrap();
            let cells = if estimator.model_type == ModelType::Cmab { 120 } else { 10 };
            assert_eq!(data.truth.len(), cells, "{}", estimator.name);
            assert_eq!(data.cells.trials(), data.truth.iter().map(|c| c.n).sum::<u64>());
            assert!(data.truth.iter().all(|c| c.mean.is_finite()));
            if estimator.reward == RewardType::Bool {
                assert!(data.truth.iter().all(|c| (0.0..=1.0).contains(&c.mean)));
            }
        }
    }

    #[test]
    fn a_simulation_follows_its_generator() {
        let once = |seed| ESTIMATORS[2].simulate(&mut generator(seed, &["x"])).unwrap().cells;
        assert_eq!(once(1), once(1));
        assert_ne!(once(1), once(2));
    }
}
