//! What endpoints answer beside the records: lists, and what became of a run or of a deletion.

use serde::Serialize;
use snapshots::Warning;
use uuid::Uuid;

use super::history::ChangeView;
use super::model::{InSampleMetrics, ModelView, Observations, Status};
use super::optimization::OptimizationView;
use super::versions::PosteriorView;

/// The models of an organization.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Models<'a> {
    /// The models, newest `updated_at` first.
    pub models: Vec<ModelView<'a>>,
}

/// The optimizations of an organization.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Optimizations<'a> {
    /// The optimizations, newest `updated_at` first.
    pub optimizations: Vec<OptimizationView<'a>>,
}

/// The versions of a model's posterior.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Posteriors<'a> {
    /// The versions, newest first.
    pub posteriors: Vec<PosteriorView<'a>>,
}

/// The changes of an optimization.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct History<'a> {
    /// The changes, newest first.
    pub history: Vec<ChangeView<'a>>,
}

/// A model that was deleted.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Deleted {
    /// The model.
    pub id: Uuid,
    /// `archived`.
    #[cfg_attr(feature = "openapi", schemars(with = "super::described::IsArchived"))]
    pub status: Status,
}

/// A training run that put a posterior in force.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Trained"))]
pub struct TrainedView<'a> {
    /// The model.
    pub model_id: Uuid,
    /// `trained`.
    #[cfg_attr(feature = "openapi", schemars(with = "super::described::IsTrained"))]
    pub status: Status,
    /// How the posterior does on its own data.
    pub in_sample_metrics: InSampleMetrics,
    /// The posterior that is now in force, counted from 1.
    pub posterior_version: u64,
    /// The snapshot that it was trained on.
    pub snapshot_id: &'a str,
    /// What the run read.
    pub observations: &'a Observations,
    /// What the run left out or changed in a way that its reader should know.
    pub warnings: &'a [Warning],
    /// Wall time of the run in milliseconds; of one that was waited for, the time that this took.
    pub duration_ms: u64,
    /// Whether another run made it, which this call waited for; absent where it did not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

/// A training run that waits in the queue.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Queued"))]
pub struct QueuedView {
    /// The model.
    pub model_id: Uuid,
    /// `training`.
    #[cfg_attr(feature = "openapi", schemars(with = "super::described::IsTraining"))]
    pub status: Status,
}

/// A user whose events are being removed.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Deleting"))]
pub struct DeletingView {
    /// `deleting`: the events are gone within a day.
    #[cfg_attr(feature = "openapi", schemars(with = "super::described::IsDeleting"))]
    pub status: &'static str,
}

/// Events that are being compacted and published.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Flushing"))]
pub struct FlushingView {
    /// `flushing`: they are being compacted, and are in the next snapshot.
    #[cfg_attr(feature = "openapi", schemars(with = "super::described::IsFlushing"))]
    pub status: &'static str,
}
