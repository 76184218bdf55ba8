//! The versions of a model's posterior as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshots::Warning;

use super::in_force::{InForceView, Timeline};
use super::model::{InSampleMetrics, Model, Observations, PosteriorRecord};
use super::time::rfc3339;

/// A version of a posterior as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct PosteriorView<'a> {
    posterior_version: u64,
    trained_at: String,
    snapshot_id: &'a str,
    bias: &'a BTreeMap<String, f64>,
    in_sample_metrics: InSampleMetrics,
    observations: &'a Observations,
    warnings: &'a [Warning],
    active: bool,
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
