//! The site behind the live demonstration: what is varied, how often each variant truly converts, and who comes.

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

use super::super::truth::Levels;

/// What is varied; the first levels are the page as it was.
pub(super) const DESIGN: [Levels; 2] =
    [("headline", &["Save time", "Save money", "Join 10,000 teams"]), ("cta_text", &["Sign up", "Start free trial"])];
/// The name of the reward.
pub(super) const REWARD: &str = "signup";
/// The share of visitors who sign up, by variant; the last factor runs fastest.
const RATES: [f64; 6] = [0.040, 0.047, 0.052, 0.060, 0.070, 0.120];
/// The percentage of visitors who always see the page as it was.
const HOLDOUT: f64 = 10.0;
/// How long a visitor thinks, on average, in seconds of the site's own time.
const THINKS_SECONDS: f64 = 45.0;

/// The optimization, as it is created through the API.
pub(super) fn optimization() -> Value {
    let factors: Vec<Value> =
        DESIGN.iter().map(|(name, levels)| json!({"name": name, "dtype": "str", "levels": levels})).collect();
    json!({"name": "Landing page", "model_type": "mab", "holdout_percentage": HOLDOUT, "training_data_config": {
        "design_factors": factors,
        "reward": {"name": REWARD, "type": "bool"},
        // The last visitors are to be seen too.
        "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
    }})
}

/// The number of variants.
pub(super) const fn variants() -> usize {
    RATES.len()
}

/// The true rate of a variant.
pub(super) fn rate(variant: usize) -> f64 {
    RATES.get(variant).copied().unwrap_or(f64::NAN)
}

/// The variant that truly converts best.
pub(super) fn best() -> usize {
    (0..RATES.len()).max_by(|a, b| rate(*a).total_cmp(&rate(*b))).unwrap_or(0)
}

/// What every variant alike would earn.
pub(super) fn uniform() -> f64 {
    RATES.iter().sum::<f64>() / f64::from(u8::try_from(RATES.len()).unwrap_or(1))
}

/// What a visitor saw and does.
pub(super) struct Visit {
    pub(super) variant: usize,
    pub(super) holdout: bool,
    /// When the visitor signs up, if at all.
    pub(super) signs_up_after: Option<TimeDelta>,
}

impl Visit {
    /// Of a visitor who was served; the same seed has the same visitors.
    pub(super) fn of(seed: u64, number: u32, served: &Value) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed ^ (u64::from(number) << 32));
        let variant = served["variant_index"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
        let holdout = served["holdout"].as_bool().unwrap_or(false);
        let (converts, thinks): (f64, f64) = (rng.random(), rng.random());
        let seconds = -THINKS_SECONDS * (1.0 - thinks).ln();
        #[expect(clippy::cast_possible_truncation, reason = "some minutes at the most")]
        let after = TimeDelta::milliseconds((seconds.min(3_600.0) * 1e3) as i64);
        Self { variant, holdout, signs_up_after: (converts < rate(variant)).then_some(after) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each rate is within five standard errors of the true one. A right generator fails this for one seed in 300,000; the seed
    /// is fixed.
    #[test]
    fn visitors_sign_up_at_the_true_rates() {
        let visits = 20_000_u32;
        for variant in 0..variants() {
            let served = json!({"variant_index": variant, "holdout": false});
            let signed_up = (0..visits).filter(|n| Visit::of(7, *n, &served).signs_up_after.is_some()).count();
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let found = signed_up as f64 / f64::from(visits);
            let truth = rate(variant);
            let error = (truth * (1.0 - truth) / f64::from(visits)).sqrt();
            assert!((found - truth).abs() < 5.0 * error, "variant {variant}: {found} against {truth}");
        }
        assert_eq!(best(), 5);
    }
}
