//! The mathematics of Fulcrum: from a table of cells to a posterior, and from a posterior to decisions.
//!
//! Everything here is a pure function. There is no I/O, no clock and no ambient randomness: callers load,
//! this crate computes, callers save. A seed always comes in as an argument.

mod cells;
mod columns;
mod decisions;
pub mod evaluation;
mod factors;
mod fit;
mod fit_error;
mod freeze;
mod inference;
mod models;
mod posterior;
mod report;
mod settings;
pub mod stored;
pub mod time;
mod training;

pub use cells::{Cell, CellError, CellTable, Stratum, StratumCell};
pub use columns::{Column, Columns, MAX_COLUMNS};
pub use decisions::{
    CompileLimits, Coverage, DecisionError, Policy, PolicyDecodeError, PolicyHistory, PolicyOptions, Row, RowRef,
    SERVING_DRAWS, UserHasher, VariantKeys, choose, choose_for, draw_row, hold_out, propensity, serving_seed, unit_ln,
    user_hash, variant_uniform,
};
pub use factors::{Dtype, Factor, FactorError, Space};
pub use fit::fit;
pub use fit_error::FitError;
pub use freeze::{freeze, freeze_row};
pub use posterior::{DRAWS, Diagnostics, Link, Posterior, Predictor, ScalePoint, Step};
pub use report::{
    AmountDiagnostics, Assignment, CapDiagnostics, ContextState, ExpectedReward, FactorRole, FactorState,
    InteractionState, LevelState, LevelValue, Metrics, Report, Size, State, StateDiagnostics, StratumState,
    VariantState, baseline_at, expected_rewards,
};
pub use settings::{Distribution, ModelType, Prior, RewardType, Seed, Settings};
pub use training::{BurnIn, TrainError, Training, TrainingOptions, train};
