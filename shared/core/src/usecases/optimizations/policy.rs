//! The compiled policy as JSON, for clients and edge workers that serve without a request.

use std::sync::Arc;

use bandit::{Coverage, Factor};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::domain::level_json;
use crate::error::ApiError;
use crate::serving_cache::ReadyVersion;

/// All that a client needs to serve as the service does. docs/serving.md describes how.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Policy"))]
pub struct PolicyDocument {
    /// `fulcrum.policy.v2`. A client that knows another meaning asks the service.
    format: &'static str,
    /// The optimization.
    optimization_id: Uuid,
    /// The model that serves.
    model_id: Uuid,
    /// The posterior in force; 0 before the first training.
    posterior_version: u64,
    /// The share of users who always see the baseline, in percent: 0 to 50.
    holdout_percentage: f64,
    /// Whether each context has one variant: the best, of a completed optimization, or the baseline, since a guardrail is violated.
    frozen: bool,
    /// The design factors, in the order that numbers variants; the last runs fastest.
    design: Vec<FactorDocument>,
    /// The context factors, in the order that numbers contexts; each has its unknown level after those listed.
    context: Vec<FactorDocument>,
    /// Which contexts have a row: `any_context` (one row for all), `every_context`, or `observed_contexts` (ask the service for others).
    coverage: &'static str,
    /// What the counts of a row add up to: draws.
    total: u32,
    /// The counts, by context.
    rows: Vec<RowDocument>,
}

/// A factor as a policy writes it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "PolicyFactor"))]
struct FactorDocument {
    /// Its name.
    name: String,
    /// Its levels, in the order that numbers them.
    #[cfg_attr(feature = "openapi", schemars(with = "Vec<crate::domain::described::Level>"))]
    levels: Vec<Value>,
    /// What each level was before, where one of them was something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_values: Option<Vec<Vec<String>>>,
    /// Of the design alone: the levels' places in the order of their creation, of which the variants' keys are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordinals: Option<Vec<u32>>,
}

/// What is served in a context.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "PolicyRow"))]
struct RowDocument {
    /// The context's number as text: it may pass the 2⁵³ up to which every JSON reader is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// The variants that are served in it, by number, ascending.
    variants: Vec<usize>,
    /// Of how many draws out of `total` each of them is the best.
    counts: Vec<u32>,
}

/// What an optimization serves, of which a document can be made. The tag alone costs next to nothing.
pub struct PublishedPolicy {
    optimization: Uuid,
    holdout_percentage: f64,
    ready: Arc<ReadyVersion>,
}

impl PublishedPolicy {
    /// Changes exactly when the document does.
    #[must_use]
    pub fn etag(&self) -> String {
        let served = &self.ready.served;
        let frozen = match (self.ready.policy.is_frozen(), served.baseline) {
            (_, true) => ".baseline",
            (true, false) => ".frozen",
            (false, false) => "",
        };
        format!("W/\"{}.{}.{}{frozen}\"", served.model_id, served.posterior_version, self.holdout_percentage)
    }

    /// The document, up to 5.5 MB of it.
    #[must_use]
    pub fn document(&self) -> PolicyDocument {
        let row = |(context, row): (Option<u64>, bandit::RowRef<'_>)| {
            let (variants, counts) = row.iter().unzip();
            RowDocument { context: context.map(|number| number.to_string()), variants, counts }
        };
        let ReadyVersion { served, checked, policy, .. } = self.ready.as_ref();
        PolicyDocument {
            format: "fulcrum.policy.v2",
            optimization_id: self.optimization,
            model_id: served.model_id,
            posterior_version: served.posterior_version,
            holdout_percentage: self.holdout_percentage,
            frozen: policy.is_frozen(),
            design: checked.space.design().iter().map(design_factor).collect(),
            context: checked.space.context().iter().map(factor).collect(),
            coverage: match policy.coverage() {
                Coverage::AnyContext => "any_context",
                Coverage::EveryContext => "every_context",
                Coverage::ObservedContexts => "observed_contexts",
            },
            total: policy.total(),
            rows: policy.iter().map(row).collect(),
        }
    }
}

fn factor(factor: &Factor) -> FactorDocument {
    let levels = (0..factor.levels().len()).map(|level| level_json(factor, level)).collect();
    let before = |level| factor.previous().iter().filter(move |(_, of)| *of == level).map(|(text, _)| text.clone());
    let previous = (0..factor.levels().len()).map(|level| before(level).collect());
    FactorDocument {
        name: factor.name().to_owned(),
        levels,
        previous_values: (!factor.previous().is_empty()).then(|| previous.collect()),
        ordinals: None,
    }
}

fn design_factor(of: &Factor) -> FactorDocument {
    FactorDocument { ordinals: Some(of.ordinals().to_vec()), ..factor(of) }
}

impl App {
    /// The policy of an optimization.
    ///
    /// # Errors
    /// As [`App::serve`]; [`ApiError::Conflict`] also where the policy is too large for one answer, and where ids are hashed.
    pub async fn policy(&self, optimization: Uuid) -> Result<PublishedPolicy, ApiError> {
        if self.visitor_ids.are_hashed() {
            // Whoever has no secret would serve other variants than the service does.
            return Err(ApiError::conflict(
                "ids of visitors are hashed by a secret here (HASH_IDS), so that no client can decide by itself; call serve instead",
            ));
        }
        let cached = self.cached_optimization(optimization).await?;
        let ready = Arc::clone(cached.serving(optimization)?);
        // At most: a row's number, brackets, names and the quotes that travel twice as long take 70, two numbers of an entry 11.
        let (rows, entries) = (ready.policy.rows(), ready.policy.entries());
        if rows * 70 + entries * 11 > self.answer_bytes {
            return Err(ApiError::conflict(format!(
                "the policy of optimization {optimization} has {entries} probabilities, too many for one answer; call serve instead"
            )));
        }
        Ok(PublishedPolicy { optimization, holdout_percentage: cached.holdout_percentage, ready })
    }
}
