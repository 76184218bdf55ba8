//! What may be said of how models learn: the rewards, time, and how what is believed becomes what is served.

use bandit::{BurnIn, RewardType};
use snapshots::Cap;

use super::Faults;
use crate::domain::config::TrainingDataConfig;

const LARGEST_SHARE: f64 = 0.05;
const LONGEST_BURN_IN: f64 = 8_760.0;
/// The greatest integer that every reader of JSON keeps.
const MOST_EXPOSURES: u64 = 9_007_199_254_740_991;

/// Checks the reward's distribution and cap, half-life, minimum share and burn-in.
pub(super) fn check(faults: &mut Faults, config: &TrainingDataConfig) {
    let reward = &config.reward;
    if reward.modelled() == RewardType::Bool {
        let no_bool = "it is of numeric rewards; this one is bool, 0 or 1";
        if reward.distribution.is_some() {
            faults.add("reward.distribution", no_bool);
        }
        if reward.cap.is_some() {
            faults.add("reward.cap", no_bool);
        }
    } else {
        match reward.cap {
            Some(Cap::Quantile(quantile)) if !(0.5..1.0).contains(&quantile) => {
                faults.add("reward.cap.quantile", format!("{quantile} is not at least 0.5 and below 1"));
            }
            Some(Cap::Value(value)) if !(value > 0.0 && value.is_finite()) => {
                faults.add("reward.cap.value", format!("{value} is not a number above 0"));
            }
            _ => {}
        }
    }
    if let Some(days) = config.time.and_then(|time| time.half_life_days).filter(|days| !(0.1..=3_650.0).contains(days))
    {
        faults.add("time.half_life_days", format!("{days} is not between 0.1 and 3650"));
    }
    if let Some(share) = config.minimum_share.filter(|share| !(0.0..=LARGEST_SHARE).contains(share)) {
        faults.add("minimum_share", format!("{share} is not between 0 and {LARGEST_SHARE}"));
    }
    match config.burn_in {
        Some(BurnIn::Exposures(count)) if !(1..=MOST_EXPOSURES).contains(&count) => {
            faults.add("burn_in.exposures", format!("{count} is not between 1 and {MOST_EXPOSURES}"));
        }
        Some(BurnIn::Hours(hours)) if !(hours > 0.0 && hours <= LONGEST_BURN_IN) => {
            faults.add("burn_in.hours", format!("{hours} is not above 0 and at most {LONGEST_BURN_IN}"));
        }
        _ => {}
    }
}

/// Checks that all allowed variants can have the minimum share.
pub(super) fn check_share(faults: &mut Faults, config: &TrainingDataConfig, allowed: usize) {
    let Some(share) = config.minimum_share.filter(|share| (0.0..=LARGEST_SHARE).contains(share)) else { return };
    #[expect(clippy::cast_precision_loss, reason = "at most 1,000 variants")]
    let together = share * allowed as f64;
    if together > 1.0 {
        let message =
            format!("{share} for each of {allowed} allowed variants is {together} in all; at most 1 can be given out");
        faults.add("minimum_share", message);
    }
}
