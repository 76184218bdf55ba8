//! What is reported of a posterior: metrics for the training answer, and the state for people and plots.

mod assignment;
mod contexts;
mod diagnostics;
mod effects;
mod expectations;
mod improvement;
mod means;
mod metrics;
#[cfg(test)]
mod plain;
mod quantiles;
mod state;
mod summary;
mod value;

pub use assignment::{Assignment, LevelValue};
pub use diagnostics::{AmountDiagnostics, CapDiagnostics, StateDiagnostics};
pub use means::{baseline_at, expected_rewards};
pub use metrics::{ExpectedReward, Metrics};
pub use state::{
    ContextState, FactorRole, FactorState, InteractionState, LevelState, Report, Size, State, StratumState,
    VariantState,
};
pub(crate) use summary::{Belief, summarize};
