//! Examples: the bodies of the events that succeed, and the answers to them that the tests of `e2e` recorded.

use serde_json::{Value, json};

macro_rules! examples {
    ($($function:literal: $event:literal;)*) => {
        /// Function, the name of its event, the event, and the recorded answers.
        const EXAMPLES: &[(&str, &str, &str, &str)] = &[$((
            $function,
            $event,
            include_str!(concat!("../../../../events/", $event, ".json")),
            include_str!(concat!("../../../../e2e/tests/it/snapshots/", $function, ".snap")),
        )),*];
    };
}

examples! {
    "list-models": "list-models";
    "create-model": "create-model";
    "get-model": "get-model";
    "delete-model": "delete-model";
    "train-model": "train-model.bias";
    "train-model": "train-model.async";
    "model-state": "model-state";
    "list-posteriors": "list-posteriors";
    "rollback-model": "rollback-model";
    "list-optimizations": "list-optimizations";
    "create-optimization": "create-optimization";
    "get-optimization": "get-optimization";
    "update-optimization": "update-optimization";
    "serve-variant": "serve-variant";
    "best-variant": "best-variant";
    "optimization-policy": "optimization-policy";
    "optimization-results": "optimization-results";
    "optimization-history": "optimization-history";
    "evaluate-policy": "evaluate-policy";
    "ingest-exposures": "ingest-exposures";
    "ingest-exposures": "ingest-exposures.some-rejected";
    "ingest-rewards": "ingest-rewards";
    "ingest-rewards": "ingest-rewards.some-rejected";
    "flush-events": "flush-events";
    "delete-user-events": "delete-user-events";
}

/// The body that the first event of a function has; `None` where there is no event with one.
pub(super) fn body(function: &str) -> Option<Value> {
    let (_, _, event, _) = EXAMPLES.iter().find(|(of, ..)| *of == function)?;
    let event: Value = serde_json::from_str(event).ok()?;
    serde_json::from_str(event["body"].as_str()?).ok()
}

/// The answer of a status that was recorded for an event of a function.
pub(super) fn answer(function: &str, status: u16) -> Option<Value> {
    EXAMPLES.iter().filter(|(of, ..)| *of == function).find_map(|(_, event, _, recorded)| {
        let (_, recorded) = recorded.split_once("\n---\n")?;
        let recorded: Value = serde_json::from_str(recorded).ok()?;
        let answer = recorded.get(*event)?;
        (answer["statusCode"] == status).then(|| restored(&answer["body"])).flatten()
    })
}

/// A recorded value with something in the place of what differs from run to run; lists are shortened to their beginning.
fn restored(value: &Value) -> Option<Value> {
    Some(match value {
        Value::String(text) => match text.as_str() {
            "[number]" => json!(0.0625),
            "[ms]" | "[count]" => json!(800),
            text if text.starts_with("… ") => return None,
            text => {
                let time = "2026-11-24T06:30:00Z";
                let filled = text.replace("[time]", time).replace("[uuid]", "4754cae0-9a5d-4691-91af-6d15ccc1f82e");
                json!(filled.replace("[cursor]", "TU9ERUwj").replace("[snapshot]", "2026-11-24T06-25-00Z-000001"))
            }
        },
        Value::Array(values) => values.iter().filter_map(restored).collect(),
        Value::Object(map) => map.iter().filter_map(|(name, value)| Some((name.clone(), restored(value)?))).collect(),
        other => other.clone(),
    })
}
