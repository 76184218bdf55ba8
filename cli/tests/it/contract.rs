//! Requests with which e2e/contract once broke the service.

use serde_json::json;

use crate::data;
use crate::harness::TestServer;

/// `DynamoDB` keeps numbers of 1e-130 to 1e125 only; what is allowed is not bounded by where it is stored.
#[tokio::test]
async fn a_configuration_may_have_numbers_that_are_none_of_the_tables() {
    let server = TestServer::start().await;
    let mut body = data::mab();
    body["name"] = json!("Landing page");
    body["training_data_config"]["reward"] = json!({"name": "revenue", "type": "numeric", "cap": {"value": 1.7e308}});
    body["training_data_config"]["burn_in"] = json!({"hours": 5e-324});
    body["training_data_config"]["minimum_share"] = json!(1e-200);
    let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let optimization = format!("/api/v2/optimizations/{}", made.text("/id"));
    let model = format!("/api/v2/models/{}", made.text("/model_id"));
    // The record is read, written again, and read.
    let changed = server.call("PATCH", &optimization, Some(&json!({"name": "Another"}))).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    for path in [&optimization, &model] {
        let shown = server.call("GET", path, None).await;
        let config = &shown.body["training_data_config"];
        assert_eq!(config["reward"], body["training_data_config"]["reward"], "{path}");
        assert_eq!(config["burn_in"], body["training_data_config"]["burn_in"], "{path}");
        assert_eq!(config["minimum_share"], body["training_data_config"]["minimum_share"], "{path}");
    }
    let served = server.call("POST", &format!("{optimization}/serve"), Some(&json!({"anonymous_id": "u1"}))).await;
    assert_eq!(served.status, 200, "{}", served.body);
    assert_eq!(server.call("DELETE", &model, None).await.status, 200);
    server.shutdown().await;
}

/// What there is not is left out of answers; the description says so of previous values too.
#[tokio::test]
async fn a_level_that_was_nothing_before_is_shown_without_what_it_was() {
    let server = TestServer::start().await;
    let mut body = data::mab();
    let levels = json!([{"id": "lvl_a", "value": "A", "previous_values": null}, {"id": "lvl_b", "value": "B", "previous_values": []}]);
    body["training_data_config"]["design_factors"][0]["levels"] = levels;
    let (id, _) = server.model(&body).await;
    let shown = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    let levels = &shown.body["training_data_config"]["design_factors"][0]["levels"];
    assert_eq!(*levels, json!([{"id": "lvl_a", "value": "A"}, {"id": "lvl_b", "value": "B", "previous_values": []}]));
    server.shutdown().await;
}
