//! Models: the record with its lease, what it means at a moment, and how the API shows it.

use std::collections::BTreeMap;

use bandit::ModelType;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use snapshots::Warning;
use uuid::Uuid;

use super::checked::Checked;
use super::config::TrainingDataConfig;
use super::time::{millis, rfc3339};
use crate::error::ApiError;

/// What a model is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never trained with success, and the last run, if any, did not fail.
    Untrained,
    /// A run has the lease on it.
    Training,
    /// A posterior is in force.
    Trained,
    /// No good posterior yet, and the last run failed.
    Failed,
    /// Deleted.
    Archived,
}

/// A training run's lease on a model: nobody else trains it until the lease is released or expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run.
    pub owner: String,
    /// When it expires.
    #[serde(with = "millis")]
    pub expires_at: DateTime<Utc>,
}

/// A training run that failed after the last good one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The stable code.
    pub code: String,
    /// The client's message.
    pub message: String,
    /// When the run ended.
    #[serde(with = "millis")]
    pub at: DateTime<Utc>,
}

/// Runs on a snapshot that began and have not ended: one that is at work, and those that died without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunRuns {
    /// The snapshot.
    pub snapshot_id: String,
    /// Who asked for them: a training request by its name, a call by its lease; none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// How many.
    pub runs: u32,
}

/// Runs on a snapshot that may die before it is no longer begun by itself.
const MOST_DEATHS: u32 = 2;

/// What a training run read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Observations {
    /// Exposures that count.
    pub exposures: u64,
    /// Rewards that count.
    pub rewards: u64,
    /// Rewards that were credited to an exposure.
    pub attributed_rewards: u64,
    /// Rows that were skipped, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// A mean with its 95 % interval, reward units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Interval {
    /// Posterior mean.
    pub mean: f64,
    /// 2.5 % quantile.
    pub ci_lower: f64,
    /// 97.5 % quantile.
    pub ci_upper: f64,
}

/// How the model does on the data that it was trained on, reward units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct InSampleMetrics {
    /// Observed reward per exposure.
    pub historic_reward: f64,
    /// Modelled reward per exposure under the model's own allocation.
    pub expected_reward: Interval,
}

/// What a list of optimizations says of a posterior, so that it has to read none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Summary {
    /// Variants that may be served.
    pub variants_count: usize,
    /// `estimated_improvement_percent` of the state.
    pub lift: Option<f64>,
    /// `improvement_probability` of the state.
    pub confidence: Option<f64>,
    /// Exposures that it was trained on.
    pub exposures: u64,
    /// What its run measured over the holdout, where there was something to measure; shown beside the summary.
    #[cfg_attr(feature = "openapi", schemars(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredLift>,
}

/// The lift that a run measured, of all users of its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct MeasuredLift {
    /// Of the optimized users above the holdout, per cent.
    pub lift_percent: f64,
    /// Its 95 % interval at one look, per cent.
    pub lift_ci: [f64; 2],
}

/// A posterior in force or once in force: what the record keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PosteriorRecord {
    /// Counts up from 1.
    pub posterior_version: u64,
    /// When its run ended.
    #[serde(with = "millis")]
    pub trained_at: DateTime<Utc>,
    /// What it was trained on.
    pub snapshot_id: String,
    /// The key of the manifest that named its objects, where it was one of a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_manifest: Option<String>,
    /// The biases of the run.
    #[serde(with = "super::text")]
    pub bias: BTreeMap<String, f64>,
    /// How it does on its own data.
    #[serde(with = "super::text")]
    pub in_sample_metrics: InSampleMetrics,
    /// What was read.
    pub observations: Observations,
    /// What the run left out or changed in a way that its reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The levels that no observation had, by factor; absent where the run that made the posterior did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_levels: Option<BTreeMap<String, Vec<String>>>,
    /// What a list of optimizations says of it; absent in records of earlier versions.
    #[serde(default, with = "super::text", skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The guardrails that its run found violated: the next run tells of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violated_guardrails: Vec<String>,
    /// The checks that the data failed in its run, by code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_checks: Vec<String>,
    /// Whether its run began by itself, for a snapshot that was complete, and nobody called for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_itself: bool,
    /// The object that holds it.
    pub object: String,
}

/// A model as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The model.
    pub id: Uuid,
    /// Whose it is.
    pub organization_id: String,
    /// Its parent.
    pub optimization_id: Uuid,
    /// mab or cmab.
    pub model_type: ModelType,
    /// What it learns from.
    #[serde(with = "super::text::structure")]
    pub config: TrainingDataConfig,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(with = "millis")]
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    /// The lease of the run that trains it, or of one that died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The posterior in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior: Option<PosteriorRecord>,
    /// The greatest version ever given out, also to runs that died.
    #[serde(default)]
    pub highest_version: u64,
    /// The version beside which the latest good run wrote what it measured; none where no run has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_version: Option<u64>,
    /// The snapshot of the last good run, whichever posterior is in force now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_snapshot: Option<String>,
    /// The training request that the last good run completed, by its name; none where no request asked for that run.
    #[serde(default, rename = "fulfilled", skip_serializing_if = "Option::is_none")]
    pub completed_request: Option<String>,
    /// The last run, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// Runs that began and have not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_runs: Option<BegunRuns>,
    /// Counts the changes of the record.
    #[serde(default)]
    pub revision: u64,
}

impl Model {
    /// A new model that was never trained.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] for a configuration that breaks a rule.
    pub fn untrained(
        organization: &str,
        optimization: Uuid,
        model_type: ModelType,
        config: TrainingDataConfig,
        now: DateTime<Utc>,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            id: Uuid::new_v4(),
            organization_id: organization.to_owned(),
            optimization_id: optimization,
            model_type,
            config: Checked::new(model_type, config)?.config,
            created_at: now,
            updated_at: now,
            archived_at: None,
            lease: None,
            posterior: None,
            highest_version: 0,
            measured_version: None,
            trained_snapshot: None,
            completed_request: None,
            last_error: None,
            begun_runs: None,
            revision: 0,
        })
    }

    /// The stored configuration, with what the mathematics needs of it.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where it breaks a rule: it was checked when it came in, and whoever calls now is not to blame.
    pub fn checked(&self) -> Result<Checked, ApiError> {
        let broken = |e| ApiError::internal(format!("the stored configuration of model {}: {e}", self.id));
        Checked::new(self.model_type, self.config.clone()).map_err(broken)
    }

    /// The lease that is in force now, and how much time it has left.
    #[must_use]
    pub fn active_lease(&self, now: DateTime<Utc>) -> Option<(&Lease, TimeDelta)> {
        let lease = self.lease.as_ref()?;
        let left = lease.expires_at - now;
        (left > TimeDelta::zero()).then_some((lease, left))
    }

    /// Whether this owner has the lease, and the model can still be trained.
    #[must_use]
    pub fn is_leased_by(&self, owner: &str) -> bool {
        self.archived_at.is_none() && self.lease.as_ref().is_some_and(|lease| lease.owner == owner)
    }

    /// Whether the last good run was trained on this snapshot or on a later one. A rollback does not change that.
    #[must_use]
    pub fn is_trained_on(&self, snapshot: &str) -> bool {
        let in_force = || self.posterior.as_ref().map(|p| p.snapshot_id.as_str());
        self.trained_snapshot.as_deref().or_else(in_force).is_some_and(|trained| trained >= snapshot)
    }

    /// What is recorded when another run on a snapshot begins; `None` where it is not to begin, since two have died and nobody
    /// asked anew.
    #[must_use]
    pub fn next_run(&self, snapshot: &str, asked_by: Option<&str>) -> Option<BegunRuns> {
        let before = self.begun_runs.as_ref().filter(|begun| begun.snapshot_id == snapshot);
        let asked_anew = |begun: &&BegunRuns| asked_by.is_some() && asked_by != begun.asked_by.as_deref();
        let died = before.filter(|begun| !asked_anew(begun));
        let runs = died.map_or(0, |begun| begun.runs);
        let asked_by = asked_by.map(str::to_owned).or_else(|| died.and_then(|begun| begun.asked_by.clone()));
        (runs < MOST_DEATHS).then(|| BegunRuns { snapshot_id: snapshot.to_owned(), asked_by, runs: runs + 1 })
    }

    /// What the model is now. A lease that has expired does not count.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        match self {
            Self { archived_at: Some(_), .. } => Status::Archived,
            _ if self.active_lease(now).is_some() => Status::Training,
            Self { posterior: Some(_), .. } => Status::Trained,
            Self { last_error: Some(_), .. } => Status::Failed,
            _ => Status::Untrained,
        }
    }
}

/// The part of a model that says what it is at a moment: all that a list reads of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    /// The model.
    pub id: Uuid,
    #[serde(default)]
    archived_at: Option<IgnoredAny>,
    #[serde(default)]
    lease: Option<Lease>,
    #[serde(default)]
    posterior: Option<IgnoredAny>,
    #[serde(default)]
    last_error: Option<IgnoredAny>,
}

impl Standing {
    /// As [`Model::status`].
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        match self {
            Self { archived_at: Some(_), .. } => Status::Archived,
            Self { lease: Some(lease), .. } if lease.expires_at > now => Status::Training,
            Self { posterior: Some(_), .. } => Status::Trained,
            Self { last_error: Some(_), .. } => Status::Failed,
            _ => Status::Untrained,
        }
    }
}

/// A model as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Model"))]
pub struct ModelView<'a> {
    /// The model.
    id: Uuid,
    /// mab or cmab.
    model_type: ModelType,
    /// What it is at this moment.
    status: Status,
    /// What it learns and from what, as it was given, with the levels of bool factors written out.
    training_data_config: &'a TrainingDataConfig,
    /// When it was made: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    created_at: String,
    /// When it last changed: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    updated_at: String,
    /// Its parent.
    optimization_id: Uuid,
    /// When the run of the posterior in force ended: RFC 3339, UTC; null before the first training.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    trained_at: Option<String>,
    /// The posterior in force, counted from 1; 0 before the first training.
    posterior_version: u64,
    /// The snapshot that the posterior in force was trained on; null before the first training.
    snapshot_id: Option<&'a str>,
    /// A training run that failed after the last good one, or null.
    last_error: Option<LastErrorView<'a>>,
}

/// A training run that failed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "LastError"))]
struct LastErrorView<'a> {
    /// The stable code of the error.
    code: &'a str,
    /// What was wrong.
    message: &'a str,
    /// When the run ended: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    at: String,
}

/// A model as the API shows it alone: with the metrics of its last good training, and what that training read and warned of.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "ModelDetail"))]
pub struct ModelDetailView<'a> {
    #[serde(flatten)]
    model: ModelView<'a>,
    /// Which manifest the objects of its snapshot were named by, where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_manifest: Option<&'a str>,
    /// How the posterior in force does on its own data; null before the first training.
    in_sample_metrics: Option<InSampleMetrics>,
    /// What its run read; null before the first training.
    observations: Option<&'a Observations>,
    /// What its run left out or changed in a way that its reader should know.
    warnings: &'a [Warning],
}

impl<'a> ModelView<'a> {
    /// The model at a moment.
    #[must_use]
    pub fn new(model: &'a Model, now: DateTime<Utc>) -> Self {
        let posterior = model.posterior.as_ref();
        Self {
            id: model.id,
            model_type: model.model_type,
            status: model.status(now),
            training_data_config: &model.config,
            created_at: rfc3339(model.created_at),
            updated_at: rfc3339(model.updated_at),
            optimization_id: model.optimization_id,
            trained_at: posterior.map(|p| rfc3339(p.trained_at)),
            posterior_version: posterior.map_or(0, |p| p.posterior_version),
            snapshot_id: posterior.map(|p| p.snapshot_id.as_str()),
            last_error: model.last_error.as_ref().map(|e| LastErrorView {
                code: &e.code,
                message: &e.message,
                at: rfc3339(e.at),
            }),
        }
    }
}

impl<'a> ModelDetailView<'a> {
    /// The model at a moment.
    #[must_use]
    pub fn new(model: &'a Model, now: DateTime<Utc>) -> Self {
        let posterior = model.posterior.as_ref();
        Self {
            model: ModelView::new(model, now),
            snapshot_manifest: posterior.and_then(|p| p.snapshot_manifest.as_deref()),
            in_sample_metrics: posterior.map(|p| p.in_sample_metrics),
            observations: posterior.map(|p| &p.observations),
            warnings: posterior.map_or(&[], |p| &p.warnings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let config = serde_json::json!({
            "design_factors": [{"name": "a", "dtype": "bool"}],
            "reward": {"name": "r", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 1},
        });
        let config = serde_json::from_value(config).unwrap();
        Model::untrained("org", Uuid::nil(), ModelType::Mab, config, DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_snapshot_that_killed_two_runs_gets_no_third_one_by_itself() {
        let mut model = model();
        for runs in [1, 2] {
            model.begun_runs = model.next_run("s", None);
            assert_eq!(model.begun_runs.as_ref().map(|begun| begun.runs), Some(runs));
        }
        assert_eq!(model.next_run("s", None), None);
        assert!(model.next_run("s2", None).is_some(), "another snapshot is another chance");
        // Whoever asks is answered, twice for one request.
        for runs in [1, 2] {
            model.begun_runs = model.next_run("s", Some("request"));
            assert_eq!(model.begun_runs.as_ref().map(|begun| begun.runs), Some(runs));
        }
        assert_eq!(model.next_run("s", Some("request")), None);
        assert_eq!(model.next_run("s", None), None);
        assert!(model.next_run("s", Some("another")).is_some());
    }
}
