//! The published API, body by body: what a client of the hosted service sends, as it stands, and what it reads of the answers.

use serde_json::{Value, json};

use crate::data;
use crate::harness::{ORGANIZATION, TestServer};

/// The names of an object's fields.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_key_in_x_api_key_is_as_good_as_a_bearer_token() {
    let server = TestServer::start().await;
    let (_, other) = server.key_of(ORGANIZATION, &[fulcrum_core::auth::Scope::ModelsRead]).await;
    let (bearer, of_other) = (format!("Bearer {}", server.key), format!("Bearer {}", other.expose()));
    for (headers, status) in [
        (&[("x-api-key", server.key.as_str())][..], 200),
        (&[("x-api-key", server.key.as_str()), ("authorization", bearer.as_str())], 200),
        (&[("x-api-key", server.key.as_str()), ("authorization", of_other.as_str())], 401),
        (&[("x-api-key", "flk_short")], 401),
        (&[], 401),
    ] {
        let reply = server.send("GET", "/api/v2/models", headers, "").await;
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
        assert_eq!(reply.header("www-authenticate"), (status == 401).then_some("Bearer"));
    }
    server.shutdown().await;
}

/// The fields of a published body: levels of both forms, the metric of the reward, and a holdout.
fn published() -> Value {
    json!({
        "name": "Landing page",
        "model_type": "cmab",
        "reward_metric_id": "metric_7f3c",
        "holdout_percentage": 10,
        "training_data_config": {
            "design_factors": [
                {"name": "headline", "dtype": "str", "levels": [
                    "A",
                    {"id": "lvl_b", "value": "B", "previous_values": ["Bee", "b"]},
                ]},
                {"name": "cta_text", "dtype": "str", "levels": [{"id": "lvl_go", "value": "Go"}, {"id": "lvl_try", "value": "Try"}]},
            ],
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["desktop", "mobile"]}],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        },
    })
}

#[tokio::test]
async fn an_optimization_is_created_by_the_published_body_and_shown_as_it_was_sent() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&published())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    for reply in [&made, &server.call("GET", &format!("/api/v2/optimizations/{id}"), None).await] {
        assert_eq!(reply.body["reward_metric_id"], "metric_7f3c", "{}", reply.body);
        assert_eq!(reply.body["holdout_percentage"], 10.0, "{}", reply.body);
    }
    let alone = server.call("GET", &format!("/api/v2/optimizations/{id}"), None).await;
    assert_eq!(alone.body["training_data_config"], published()["training_data_config"]);
    let shown = server.call("GET", &format!("/api/v2/models/{model}"), None).await;
    assert_eq!(shown.body["training_data_config"], published()["training_data_config"]);
    server.call("DELETE", &format!("/api/v2/models/{model}"), None).await;
    let without = server.call("GET", &format!("/api/v2/optimizations/{id}"), None).await;
    assert_eq!(without.body["training_data_config"], Value::Null, "{}", without.body);
    let bad = json!({"reward_metric_id": ""});
    let mut body = published();
    body["reward_metric_id"] = bad["reward_metric_id"].clone();
    let refused = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    assert_eq!((refused.status, refused.text("/error/details/0/field")), (400, "reward_metric_id".to_owned()));
    server.shutdown().await;
}

#[tokio::test]
async fn data_of_a_previous_value_count_under_the_level() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&published())).await;
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    let cell = |headline: &str, n: u32| {
        let cell = json!({"variant": {"headline": headline, "cta_text": "Go"}, "context": {"device": "mobile"}, "n": n, "reward_sum": n / 10});
        format!("{cell}\n")
    };
    let cells = [cell("A", 100), cell("B", 50), cell("Bee", 30), cell("b", 20), cell("bee", 10)].concat();
    server.snapshot(&id, "1", &[("cells/part-0.jsonl", cells)]).await;
    let trained = server.train(&model).await;
    assert_eq!((trained.status, trained.text("/observations/exposures")), (200, "200".to_owned()), "{}", trained.body);
    assert_eq!(trained.body["observations"]["skipped"], json!({"unknown_variant": 10}));
    let state = server.call("GET", &format!("/api/v2/models/{model}/state"), None).await;
    let of_b = state.body["variants"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["variant"] == json!({"headline": "B", "cta_text": "Go"}));
    assert_eq!(of_b.unwrap()["n"], 100, "{}", state.body);
    server.shutdown().await;
}

/// The page of the hosted service, endpoint by endpoint.
#[tokio::test]
async fn the_published_models_endpoints_answer_in_the_published_shapes() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&published())).await;
    let (optimization, id) = (made.text("/id"), made.text("/model_id"));
    let cells = json!({"variant": {"headline": "A", "cta_text": "Go"}, "context": {"device": "mobile"}, "n": 500, "reward_sum": 20}).to_string()
        + "\n"
        + &json!({"variant": {"headline": "B", "cta_text": "Try"}, "context": {"device": "desktop"}, "n": 500, "reward_sum": 40}).to_string();
    server.snapshot(&optimization, "2026-03-28", &[("cells/part-0.jsonl", cells)]).await;

    let body = json!({"bias": {"headline": 0.1, "cta_text": 0.05}});
    let trained = server.call("POST", &format!("/api/v2/models/{id}/train"), Some(&body)).await;
    assert_eq!(
        (trained.status, trained.text("/model_id"), trained.text("/status")),
        (200, id.clone(), "trained".to_owned()),
        "{}",
        trained.body
    );
    let metrics = &trained.body["in_sample_metrics"];
    assert!((metrics["historic_reward"].as_f64().unwrap() - 0.06).abs() < 1e-12, "{metrics}");
    let reward = &metrics["expected_reward"];
    let [mean, lower, upper] = ["mean", "ci_lower", "ci_upper"].map(|name| reward[name].as_f64().unwrap());
    assert!(lower < mean && mean < upper, "{reward}");

    let listed = server.call("GET", "/api/v2/models", None).await;
    let model = &listed.body["models"][0];
    for name in ["id", "model_type", "status", "training_data_config", "created_at", "updated_at"] {
        assert!(names(model).contains(&name), "{name} is missing: {model}");
    }
    assert_eq!((&model["id"], &model["status"]), (&json!(id), &json!("trained")));
    let mut of_config = names(&model["training_data_config"]);
    of_config.sort_unstable();
    assert_eq!(of_config, ["attribution", "context_factors", "design_factors", "reward"]);
    assert_eq!(listed.body["meta"]["organization_id"], ORGANIZATION);
    assert!(listed.text("/meta/request_id").starts_with("req_"));

    let deleted = server.call("DELETE", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!((deleted.status, deleted.text("/id"), deleted.text("/status")), (200, id, "archived".to_owned()));
    assert_eq!(names(&deleted.body).len(), 3, "{}", deleted.body);
    server.shutdown().await;
}

#[tokio::test]
async fn the_list_of_optimizations_is_paged_ordered_and_says_what_models_promise() {
    let (server, clock) = TestServer::start_at("2026-11-23T19:00:00Z").await;
    let mut made = Vec::new();
    for i in 0..4 {
        let mut body = data::mab();
        body["name"] = json!(format!("o{i}"));
        let reply = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
        made.push((reply.text("/id"), reply.text("/model_id")));
        clock.advance(chrono::TimeDelta::seconds(1));
    }
    let all = |reply: &crate::harness::Reply| {
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["optimizations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let list = async |query: &str| server.call("GET", &format!("/api/v2/optimizations{query}"), None).await;
    let patch = async |i: usize, body: Value| {
        let reply = server.call("PATCH", &format!("/api/v2/optimizations/{}", made[i].0), Some(&body)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        clock.advance(chrono::TimeDelta::seconds(1));
    };
    patch(1, json!({"status": "completed"})).await;
    patch(2, json!({"status": "archived"})).await;
    for (query, expected) in [
        ("", &["o1", "o3", "o0"][..]),
        ("?order_by=updated_at&include_archived=true", &["o2", "o1", "o3", "o0"]),
        ("?order_by=created_at", &["o3", "o1", "o0"]),
        ("?order_by=created_at&include_archived=true", &["o3", "o2", "o1", "o0"]),
    ] {
        assert_eq!(all(&list(query).await), expected, "{query}");
        let mark = if query.is_empty() { "?" } else { "&" };
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("{query}{mark}limit=2{cursor}")).await;
            assert!(all(&page).len() <= 2);
            paged.extend(all(&page));
            let Some(next) = page.body["meta"]["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, expected, "{query} in pages");
    }
    for bad in ["?order_by=name", "?limit=0", "?limit=101", "?include_archived=1", "?cursor=TU9ERUwj"] {
        assert_eq!(list(bad).await.status, 400, "{bad}");
    }
    let cursor = list("?limit=1").await.text("/meta/next_cursor");
    let of_other_order = list(&format!("?order_by=created_at&cursor={cursor}")).await;
    assert_eq!(of_other_order.status, 400, "{}", of_other_order.body);

    // Before the first training there is no summary; it follows what is in force, and goes with the model.
    assert!(list("").await.body["optimizations"].as_array().unwrap().iter().all(|o| o["summary"].is_null()));
    server.snapshot(&made[0].0, "1", &data::cells()).await;
    assert_eq!(server.train(&made[0].1).await.status, 200);
    let summary_of = async || {
        let reply = list("").await;
        let found = reply.body["optimizations"].as_array().unwrap().iter().find(|o| o["name"] == "o0").cloned();
        found.unwrap()
    };
    let found = summary_of().await;
    let state = server.call("GET", &format!("/api/v2/models/{}/state", made[0].1), None).await;
    assert_eq!(found["model_status"], "trained");
    let expected = json!({
        "variants_count": 2, "lift": state.body["estimated_improvement_percent"],
        "confidence": state.body["improvement_probability"], "exposures": data::EXPOSURES,
    });
    assert_eq!(found["summary"], expected);
    let calls = fulcrum_core::storage_calls::StorageCalls::within();
    calls
        .count(async {
            let listing = fulcrum_core::store::ListOptions::ALL;
            server.app.optimizations(ORGANIZATION, fulcrum_core::store::ListOrder::UpdatedAt, &listing).await.unwrap();
        })
        .await;
    assert_eq!(calls.total(), 2, "one Query, one BatchGetItem: {:?}", calls.so_far());
    server.call("DELETE", &format!("/api/v2/models/{}", made[0].1), None).await;
    assert_eq!(summary_of().await["summary"], Value::Null);
    server.shutdown().await;
}
