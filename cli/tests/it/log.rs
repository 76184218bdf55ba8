//! What the log of a whole service says, and what it must never say.

use serde_json::{Value, json};

use crate::data;
use crate::process::{LocalProcess, run, run_with_input};

#[test]
fn one_line_a_request_and_nothing_that_is_nobodys_business() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let environment = local.environment.clone();
    let (key, secret) =
        (local.variable("FULCRUM_API_KEY").to_owned(), local.variable("AWS_SECRET_ACCESS_KEY").to_owned());
    let body = json!({
        "name": "a-name-in-a-body", "model_type": "mab",
        "training_data_config": data::mab()["training_data_config"],
    });
    let made = run_with_input(&["optimizations", "create", "--file", "-", "--json"], &environment, &body.to_string());
    let made: Value = serde_json::from_str(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
    let (id, model) = (made["id"].as_str().unwrap(), made["model_id"].as_str().unwrap());
    let served =
        run(&["serve", id, "--anonymous-id", "visitor-who-is-nobody", "--context", "plan=a-value"], &environment);
    assert_eq!(served.status, Some(0), "{served:?}");
    assert_eq!(run(&["models", "train", model], &environment).status, Some(1), "there is no snapshot");
    let mut other = environment.clone();
    other.retain(|(name, _)| name != "FULCRUM_API_KEY");
    other.push(("FULCRUM_API_KEY".into(), "flk_a-key-that-is-wrong".into()));
    assert_eq!(run(&["models", "list"], &other).status, Some(1));

    let log = local.end("TERM").stderr;
    for kept in [&key, &secret, "visitor-who-is-nobody", "a-value", "a-name-in-a-body", "a-key-that-is-wrong", "Bearer"]
    {
        assert!(!log.contains(kept), "{kept} is in the log:\n{log}");
    }
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == "request").collect();
    let said: Vec<_> = requests.iter().map(|r| (r["route"].as_str().unwrap(), r["status"].as_u64().unwrap())).collect();
    let expected = [
        ("POST /api/v2/optimizations", 201),
        ("POST /api/v2/optimizations/{id}/serve", 200),
        ("GET /api/v2/models/{id}", 200),
        ("POST /api/v2/models/{id}/train", 422),
        ("GET /api/v2/models", 401),
    ];
    assert_eq!(said, expected);
    for (place, request) in requests.iter().enumerate() {
        assert!(request["request_id"].as_str().unwrap().starts_with("req_"), "{request}");
        assert!(request["duration_ms"].as_f64().unwrap() > 0.0, "{request}");
        // The schedule, which runs at the start too, may have been the first.
        assert!(place == 0 || request["cold_start"] == false, "{request}");
    }
    assert_eq!(requests[0]["organization"], "org_local");
    // The key, and the record of the call's `Idempotency-Key` before and after the work.
    assert_eq!(requests[0]["storage_calls"], 4);
    let operations = r#"{"DynamoDB.GetItem":1,"DynamoDB.TransactWriteItems":1,"DynamoDB.UpdateItem":2}"#;
    assert_eq!(requests[0]["storage_calls_by_operation"], operations);
    assert_eq!(requests[1]["organization"], Value::Null, "serving takes no token");
}
