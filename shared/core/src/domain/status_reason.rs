//! Why an optimization serves something else than its model.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::time::{millis, rfc3339};
use crate::echo::quoted;

/// Guardrails that a run found violated, for which the baseline is served to everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReason {
    /// Their names.
    pub guardrails: Vec<String>,
    /// The version that the run made.
    pub posterior_version: u64,
    /// When it was put in force, and the baseline with it.
    #[serde(with = "millis")]
    pub at: DateTime<Utc>,
}

/// Why the baseline is served to everybody, as the API shows it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "StatusReason"))]
pub struct StatusReasonView<'a> {
    /// `guardrail_violated`.
    code: &'static str,
    /// The same for people, with what ends it.
    message: String,
    /// The guardrails that are violated.
    guardrails: &'a [String],
    /// The version that the run made which found that.
    posterior_version: u64,
    /// Since when the baseline is served: RFC 3339, UTC.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    at: String,
}

impl<'a> StatusReasonView<'a> {
    /// The reason.
    #[must_use]
    pub fn new(reason: &'a StatusReason) -> Self {
        let names: Vec<String> = reason.guardrails.iter().map(|name| quoted(name)).collect();
        let message = format!(
            "the baseline is served to everybody, since a run found that {} {} violated; set the status to live to serve the model \
             again",
            if names.len() == 1 { "the guardrail" } else { "the guardrails" },
            match names.split_last() {
                Some((last, [])) => format!("{last} is"),
                Some((last, others)) => format!("{} and {last} are", others.join(", ")),
                None => String::new(),
            }
        );
        Self {
            code: "guardrail_violated",
            message,
            guardrails: &reason.guardrails,
            posterior_version: reason.posterior_version,
            at: rfc3339(reason.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_guardrails_and_what_ends_it() {
        let of = |names: &[&str]| StatusReason {
            guardrails: names.iter().map(|&name| name.to_owned()).collect(),
            posterior_version: 3,
            at: DateTime::UNIX_EPOCH,
        };
        let (one, three) = (of(&["refund"]), of(&["refund", "complaint", "churn"]));
        let said = StatusReasonView::new(&one).message;
        assert!(said.contains("the guardrail \"refund\" is violated; set the status to live"), "{said}");
        let said = StatusReasonView::new(&three).message;
        assert!(said.contains("the guardrails \"refund\", \"complaint\" and \"churn\" are violated"), "{said}");
    }
}
