//! A training run: fit, compile the policy, report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decisions::most_frequented;
use crate::report::{Belief, summarize};
use crate::{
    CellTable, CompileLimits, Coverage, DecisionError, FitError, Metrics, Policy, PolicyOptions, Posterior, Predictor,
    Report, Seed, Settings, Space, fit,
};

/// How a posterior is turned into decisions.
#[derive(Clone, Debug)]
pub struct TrainingOptions {
    /// Factor → bias. Changes what is served, never what is reported.
    pub bias: BTreeMap<String, f64>,
    /// Multiplies deviations from the mean in what is served. 1 is Thompson sampling.
    pub exploration: f64,
    /// The least share of every allowed variant in what is served, see [`PolicyOptions::minimum_share`].
    pub minimum_share: f64,
    /// Whether what is served is every allowed variant alike, whatever is believed: while [`BurnIn`] lasts.
    pub burn_in: bool,
    /// Share of the users that always see the baseline, in [0, 1]: for the reported weights.
    pub holdout_share: f64,
    /// Threads to compute with. The result does not depend on it.
    pub threads: usize,
}

impl Default for TrainingOptions {
    fn default() -> Self {
        Self {
            bias: BTreeMap::new(),
            exploration: 1.0,
            minimum_share: 0.0,
            burn_in: false,
            holdout_share: 0.0,
            threads: 1,
        }
    }
}

/// How long the policy stays uniform in the beginning: `{"exposures": n}` or `{"hours": h}` as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BurnIn {
    /// Until so many exposures were counted, at least 1.
    Exposures(
        #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 9_007_199_254_740_991_u64), extend("description" = "Exposures.")))]
         u64,
    ),
    /// For so many hours, above 0 and at most 8,760.
    Hours(
        #[cfg_attr(feature = "openapi", schemars(extend("description" = "Hours.", "exclusiveMinimum" = 0, "maximum" = 8760)))]
         f64,
    ),
}

impl BurnIn {
    /// Whether it lasts, with so many exposures counted and so many hours gone by since serving began.
    #[must_use]
    pub fn lasts(self, exposures: u64, hours: f64) -> bool {
        match self {
            Self::Exposures(least) => exposures < least,
            Self::Hours(least) => hours < least,
        }
    }
}

/// All that a training run leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// What is believed.
    pub posterior: Posterior,
    /// What is served.
    pub policy: Policy,
    /// In-sample metrics.
    pub metrics: Metrics,
    /// The state.
    pub report: Report,
}

/// A whole training run: fits the model, then [`Training::from_posterior`].
///
/// `seed` is the origin of all randomness. What is served follows `options`, its exploration included; that of `settings` is for
/// those who have no others.
///
/// # Errors
/// [`TrainError`].
pub fn train(
    space: &Space,
    cells: &CellTable,
    settings: &Settings,
    options: &TrainingOptions,
    seed: &Seed,
) -> Result<Training, TrainError> {
    check(space, cells, options)?;
    let posterior = fit(space, cells, settings, seed)?;
    Training::from_posterior(space, cells, posterior, options)
}

/// Whether there is something to learn from, in this space, and the holdout is a share.
fn check(space: &Space, cells: &CellTable, options: &TrainingOptions) -> Result<(), TrainError> {
    if cells.trials() == 0 {
        return Err(TrainError::NoObservations);
    }
    if !(0.0..=1.0).contains(&options.holdout_share) {
        return Err(TrainError::BadHoldout { share: options.holdout_share });
    }
    for cell in cells.cells() {
        if cell.variant >= space.variants() {
            let (variant, variants) = (cell.variant, space.variants());
            return Err(DecisionError::UnknownVariant { variant, variants }.into());
        }
        if cell.context >= space.contexts() {
            let (context, contexts) = (cell.context, space.contexts());
            return Err(DecisionError::UnknownContext { context, contexts }.into());
        }
    }
    Ok(())
}

/// Why a training run comes to nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// There is no observation.
    #[error("there is nothing to learn from: the cell table has no trials")]
    NoObservations,
    /// The holdout is no share.
    #[error("the holdout share is {share}; it must be between 0 and 1")]
    BadHoldout {
        /// The number given.
        share: f64,
    },
    /// The model cannot be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// No decisions can be made.
    #[error(transparent)]
    Decision(#[from] DecisionError),
}

impl Training {
    /// Compiles the policy, and computes metrics and report.
    ///
    /// # Errors
    /// [`TrainError::NoObservations`], [`TrainError::BadHoldout`], and [`TrainError::Decision`] for cells or a posterior
    /// that are not of this space and for unknown or bad options.
    pub fn from_posterior(
        space: &Space,
        cells: &CellTable,
        posterior: Posterior,
        options: &TrainingOptions,
    ) -> Result<Self, TrainError> {
        check(space, cells, options)?;
        let limits = CompileLimits::default();
        let threads = options.threads;
        let served_options = PolicyOptions {
            bias: &options.bias,
            exploration: options.exploration,
            minimum_share: options.minimum_share,
            limits,
            threads,
        };
        let served = if options.burn_in {
            Policy::uniform(space).ok_or(DecisionError::NoVariant { variants: space.variants() })?
        } else {
            Policy::compile(space, cells, &posterior, &served_options)?
        };
        #[expect(clippy::float_cmp, reason = "exactly 1 is the usual case, in which belief and policy are the same")]
        let plain = options.exploration == 1.0
            && options.bias.values().all(|&b| b == 0.0)
            && options.minimum_share == 0.0
            && !options.burn_in;
        let believed = if plain {
            None
        } else {
            let none = BTreeMap::new();
            let belief_options = PolicyOptions { bias: &none, exploration: 1.0, minimum_share: 0.0, limits, threads };
            let (coverage, contexts) = if posterior.predictor == Predictor::Arms {
                (Coverage::AnyContext, vec![0])
            } else {
                let rows = usize::try_from(limits.observed).unwrap_or(usize::MAX) / space.variants();
                let observed = most_frequented(cells, rows.max(1));
                (Coverage::ObservedContexts, observed.into_iter().map(|(context, _)| context).collect())
            };
            Some(Policy::compile_contexts(space, &posterior, &belief_options, coverage, contexts)?)
        };
        let belief = Belief {
            believed: believed.as_ref().unwrap_or(&served),
            served: &served,
            holdout_share: options.holdout_share,
        };
        let (metrics, report) = summarize(space, cells, &posterior, &belief, options.threads)?;
        Ok(Self { posterior, policy: served, metrics, report })
    }
}
