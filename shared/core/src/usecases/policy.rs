//! The compiled policy as JSON, for clients and edge workers that serve without a request.

use bandit::{Coverage, Factor};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::domain::level_json;
use crate::error::ApiError;

/// All that a client needs to serve as the service does. docs/serving.md describes how.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyDocument {
    format: &'static str,
    optimization_id: Uuid,
    model_id: Uuid,
    posterior_version: u64,
    holdout_percentage: f64,
    design: Vec<FactorDocument>,
    context: Vec<FactorDocument>,
    coverage: &'static str,
    total: u32,
    rows: Vec<RowDocument>,
}

#[derive(Clone, Debug, Serialize)]
struct FactorDocument {
    name: String,
    levels: Vec<Value>,
}

#[derive(Clone, Debug, Serialize)]
struct RowDocument {
    /// The context's number as text: it may pass the 2⁵³ up to which every JSON reader is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    variants: Vec<usize>,
    counts: Vec<u32>,
}

impl PolicyDocument {
    /// Changes exactly when the document does.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("W/\"{}.{}.{}\"", self.model_id, self.posterior_version, self.holdout_percentage)
    }
}

fn factor(factor: &Factor) -> FactorDocument {
    let levels = (0..factor.levels().len()).map(|level| level_json(factor, level)).collect();
    FactorDocument { name: factor.name().to_owned(), levels }
}

impl App {
    /// The policy of an optimization.
    ///
    /// # Errors
    /// As [`App::serve`]; [`ApiError::Conflict`] also where the policy is too large for one answer.
    pub async fn policy(&self, optimization: Uuid) -> Result<PolicyDocument, ApiError> {
        let at_hand = self.at_hand(optimization).await?;
        let ready = at_hand.serving(optimization)?;
        let policy = &ready.policy;
        // At most: a row's number, brackets, names and the quotes that travel twice as long take 70, two numbers of an entry 11.
        let bytes = policy.rows() * 70 + policy.entries() * 11;
        if bytes > self.answer_bytes {
            return Err(ApiError::conflict(format!(
                "the policy of optimization {optimization} has {} probabilities, too many for one answer; call serve instead",
                policy.entries()
            )));
        }
        let row = |(context, row): (Option<u64>, bandit::RowRef<'_>)| {
            let (variants, counts) = row.iter().unzip();
            RowDocument { context: context.map(|number| number.to_string()), variants, counts }
        };
        let space = &ready.checked.space;
        Ok(PolicyDocument {
            format: "fulcrum.policy.v1",
            optimization_id: optimization,
            model_id: ready.served.model_id,
            posterior_version: ready.served.posterior_version,
            holdout_percentage: at_hand.holdout_percentage,
            design: space.design().iter().map(factor).collect(),
            context: space.context().iter().map(factor).collect(),
            coverage: match policy.coverage() {
                Coverage::AnyContext => "any_context",
                Coverage::EveryContext => "every_context",
                Coverage::ObservedContexts => "observed_contexts",
            },
            total: policy.total(),
            rows: policy.iter().map(row).collect(),
        })
    }
}
