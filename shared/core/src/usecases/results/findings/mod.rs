//! What follows from the numbers, in sentences that rules make: one home for the console, the report and whoever else asks. Measured
//! first; a modelled figure is called so, and left out where the holdout contradicts the model; nothing is claimed of data that fail
//! a check, nor of a level that fewer than 1,000 users have seen.

mod levels;
mod lift;
mod numbers;
mod problems;
mod verdict;

use serde::Serialize;
use serde_json::{Map, Value, json};

use self::lift::Measured;
use self::numbers::{decimal, number, signed, text};
use self::problems::Problem;
use self::verdict::Verdict;

/// What the results come to.
#[derive(Debug, Serialize)]
struct Findings {
    /// What was measured, in one sentence.
    sentence: String,
    /// What the model expects, labelled; absent where the holdout contradicts it or has not checked it.
    modelled: Option<String>,
    /// The days of first exposure of the users that this is about.
    window: Value,
    /// What a rate is a rate of.
    basis: &'static str,
    verdict: Verdict,
    /// What is wrong with the data.
    problems: Vec<Problem>,
    notes: Vec<String>,
}

/// The findings of an answer's other fields.
pub(super) fn findings(answer: &Map<String, Value>) -> Value {
    let answer = &Value::Object(answer.clone());
    let problems = problems::of(answer);
    let measured = Measured::of(answer);
    let droppable = if problems.is_empty() && !baseline_fails(answer) { levels::droppable(answer) } else { Vec::new() };
    let verdict = Verdict::of(answer, &measured, &problems, &droppable);
    let found = Findings {
        sentence: measured.sentence(!problems.is_empty()),
        modelled: modelled(answer, &measured, &problems),
        window: json!({"from": measured.window.0, "to": measured.window.1}),
        basis: if answer["basis"] == "exposures" { "per exposure" } else { "per user" },
        notes: notes(answer, &measured, &droppable, &verdict),
        verdict,
        problems,
    };
    json!(found)
}

/// Whether the holdout contradicts what the model believes of the baseline.
fn baseline_fails(answer: &Value) -> bool {
    answer.pointer("/baseline_check/ok") == Some(&Value::Bool(false))
}

/// The modelled improvement, where something may be said of it.
fn modelled(answer: &Value, measured: &Measured, problems: &[Problem]) -> Option<String> {
    let percent = number(answer, "/stats/estimated_improvement_percent")?;
    let interval = "/stats/estimated_improvement_interval";
    let (lo, hi) = (number(answer, &format!("{interval}/0"))?, number(answer, &format!("{interval}/1"))?);
    let checked = match answer.pointer("/baseline_check/ok").and_then(Value::as_bool) {
        Some(true) => "the model and the holdout agree on the baseline",
        // Nobody is held out, so that nothing measured stands beside it.
        None if !measured.is_possible() => "no holdout checks it",
        Some(false) | None => return None,
    };
    problems.is_empty().then(|| {
        format!(
            "By the model, not measured: the policy in force is expected to earn {} compared with what was earned (95 %: {} to {}, \
             per exposure; {checked}).",
            signed(percent),
            signed(lo),
            signed(hi)
        )
    })
}

/// What else is worth knowing before anybody decides.
fn notes(answer: &Value, measured: &Measured, droppable: &[levels::Level], verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    if baseline_fails(answer) {
        let of = |name: &str| number(answer, &format!("/baseline_check/{name}")).map(|rate| decimal(rate, 4));
        let rates = of("modelled").zip(of("measured"));
        let rates = rates.map(|(modelled, measured)| format!(" (modelled {modelled}, measured {measured})"));
        notes.push(format!(
            "Modelled improvements are left out: the holdout contradicts what the model believes of the baseline{}.",
            rates.unwrap_or_default()
        ));
    } else if measured.is_possible()
        && measured.is_undecided()
        && number(answer, "/stats/estimated_improvement_interval/0").is_some_and(|lo| lo > 0.0)
    {
        notes.push(
            "The model expects an improvement that the holdout does not show yet: decide by the holdout.".to_owned(),
        );
    }
    for factor in numbers::list(answer, "/by_context") {
        if let Some(p) = number(factor, "/heterogeneity/p_value").filter(|&p| p < 0.05) {
            let name = text(factor, "/factor");
            notes.push(format!(
                "The lift differs between the levels of {name} by more than chance (p = {}).",
                decimal(p, 3)
            ));
        }
    }
    if !verdict.is_about_levels() {
        notes.extend(droppable.iter().map(levels::Level::sentence));
    }
    notes
}

#[cfg(test)]
mod tests;
