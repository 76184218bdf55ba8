//! What happened, and whether the data are what they are taken for: measured lift, off-policy values and tests of quality.
//!
//! Nothing here is modelled unless its name says so. Every function is one of sums: of users (the user table), or of
//! exposures by variant, context and version (the cube). Callers make the sums and leave out what does not belong.

mod arm;
mod assignment;
mod balance;
mod baseline;
mod design_effect;
mod error;
mod guardrail;
mod heterogeneity;
mod lift;
mod numbers;
mod off_policy;
mod pairs;
mod regression;
mod sample_ratio;
mod sequence;
mod tails;

pub use arm::Arm;
pub use assignment::{
    Assignment, Concentration, LEAST_CHECKED, LEAST_MATCH, Mismatches, RecheckedExposures, Verdict, assignment,
};
pub use balance::{Balance, ContextBalance, balance};
pub use baseline::{BaselineCheck, MOST_DEVIATIONS, check_baseline};
pub use design_effect::UserSums;
pub use error::EvaluationError;
pub use guardrail::{GuardrailStatus, WorseWhen, guardrail_status};
pub use heterogeneity::{Heterogeneity, heterogeneity};
pub use lift::{LEAST_USERS, Lift, LiftStatus};
pub use off_policy::{Estimate, EventSums, LoggedContext, OffPolicy, OffPolicySums, Withheld, off_policy};
pub use pairs::{LEAST_PAIR_USERS, PairCell, PairSums, PairTest, PairsAgainstMains, pairs_against_mains};
pub use sample_ratio::{SUSPECT_BELOW, SampleRatio, sample_ratio};
pub use sequence::{LogRatio, TUNED_AT, anytime_multiple};
