//! What was changed of an optimization, one record a change that is never changed itself: the audit log, from which follows what was
//! in force from when to when.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::Model;
use super::optimization::{Optimization, OptimizationStatus};
use super::serving::Served;
use super::time::{millis, rfc3339};

/// Who makes a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// An API key, by its id; the secret is nowhere.
    ApiKey {
        /// The key.
        id: Uuid,
    },
    /// A token of the issuer, by its subject.
    Token {
        /// The claim `sub`; absent where the token has none.
        subject: Option<String>,
    },
    /// The service by itself, as when a snapshot is complete.
    #[default]
    Service,
}

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The optimization was made, with its first model.
    Created,
    /// Its name or its status was changed.
    Updated,
    /// A new model was made for it.
    ModelCreated,
    /// Its model was archived.
    ModelArchived,
    /// A training run put a new version in force.
    Trained,
    /// An earlier version was put in force again.
    RolledBack,
    /// A training run put a new version in force, found guardrails violated, and had the baseline served instead.
    GuardrailViolated,
}

/// How a version is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// By the policy that training compiled.
    Exploring,
    /// In each context the variant with the greatest posterior mean alone.
    Winners,
    /// The baseline to everybody, since a guardrail is violated.
    Baseline,
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ServedVersion {
    /// The model; absent where the optimization has none, and nothing is served.
    pub model_id: Option<Uuid>,
    /// The version of its posterior; 0 before the first training.
    pub posterior_version: u64,
    /// How it is served.
    pub allocation: Allocation,
}

impl ServedVersion {
    /// No model, so nothing.
    pub const NOTHING: Self = Self { model_id: None, posterior_version: 0, allocation: Allocation::Exploring };

    /// The version in force of a model, as it is served under a status; `on_baseline`: the baseline is served instead of it.
    #[must_use]
    pub fn of_model(model: &Model, status: OptimizationStatus, on_baseline: bool) -> Self {
        if model.archived_at.is_some() {
            return Self::NOTHING;
        }
        let allocation = match status {
            _ if on_baseline => Allocation::Baseline,
            OptimizationStatus::Completed => Allocation::Winners,
            OptimizationStatus::Live | OptimizationStatus::Archived => Allocation::Exploring,
        };
        let posterior_version = model.posterior.as_ref().map_or(0, |posterior| posterior.posterior_version);
        Self { model_id: Some(model.id), posterior_version, allocation }
    }
}

impl From<&Served> for ServedVersion {
    fn from(served: &Served) -> Self {
        let allocation = match served {
            Served { baseline: true, .. } => Allocation::Baseline,
            Served { frozen: true, .. } => Allocation::Winners,
            _ => Allocation::Exploring,
        };
        Self { model_id: Some(served.model_id), posterior_version: served.posterior_version, allocation }
    }
}

/// What a change touches, before it or after it; what it leaves alone is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Aspects {
    /// The optimization's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OptimizationStatus>,
    /// What it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedVersion>,
    /// The guardrails for whose violation the baseline is served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violated_guardrails: Vec<String>,
}

impl Aspects {
    /// What is served, and nothing else.
    #[must_use]
    pub fn served(served: impl Into<ServedVersion>) -> Self {
        Self { served: Some(served.into()), ..Self::default() }
    }

    /// All of a new optimization.
    #[must_use]
    pub fn all(optimization: &Optimization, served: ServedVersion) -> Self {
        let (name, status) = (optimization.name.clone(), optimization.status);
        Self { name: Some(name), status: Some(status), served: Some(served), violated_guardrails: Vec::new() }
    }
}

/// A change of an optimization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The change: of two at the same millisecond that one process makes, the later one has the greater id.
    pub id: Uuid,
    /// Whose the optimization is.
    pub organization_id: String,
    /// The optimization.
    pub optimization_id: Uuid,
    /// When.
    #[serde(with = "millis")]
    pub at: DateTime<Utc>,
    /// Who.
    pub who: Actor,
    /// What.
    pub what: ChangeKind,
    /// As it was, as far as it was changed.
    pub before: Aspects,
    /// As it is from then on.
    pub after: Aspects,
}

impl Change {
    /// A change of an optimization of an organization.
    #[must_use]
    pub fn new(
        (organization, optimization): (&str, Uuid),
        (who, at): (&Actor, DateTime<Utc>),
        what: ChangeKind,
        before: Aspects,
        after: Aspects,
    ) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Self {
            id: Uuid::from_u64_pair(MADE.fetch_add(1, Ordering::Relaxed), random),
            organization_id: organization.to_owned(),
            optimization_id: optimization,
            at,
            who: who.clone(),
            what,
            before,
            after,
        }
    }

    /// A run that puts a version of a model in force. A completed optimization has no run.
    #[must_use]
    pub fn trained(model: &Model, served: &Served, by: (&Actor, DateTime<Utc>)) -> Self {
        let before = Aspects::served(ServedVersion::of_model(model, OptimizationStatus::Live, false));
        let of = (model.organization_id.as_str(), model.optimization_id);
        Self::new(of, by, ChangeKind::Trained, before, Aspects::served(served))
    }
}

/// A change as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Change"))]
pub struct ChangeView<'a> {
    /// When: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    at: String,
    /// Who.
    who: &'a Actor,
    /// What.
    what: ChangeKind,
    /// As it was, as far as it was changed.
    before: &'a Aspects,
    /// As it is from then on.
    after: &'a Aspects,
}

impl<'a> ChangeView<'a> {
    /// The change.
    #[must_use]
    pub fn new(change: &'a Change) -> Self {
        Self {
            at: rfc3339(change.at),
            who: &change.who,
            what: change.what,
            before: &change.before,
            after: &change.after,
        }
    }
}
