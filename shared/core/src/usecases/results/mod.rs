//! What happened: measured by the run that trains, stored beside the posterior, answered for any span of days.

mod answer;
mod findings;
mod guardrails;
mod measure;
mod notice;
mod periods;
mod read;
mod span;

pub(super) use answer::measured_lift;
pub(super) use guardrails::violated;
pub(super) use measure::{MOST_USERS, Measured};
pub(super) use notice::{Notice, notice};
pub(super) use periods::Periods;
pub use span::Span;
