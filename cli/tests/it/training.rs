//! Training from the three shapes of a snapshot, and what a run leaves behind.

use serde_json::{Value, json};

use crate::data;
use crate::harness::{ORGANIZATION, TestServer};

/// (n, sum of rewards) of every variant.
fn counted(state: &Value) -> Vec<(i64, f64)> {
    let variants = state["variants"].as_array().unwrap();
    variants.iter().map(|v| (v["n"].as_i64().unwrap(), v["reward_sum"].as_f64().unwrap())).collect()
}

#[tokio::test]
async fn every_shape_of_a_snapshot_trains_to_the_same_counts() {
    let server = TestServer::start().await;
    for (shape, files) in
        [("exposures", data::exposures_and_rewards()), ("observations", data::observations()), ("cells", data::cells())]
    {
        let (id, optimization) = server.model(&data::cmab()).await;
        server.snapshot(&optimization, "2026-11-02", &files).await;
        let trained = server.train(&id).await;
        assert_eq!(trained.status, 200, "{shape}: {}", trained.body);
        assert_eq!(trained.body["observations"]["exposures"], data::EXPOSURES, "{shape}");
        let historic = trained.body["in_sample_metrics"]["historic_reward"].as_f64().unwrap();
        assert!((historic - 0.125).abs() < 1e-12, "{shape}: {historic}");
        let state = server.call("GET", &format!("/api/v2/models/{id}/state"), None).await;
        assert_eq!(counted(&state.body), [(200, 10.0), (200, 40.0)], "{shape}");
        let better = state.body["variants"][1]["prob_best"].as_f64().unwrap();
        assert!(better > 0.99, "{shape}: four times the conversions, and P(best) is {better}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn every_model_trains() {
    let server = TestServer::start().await;
    for (model, reward) in [("mab", "bool"), ("mab", "numeric"), ("cmab", "bool"), ("cmab", "numeric")] {
        let mut body = if model == "mab" { data::mab() } else { data::cmab() };
        body["training_data_config"]["reward"]["type"] = json!(reward);
        let (id, optimization) = server.model(&body).await;
        server.snapshot(&optimization, "2026-11-02", &data::observations()).await;
        let trained = server.train(&id).await;
        assert_eq!(trained.status, 200, "{model} {reward}: {}", trained.body);
        let of = |name: &str| trained.body["in_sample_metrics"]["expected_reward"][name].as_f64().unwrap();
        assert!(of("ci_lower") < of("mean") && of("mean") < of("ci_upper"), "{model} {reward}: {}", trained.body);
        assert!(of("mean") > 0.125, "{model} {reward}: the policy is no better than chance: {}", trained.body);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_same_snapshot_gives_the_same_posterior() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "2026-11-02", &data::exposures_and_rewards()).await;
    let objects = [server.train(&id).await, server.train(&id).await].map(|reply| {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let version = reply.body["posterior_version"].as_u64().unwrap();
        fulcrum_core::store::posterior_key(ORGANIZATION, &id, version)
    });
    let [one, two] = [&objects[0], &objects[1]];
    assert_ne!(one, two);
    let read = async |key: &str| {
        let list = server.app.bucket.list(key).await.unwrap();
        server.app.bucket.read(key, 0..list[0].1).await.unwrap()
    };
    assert!(read(one).await == read(two).await, "two runs over the same input gave different bytes");
    server.shutdown().await;
}

#[tokio::test]
async fn the_latest_complete_snapshot_is_read_and_a_bad_one_changes_nothing() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "2026-11-02", &data::cells()).await;
    // Greater, but without its mark.
    let prefix = fulcrum_core::store::snapshots_prefix(ORGANIZATION, &optimization);
    let unfinished = format!("{prefix}2026-11-03/cells/a.jsonl");
    server.app.bucket.put(&unfinished, bytes::Bytes::from_static(b"{").into()).await.unwrap();
    let trained = server.train(&id).await;
    assert_eq!((trained.status, trained.text("/snapshot_id")), (200, "2026-11-02".to_owned()), "{}", trained.body);

    server.snapshot(&optimization, "2026-11-04", &[("cells/a.jsonl", "{".into())]).await;
    let failed = server.train(&id).await;
    assert_eq!((failed.status, failed.text("/error/code")), (422, "invalid_snapshot".to_owned()));
    assert!(failed.text("/error/message").contains("2026-11-04/"), "{}", failed.body);
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!(model.text("/status"), "trained");
    assert_eq!(model.text("/posterior_version"), "1");
    assert_eq!(model.text("/last_error/code"), "invalid_snapshot");
    let state = server.call("GET", &format!("/api/v2/models/{id}/state"), None).await;
    assert_eq!((state.status, state.text("/posterior_version")), (200, "1".to_owned()));

    server.snapshot(&optimization, "2026-11-05", &data::observations()).await;
    let trained = server.train(&id).await;
    assert_eq!((trained.status, trained.text("/snapshot_id")), (200, "2026-11-05".to_owned()));
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!(model.body["last_error"], Value::Null);
    server.shutdown().await;
}

#[tokio::test]
async fn no_body_and_an_empty_one_are_the_same() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let path = format!("/api/v2/models/{id}/train");
    let auth = format!("Bearer {}", server.key);
    for body in ["", " \n", "{}", "{\"bias\": {}}"] {
        // curl -d sends a form's type; the body is JSON all the same.
        let headers = [("authorization", auth.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let reply = server.send("POST", &path, &headers, body).await;
        assert_eq!(reply.status, 200, "{body:?}: {}", reply.body);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn rows_that_do_not_fit_are_counted() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::with_rows_that_do_not_fit()).await;
    let trained = server.train(&id).await;
    let observations = &trained.body["observations"];
    assert_eq!(observations["exposures"], data::EXPOSURES + 1, "{observations}");
    assert_eq!(observations["attributed_rewards"], data::REWARDS, "{observations}");
    assert_eq!(observations["skipped"]["unknown_variant"], 1, "{observations}");
    assert_eq!(observations["skipped"]["unknown_context_level"], 1, "{observations}");
    server.shutdown().await;
}

/// Effects and interactions of the design alone.
#[tokio::test]
async fn a_cmab_may_have_no_context() {
    let server = TestServer::start().await;
    let mut body = data::cmab();
    body["training_data_config"]["context_factors"] = json!([]);
    let (id, optimization) = server.model(&body).await;
    server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
    let trained = server.train(&id).await;
    assert_eq!((trained.status, trained.text("/observations/exposures")), (200, data::EXPOSURES.to_string()));
    let state = server.call("GET", &format!("/api/v2/models/{id}/state"), None).await;
    assert_eq!(state.status, 200, "{}", state.body);
    let path = format!("/api/v2/optimizations/{optimization}/serve");
    let served = server.call("POST", &path, Some(&json!({"anonymous_id": "v", "context": {"device": "mobile"}}))).await;
    assert_eq!((served.status, served.text("/posterior_version")), (200, "1".to_owned()), "{}", served.body);
    server.shutdown().await;
}

/// By default exposures whose window is still open at the end of the snapshot are left out.
#[tokio::test]
async fn immature_exposures_are_left_out_unless_they_are_included() {
    let server = TestServer::start().await;
    for (immature, expected) in [(None, 340), (Some("exclude"), 340), (Some("include"), 400)] {
        let mut body = data::mab();
        let attribution = &mut body["training_data_config"]["attribution"];
        *attribution = json!({"type": "last_touch", "conversion_window_hours": 1});
        if let Some(immature) = immature {
            attribution["immature"] = json!(immature);
        }
        let (id, optimization) = server.model(&body).await;
        // One exposure a minute: the windows of the last sixty are open at the last one.
        server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
        let trained = server.train(&id).await;
        let skipped = trained.body["observations"]["skipped"]["immature"].as_i64().unwrap_or_default();
        assert_eq!(skipped, 400 - trained.body["observations"]["exposures"].as_i64().unwrap(), "{}", trained.body);
        assert_eq!(trained.body["observations"]["exposures"], expected, "{immature:?}: {}", trained.body);
    }
    server.shutdown().await;
}
