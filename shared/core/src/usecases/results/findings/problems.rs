//! What is wrong with the data, each with its figures.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::numbers::{count, decimal, list, number, ratio, share, text, thousands};

/// Of the holdout's exposures, so many may show another variant than the baseline.
const MOST_STRAY: f64 = 0.01;
/// Of the rewards, so many may be of ids that were never exposed.
const MOST_STRANGERS: f64 = 0.5;
/// With fewer rows than these, a share says nothing.
const LEAST_ROWS: u64 = 100;

/// A check that fails.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// All checks that fail.
pub(super) fn of(answer: &Value) -> Vec<Problem> {
    let found = [sample_ratio(answer), assignment(answer), balance(answer), stray_holdout(answer), strangers(answer)];
    found.into_iter().flatten().collect()
}

fn sample_ratio(answer: &Value) -> Option<Problem> {
    let ratio_of = answer.pointer("/quality/sample_ratio").filter(|found| found["suspect"] == Value::Bool(true))?;
    let (held_out, users) = (count(ratio_of, "/held_out"), count(ratio_of, "/users"));
    let p = number(ratio_of, "/p_value").map_or(String::new(), |p| match p {
        p if p < 0.000_001 => "p < 0.000001".to_owned(),
        p => format!("p = {}", decimal(p, 6)),
    });
    let message = format!(
        "Sample ratio: {} of {} users are held out where {} is right ({p}). Logging loses users of one arm, or the share was changed.",
        share(ratio(held_out, users)),
        thousands(users),
        share(number(ratio_of, "/expected").unwrap_or(0.0))
    );
    Some(Problem { code: "sample_ratio", message })
}

fn assignment(answer: &Value) -> Option<Problem> {
    let found = answer.pointer("/quality/assignment").filter(|found| found["suspect"] == Value::Bool(true))?;
    let mut message =
        "Assignment: too many logged exposures show another variant than serving decides for the same visitor"
            .to_owned();
    if let Some(matching) = number(found, "/match") {
        message = format!("{message} ({} match)", share(matching));
    }
    message.push('.');
    let reasons = REASONS.map(|(reason, words)| (count(found, &format!("/mismatches/{reason}")), words));
    let reasons: Vec<String> = reasons
        .into_iter()
        .filter(|&(exposures, _)| exposures > 0)
        .map(|(exposures, words)| format!("{} {words}", thousands(exposures)))
        .collect();
    if !reasons.is_empty() {
        let _ = write!(message, " Of those that do not: {}.", reasons.join("; "));
    }
    if let Some(seconds) = number(found, "/age_seconds") {
        let _ =
            write!(message, " The older versions had ended {} min before, in the median.", decimal(seconds / 60.0, 0));
    }
    if let Some(place) = found.pointer("/concentrates_in").filter(|place| !place.is_null()) {
        let level = &place["level"];
        let level = level.as_str().map_or_else(|| level.to_string(), str::to_owned);
        let level = if place["level"].is_null() { "(unknown)" } else { &level };
        let _ = write!(message, " They concentrate in {} = {level}.", text(place, "/factor"));
    }
    Some(Problem { code: "assignment", message })
}

/// Reasons of mismatches, and what they are in words.
const REASONS: [(&str, &str); 4] = [
    ("holdout_saw_other", "of held-out users who saw another variant than the baseline"),
    ("older_version", "of an older version, as from a cache that is kept for too long"),
    ("excluded_variant", "of variants that are never served"),
    (
        "other",
        "that no version explains: other ids than those that are served, another context when logging, or another service",
    ),
];

/// With fewer than one in a thousand honest logs so unlike their policy, chance is no explanation.
const LEAST_P: f64 = 0.001;

fn balance(answer: &Value) -> Option<Problem> {
    let found = answer.pointer("/quality/balance_test")?;
    let p = number(found, "/p_value").filter(|&p| p < LEAST_P)?;
    let p = if p < 0.000_001 { "p < 0.000001".to_owned() } else { format!("p = {}", decimal(p, 6)) };
    Some(Problem {
        code: "balance",
        message: format!(
            "Balance: users saw the variants in other shares than their policies have ({p} over {} versions and contexts). Logging loses users \
             of some variants, or something else decides what is shown.",
            thousands(count(found, "/contexts"))
        ),
    })
}

fn stray_holdout(answer: &Value) -> Option<Problem> {
    let found = answer.pointer("/quality/holdout_saw_other")?;
    let (stray, all) = (count(found, "/of_other_variants"), count(found, "/exposures"));
    (all >= LEAST_ROWS && ratio(stray, all) > MOST_STRAY).then(|| Problem {
        code: "holdout_saw_other",
        message: format!(
            "Holdout: {} of {} exposures of held-out users show another variant than the baseline, so that the holdout is none. The \
             ids that are logged are not those that are served, or the page does not show what it is told.",
            thousands(stray),
            thousands(all)
        ),
    })
}

fn strangers(answer: &Value) -> Option<Problem> {
    let found = answer.pointer("/quality/unattributed_rewards")?;
    let (strangers, all) = (count(found, "/without_exposure"), count(found, "/rewards"));
    (all >= LEAST_ROWS && ratio(strangers, all) > MOST_STRANGERS).then(|| Problem {
        code: "unattributed_rewards",
        message: format!(
            "Rewards: {} of {} are of ids that were never exposed, the usual sign of two kinds of ids in the data.",
            thousands(strangers),
            thousands(all)
        ),
    })
}

/// The guardrails of a status, by name.
pub(super) fn guardrails<'a>(answer: &'a Value, status: &str) -> Vec<&'a str> {
    let of_status = list(answer, "/guardrails").iter().filter(|guardrail| text(guardrail, "/status") == status);
    of_status.map(|guardrail| text(guardrail, "/name")).collect()
}
