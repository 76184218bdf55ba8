//! Posterior: equally weighted draws, and the diagnostics needed to check them.

use serde::{Deserialize, Serialize};

/// The number of draws of every posterior.
pub const DRAWS: usize = 10_000;

/// How a draw's row becomes expected rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predictor {
    /// mab: column v is variant v's own location; no context.
    Arms,
    /// cmab: the columns are those of [`crate::Columns`]; the location of a cell is the sum of its active columns.
    Columns,
}

/// How a location becomes an expected reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "link")]
pub enum Link {
    /// bool rewards: the location is a log-odds, the expected reward 1/(1+e^(−η)).
    Logit,
    /// numeric rewards: the expected reward is center + scale · η, in reward units. Draws are kept in units of `scale`
    /// about `center`, so that single precision loses nothing of rewards of any size.
    Identity {
        /// Reward units.
        center: f64,
        /// Reward units; 0 where all rewards were equal, and there is no unit in which to say how far others may be.
        scale: f64,
    },
    /// amounts of two-part rewards: the location is a logarithm, the expected amount e^η, in reward units.
    Log,
}

impl Link {
    /// Center and scale of an identity link: a reward is center + scale × what the draws' locations come to. 0 and 1 of others,
    /// which come to rewards as they are.
    #[must_use]
    pub fn unit(self) -> (f64, f64) {
        match self {
            Self::Identity { center, scale } => (center, scale),
            Self::Logit | Self::Log => (0.0, 1.0),
        }
    }
}

/// A posterior as equally weighted draws of locations or coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// What the columns are.
    pub predictor: Predictor,
    /// What a location means.
    pub link: Link,
    /// Columns of `draws`: the number of variants (mab) or of coefficients (cmab).
    pub columns: usize,
    /// Draws × columns, row-major, on the location scale.
    pub draws: Vec<f32>,
    /// Mean of each column over the draws.
    pub mean: Vec<f64>,
    /// Lower Cholesky factor of the precision Λ at the mean scales: columns × columns, row-major; of the coefficients
    /// alone, strata averaged over. Empty for mab, which is described by `arms`.
    pub precision_cholesky: Vec<f64>,
    /// mab: two parameters of each arm's distribution, variants × 2, row-major: (a, b) of its Beta for bool rewards in one
    /// stratum, else mean and standard deviation of its location. Empty for cmab.
    pub arms: Vec<f64>,
    /// How the draws were made.
    pub diagnostics: Diagnostics,
    /// `α_g`: draws × strata, row-major, on the location scale: what is added to every location in stratum g. Reports average
    /// over it; decisions do without, since what all variants have in common ranks none. Empty where there is one stratum.
    pub strata: Vec<f32>,
    /// Two-part rewards: this posterior is of whether a reward is other than 0, and that of the amount then; draw s of both
    /// go together, and E r is the product of the two means. Its link is [`Link::Log`].
    pub amount: Option<Box<Posterior>>,
}

impl Posterior {
    /// One part in one stratum, of nothing but its draws (draws × `columns`, row-major): the means are theirs.
    #[must_use]
    pub fn of_draws(
        predictor: Predictor,
        link: Link,
        columns: usize,
        draws: Vec<f32>,
        diagnostics: Diagnostics,
    ) -> Self {
        Self {
            predictor,
            link,
            columns,
            mean: column_means(&draws, columns),
            draws,
            precision_cholesky: Vec::new(),
            arms: Vec::new(),
            diagnostics,
            strata: Vec::new(),
            amount: None,
        }
    }

    /// The number of draws.
    #[must_use]
    pub fn len(&self) -> usize {
        self.draws.len() / self.columns.max(1)
    }

    /// Whether there is no draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.draws.is_empty()
    }

    /// G: the number of strata that draws were made for, at least 1.
    #[must_use]
    pub fn strata_count(&self) -> usize {
        self.strata.len().checked_div(self.len()).unwrap_or(0).max(1)
    }

    /// Whether there are several.
    #[must_use]
    pub fn has_strata(&self) -> bool {
        self.strata_count() > 1
    }

    /// `α_g` of draw number `s`; empty where there is one stratum.
    #[must_use]
    pub fn stratum_draw(&self, s: usize) -> &[f32] {
        let count = self.strata.len().checked_div(self.len()).unwrap_or(0);
        &self.strata[s * count..(s + 1) * count]
    }

    /// Draw number `s`: one value per column.
    #[must_use]
    pub fn draw(&self, s: usize) -> &[f32] {
        &self.draws[s * self.columns..(s + 1) * self.columns]
    }
}

/// Which step of the inference the draws come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Drawn from a known distribution (mab, or conjugate given the scales).
    Exact,
    /// Importance-weighted draws of the Laplace mixture.
    Importance,
    /// The no-U-turn sampler.
    Nuts,
}

/// One point of the grid of scales and its share of the posterior.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalePoint {
    /// `τ_main`, log-odds (bool) or pooled standard deviations (numeric).
    pub main: f64,
    /// `τ_pair`, likewise.
    pub pair: f64,
    /// Posterior probability of the point; the points of a grid add up to 1.
    pub weight: f64,
}

/// What the inference says about itself. Fields that do not apply to the step taken are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// The step the draws come from.
    pub step: Step,
    /// The grid of scales (cmab), or a single point where they are fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<ScalePoint>,
    /// κ of the learned Beta prior (mab, bool): trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// k̂ of the Pareto-smoothed importance weights, also where they were rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pareto_k: Option<f64>,
    /// Effective number of draws: of the importance weights, or the least over the coefficients of NUTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_draws: Option<f64>,
    /// Greatest rank-normalised R̂ over the coefficients (NUTS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r_hat: Option<f64>,
    /// Divergent transitions after warm-up (NUTS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergences: Option<u64>,
    /// φ, the squared coefficient of variation of amounts (two-part): no unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispersion: Option<f64>,
}

impl Diagnostics {
    /// Of a step of which nothing else is known.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self {
            step,
            scales: Vec::new(),
            kappa: None,
            pareto_k: None,
            effective_draws: None,
            r_hat: None,
            divergences: None,
            dispersion: None,
        }
    }
}

/// Mean of each column of draws × columns values.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn column_means(draws: &[f32], columns: usize) -> Vec<f64> {
    let mut mean = vec![0.0; columns];
    for draw in draws.chunks_exact(columns) {
        for (m, &value) in mean.iter_mut().zip(draw) {
            *m += f64::from(value);
        }
    }
    let count = (draws.len() / columns.max(1)).max(1) as f64;
    mean.iter().map(|m| m / count).collect()
}
