//! The built functions answer every event under AWS's emulator, and their logs hold nothing that they must not.

use std::env;
use std::fs;
use std::path::PathBuf;

use e2e::Emulator;
use fulcrum::local::examples;
use serde_json::{Map, Value, json};

use crate::events::{self, Event, root};
use crate::stage::Stage;

/// Where `cargo lambda build` put the functions.
fn built(function: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let path = target.join("lambda").join(function).join("bootstrap");
    assert!(path.exists(), "{} is missing: make -f functions/Makefile functions", path.display());
    path
}

fn emulator() -> PathBuf {
    env::var_os("AWS_LAMBDA_RIE")
        .map(PathBuf::from)
        .expect("AWS_LAMBDA_RIE: the path of AWS's emulator; events/README.md")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the built functions and AWS's emulator; events/README.md says how to get both"]
async fn built_functions_answer_every_event() {
    let stage = Stage::set().await;
    let secrets = secrets(&stage);
    let variables = stage.variables();
    let events = events::all();
    let (mut logs, mut shapes) = (String::new(), Vec::new());
    for of_one in events.chunk_by(|a, b| a.function() == b.function()) {
        let function = of_one[0].function();
        let running = Emulator::start(&emulator(), &built(function), &variables).unwrap();
        let mut answers = Map::new();
        for event in of_one {
            let answer = running.invoke(&event.text).unwrap().answer;
            let answer: Value =
                serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{}: {e}: {answer}", event.name));
            assert_eq!(Event::outcome_of(&answer), event.outcome, "{}: {answer}\n{}", event.name, running.log());
            answers.insert(event.name.clone(), shown(&answer));
        }
        shapes.push((function, Value::Object(answers)));
        logs.push_str(&running.log());
    }
    stage.stores.shutdown().await;
    if let Some(file) = env::var_os("E2E_LOG") {
        fs::write(file, &logs).unwrap();
    }
    assert!(logs.lines().count() >= events.len(), "every event leaves a line:\n{logs}");
    for (what, text) in &secrets {
        if let Some(line) = logs.lines().find(|line| line.contains(text.as_str())) {
            panic!("{what} is in the log: {line}");
        }
    }
    for (function, answers) in &shapes {
        assert_shape(function, answers);
    }
}

/// What no log may hold, with a name for it.
fn secrets(stage: &Stage) -> Vec<(&'static str, String)> {
    let mut secrets: Vec<(&str, String)> = [examples::KEY, examples::READ_ONLY_KEY, examples::REVOKED_KEY]
        .map(|key| ("an API key", key.to_owned()))
        .to_vec();
    secrets.push(("the stores' secret", stage.stores.access().secret_access_key.clone()));
    for event in events::all() {
        let json = event.json();
        if let Some(token) = json.pointer("/headers/authorization").and_then(Value::as_str) {
            secrets.push(("a token", token.trim_start_matches("Bearer ").to_owned()));
        }
        if let Some(body) = json["body"].as_str().filter(|body| body.len() > 2) {
            secrets.push(("a body", body.to_owned()));
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            for field in ["anonymous_id", "name"] {
                secrets.extend(body[field].as_str().map(|value| ("a value out of a body", value.to_owned())));
            }
        }
    }
    secrets
}

/// What a snapshot shows of an answer: status, headers and body, or the failures of a batch.
fn shown(answer: &Value) -> Value {
    let Some(body) = answer["body"].as_str() else { return answer.clone() };
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    let mut shown = answer.clone();
    // The description of the API takes its examples from what is recorded here: of it, its name is enough.
    let description = body.get("openapi").map(|version| json!({"openapi": version, "info": body["info"]["title"]}));
    shown["body"] = shortened(&description.unwrap_or(body));
    shown
}

/// The value without what comes out of random draws, and with the beginning of its long lists.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!("[number]"),
        Value::Array(values) if values.len() > 3 => {
            let kept = values.iter().take(1).map(shortened);
            kept.chain([json!(format!("… {} in all", values.len()))]).collect()
        }
        Value::Array(values) => values.iter().map(shortened).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), shortened(value))).collect(),
        other => other.clone(),
    }
}

/// What differs from run to run, and what stands for it. The ids of the examples do not: they are set aside while all others
/// are replaced, told apart by their middle.
const FILTERS: [(&str, &str); 12] = [
    (r"\b([0-9a-f]{8})-0000-4000-8000-([0-9a-f]{12})\b", "${1}-example-${2}"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[uuid]"),
    (r"\b([0-9a-f]{8})-example-([0-9a-f]{12})\b", "${1}-0000-4000-8000-${2}"),
    (r#""next_cursor": "[^"]+""#, r#""next_cursor": "[cursor]""#),
    (r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-\d{6}", "[snapshot]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r#""duration_ms": \d+"#, r#""duration_ms": "[ms]""#),
    (r#""retry-after": "\d+""#, r#""retry-after": "[s]""#),
    (r#""etag": "(\\.|[^"\\])*""#, r#""etag": "[etag]""#),
    (r"[+−]?\b\d+\.\d %", "[percent]"),
    (r"/console/([a-z]+)-[\w-]{8}\.", "/console/${1}-[hash]."),
    (r#""counts": \d+"#, r#""counts": "[count]""#),
];

#[track_caller]
fn assert_shape(name: &str, shown: &Value) {
    insta::with_settings!({
        filters => FILTERS,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_json_snapshot!(name, shown);
    });
}

#[test]
fn what_differs_from_run_to_run_is_filtered() {
    let answer = |id: &str, cursor: &str, time: &str| {
        json!({
            "id": id, "message": format!("model {id} of 0000000a-0000-4000-8000-00000000000b"),
            "meta": {"next_cursor": cursor}, "trained_at": time, "duration_ms": time.len(), "etag": format!("\"{id}\""),
        })
    };
    insta::with_settings!({ filters => FILTERS }, {
        insta::allow_duplicates! {
            for (id, cursor, time) in [
                // The last group of a random id may begin with 0, and the second may be 0000.
                ("4754cae0-9a5d-4691-91af-0d15ccc1f82e", "TU9ERUwj", "2026-11-24T23:00:00Z"),
                ("4754cae0-0000-4691-91af-6d15ccc1f82e", "TU9ERUwjMDAw_w==", "2026-11-24T23:00:00.123Z"),
            ] {
                insta::assert_snapshot!(format!("{:#}", answer(id, cursor, time)), @r###"
                {
                  "id": "[uuid]",
                  "message": "model [uuid] of 0000000a-0000-4000-8000-00000000000b",
                  "meta": {
                    "next_cursor": "[cursor]"
                  },
                  "trained_at": "[time]",
                  "duration_ms": "[ms]",
                  "etag": "[etag]"
                }
                "###);
            }
        }
    });
}
