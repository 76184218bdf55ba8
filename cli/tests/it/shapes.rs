//! Every success, field for field.

use serde_json::json;

use crate::data;
use crate::harness::{TestServer, assert_shape};

#[tokio::test]
async fn a_model_from_birth_to_archive() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/models", Some(&data::cmab())).await;
    assert_shape("create", &made);
    let (id, optimization) = (made.text("/id"), made.text("/optimization_id"));
    let path = format!("/api/v2/models/{id}");
    assert_shape("list_untrained", &server.call("GET", "/api/v2/models", None).await);
    assert_shape("get_untrained", &server.call("GET", &path, None).await);
    assert_shape("state_untrained", &server.call("GET", &format!("{path}/state"), None).await);

    server.snapshot(&optimization, "2026-11-02", &data::with_rows_that_do_not_fit()).await;
    assert_shape("train", &server.train(&id).await);
    let bias = json!({"bias": {"headline": 0.1, "device": 0.05}});
    assert_shape("train_with_bias", &server.call("POST", &format!("{path}/train"), Some(&bias)).await);
    assert_shape("list_trained", &server.call("GET", "/api/v2/models", None).await);
    assert_shape("get_trained", &server.call("GET", &path, None).await);
    assert_shape("state_trained", &server.call("GET", &format!("{path}/state"), None).await);
    assert_shape("posteriors", &server.call("GET", &format!("{path}/posteriors"), None).await);
    let rollback = json!({"posterior_version": 1});
    assert_shape("rollback", &server.call("POST", &format!("{path}/rollback"), Some(&rollback)).await);

    assert_shape("delete", &server.call("DELETE", &path, None).await);
    assert_shape("delete_again", &server.call("DELETE", &path, None).await);
    assert_shape("list_after_delete", &server.call("GET", "/api/v2/models", None).await);
    assert_shape("get_archived", &server.call("GET", &path, None).await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_mab_with_everything_that_is_optional() {
    let server = TestServer::start().await;
    let mut body = data::mab();
    let config = &mut body["training_data_config"];
    config["design_factors"] = json!([
        {"name": "headline", "dtype": "str", "levels": ["A", "B", "C"]},
        {"name": "badge", "dtype": "bool"},
    ]);
    config["attribution"]["immature"] = json!("exclude");
    config["excluded_combinations"] = json!([{"headline": "C", "badge": true}]);
    config["exploration"] = json!(0.5);
    let made = server.call("POST", "/api/v2/models", Some(&body)).await;
    assert_shape("create_mab", &made);
    server.shutdown().await;
}

#[tokio::test]
async fn a_failed_run_is_told_by_the_model() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &[("exposures/a.parquet", "not parquet".into())]).await;
    assert_shape("train_invalid_snapshot", &server.train(&id).await);
    assert_shape("get_failed", &server.call("GET", &format!("/api/v2/models/{id}"), None).await);
    server.shutdown().await;
}
