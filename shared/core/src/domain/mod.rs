//! What the service is about: configurations, models, optimizations. No storage and no HTTP.

mod answers;
mod api_key;
mod bodies;
mod checked;
mod config;
#[cfg(feature = "openapi")]
pub(crate) mod described;
pub mod events;
mod history;
mod ids;
mod in_force;
mod keyed;
mod levels;
mod model;
mod off_policy;
mod optimization;
mod results;
mod run_slots;
mod serving;
mod status_reason;
mod text;
mod time;
mod trigger;
mod versions;

pub use answers::{
    Deleted, DeletingView, FlushingView, History, Models, Optimizations, Posteriors, QueuedView, TrainedView,
};
pub use api_key::{ApiKey, KEY_PREFIX, Scope, Secret};
pub use bodies::{
    NamedVisitor, NewModel, NewOptimization, PatchOptimization, RollBackModel, TrainModel, Visitor, null_is_absent,
};
pub use checked::Checked;
pub(crate) use checked::FAILURE;
pub use config::{
    AttributionConfig, FactorConfig, GuardrailConfig, MatchBy, MatchConfig, OnViolation, OutcomeConfig, PriorConfig,
    RewardConfig, TimeConfig, TrainingDataConfig,
};
pub use history::{Actor, Allocation, Aspects, Change, ChangeKind, ChangeView, ServedVersion};
pub use ids::parse_uuid;
pub use in_force::{InForce, InForceView, Timeline};
pub use keyed::{KEY_LIFE, KeptAnswer, KeyRecord};
pub use levels::{context_number, level_json, variant_json};
pub use model::{
    BegunRuns, InSampleMetrics, Interval, LastError, Lease, MeasuredLift, Model, ModelDetailView, ModelView,
    Observations, PosteriorRecord, Standing, Status, Summary,
};
pub use off_policy::{
    AskedPolicy, EvaluatePolicies, EvaluatedView, LOG_FORMAT, LeftOut, LogSummary, LoggedCells, LoggedVersion, NoLog,
    PolicyName, PolicyRow, PolicyValue, ShownPolicy, StoredLog, StoredOffPolicy,
};
pub use optimization::{Optimization, OptimizationDetailView, OptimizationStatus, OptimizationView};
pub use results::{
    BalanceTest, Belief, ExposureRow, FactorImportance, GuardrailRow, OutcomeRow, RESULTS_FORMAT, SampledUsers, Stats,
    StoredAssignment, StoredBalance, StoredGuardrail, StoredInteraction, StoredOutcomes, StoredResults,
    StoredUnattributed, StoredUsers, UserRow, VariantTotals,
};
pub use run_slots::RunSlots;
pub use serving::{POLICY_IN_RECORD, Served, Serving};
pub use snapshots::{Example, Warning};
pub use status_reason::{StatusReason, StatusReasonView};
pub use time::{millis, rfc3339};
pub use trigger::{CompactionTrigger, TrainingTrigger};
pub use versions::PosteriorView;
