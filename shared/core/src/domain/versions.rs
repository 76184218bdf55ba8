//! The versions of a model's posterior as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshots::Warning;

use super::in_force::{InForceView, Timeline};
use super::model::{InSampleMetrics, Model, Observations, PosteriorRecord};
use super::time::rfc3339;

/// A version of a posterior as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Posterior"))]
pub struct PosteriorView<'a> {
    /// The version, counted from 1.
    posterior_version: u64,
    /// When its run ended: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    trained_at: String,
    /// The snapshot that it was trained on.
    snapshot_id: &'a str,
    /// The biases of its run, by factor; 0 to 10.
    bias: &'a BTreeMap<String, f64>,
    /// How it does on its own data.
    in_sample_metrics: InSampleMetrics,
    /// What its run read.
    observations: &'a Observations,
    /// What its run left out or changed in a way that its reader should know.
    warnings: &'a [Warning],
    /// Whether it is the one in force.
    active: bool,
    /// From when to when it was in force, the earliest first.
    in_force: Vec<InForceView>,
}

impl<'a> PosteriorView<'a> {
    /// A version of a model, with the times in which it was in force.
    #[must_use]
    pub fn new(record: &'a PosteriorRecord, model: &Model, timeline: &Timeline) -> Self {
        let active = model.posterior.as_ref().map(|posterior| posterior.posterior_version);
        Self {
            posterior_version: record.posterior_version,
            trained_at: rfc3339(record.trained_at),
            snapshot_id: &record.snapshot_id,
            bias: &record.bias,
            in_sample_metrics: record.in_sample_metrics,
            observations: &record.observations,
            warnings: &record.warnings,
            active: active == Some(record.posterior_version),
            in_force: timeline.of_version(model.id, record.posterior_version),
        }
    }
}
