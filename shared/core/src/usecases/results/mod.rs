//! What happened: measured by the run that trains, stored beside the posterior, answered for any span of days.

mod answer;
mod assignment;
mod baseline;
mod checks;
mod findings;
mod guardrails;
mod interactions;
mod measure;
mod notice;
mod off_policy;
mod periods;
mod read;
mod span;

pub(super) use answer::measured_lift;
pub(super) use assignment::LEAST_SAMPLED;
pub(super) use baseline::RecentHoldout;
pub(super) use guardrails::violated;
pub(super) use measure::{Compared, MOST_USERS, Measured};
pub(super) use notice::{Notice, notice};
pub(super) use periods::{Periods, deciding_instants};
pub use span::Span;
