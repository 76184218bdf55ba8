//! The whole product in one process, without a warehouse: serve, ingest, compact, retrain, serve.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fulcrum::client::Client;
use fulcrum::local::Local;
use lambda_http::http::Method;
use serde_json::{Value, json};

use crate::harness::settings;

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Value {
    let body = Some(Bytes::from(body.to_string())).filter(|body| body != "null");
    client.send(method, path, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_train_the_model_that_serves() {
    let local = Local::start(settings()).await.unwrap();
    let client = Client::new(&local.env.url, &local.env.api_key).unwrap();
    let made = json!({"model_type": "mab", "training_data_config": {
        "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 1, "immature": "include"},
    }});
    let made = send(&client, Method::POST, "/api/v2/models", &made).await;
    let (id, optimization) = (made["id"].as_str().unwrap(), made["optimization_id"].as_str().unwrap());

    // Two hundred visitors are served; all who see B sign up, and nobody who sees A.
    let (mut exposures, mut rewards) = (Vec::new(), Vec::new());
    for visitor in 0..200 {
        let path = format!("/api/v2/optimizations/{optimization}/serve");
        let visitor = format!("visitor-{visitor}");
        let served = send(&client, Method::POST, &path, &json!({"anonymous_id": visitor})).await;
        exposures.push(json!({
            "anonymous_id": visitor, "optimization_id": optimization, "variant": served["variant"],
            "propensity": served["propensity"], "posterior_version": served["posterior_version"],
            "holdout": served["holdout"], "idempotency_key": visitor,
        }));
        if served["variant"]["headline"] == "B" {
            rewards.push(json!({"anonymous_id": visitor, "name": "signup", "idempotency_key": visitor}));
        }
    }
    for _ in 0..2 {
        let answer = send(&client, Method::POST, "/api/v2/ingest/exposures", &json!({"events": exposures})).await;
        assert_eq!(answer["accepted"], 200, "{answer}");
    }
    send(&client, Method::POST, "/api/v2/ingest/rewards", &json!({"events": rewards})).await;
    send(&client, Method::POST, "/api/v2/ingest/flush", &Value::Null).await;

    let (started, path) = (Instant::now(), format!("/api/v2/models/{id}/posteriors"));
    let expected = (json!(200), json!(rewards.len()));
    loop {
        // The schedule may have come before the flush, and have published a part of it.
        let posteriors = send(&client, Method::GET, &path, &Value::Null).await;
        let seen = &posteriors["posteriors"][0]["observations"];
        if (&seen["exposures"], &seen["attributed_rewards"]) == (&expected.0, &expected.1) {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "{posteriors}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let state = send(&client, Method::GET, &format!("/api/v2/models/{id}/state"), &Value::Null).await;
    let best = |variant: &Value| variant["variant"]["headline"] == "B" && variant["prob_best"].as_f64() > Some(0.99);
    assert!(state["variants"].as_array().unwrap().iter().any(best), "{state}");
    local.shutdown().await;
}
