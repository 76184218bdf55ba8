//! Settings of a model apart from its factors and its data; the seed.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which variants share what they learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ModelType {
    /// Every variant is an arm of its own; no context.
    Mab,
    /// Variants and contexts share effects of their levels and of pairs of levels.
    Cmab,
}

/// What a reward is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RewardType {
    /// 0 or 1.
    Bool,
    /// Any finite number.
    Numeric,
}

/// What numeric rewards are taken to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Two-part where no reward is below 0 and at least a tenth are 0, else normal.
    #[default]
    Auto,
    /// A reward is 0, or a positive amount: revenue.
    TwoPart,
    /// Normal errors of one variance.
    Normal,
}

/// The prior of the scales of a cmab's effects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Scale of the half-normal prior of `τ_main`, or `τ_main` itself where `fixed`.
    pub main_scale: f64,
    /// Scale of the half-normal prior of `τ_pair`, or `τ_pair` itself where `fixed`.
    pub pair_scale: f64,
    /// Whether the scales are fixed instead of learned.
    pub fixed: bool,
}

impl Default for Prior {
    fn default() -> Self {
        Self { main_scale: 0.5, pair_scale: 0.25, fixed: false }
    }
}

/// All of a model's configuration that the mathematics needs besides the [`crate::Space`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// mab or cmab.
    pub model_type: ModelType,
    /// bool or numeric.
    pub reward: RewardType,
    /// Of numeric rewards.
    #[serde(default)]
    pub distribution: Distribution,
    /// The prior of the scales; cmab only.
    pub prior: Prior,
    /// Multiplies every draw's deviation from the mean, for the policy only. 1 is Thompson sampling.
    pub exploration: f64,
}

/// The origin of everything random in one training run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// SHA-256 over the parts, each preceded by its length as eight little-endian bytes.
    #[must_use]
    pub fn derive(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// The origin of what is random in one part of the run, independent of all else in it.
    pub(crate) fn child(&self, part: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(part);
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}
