//! Every error, field for field.

use fulcrum::local::gateway::dispatch;
use fulcrum_core::App;
use fulcrum_core::auth::Scope;
use fulcrum_core::config::Endpoints;
use serde_json::{Value, json};

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer, assert_shape, request};

const NOWHERE: &str = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";

#[tokio::test]
async fn a_body_that_is_wrong_is_400() {
    let server = TestServer::start().await;
    let auth = format!("Bearer {}", server.key);
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    let raw = async |body: &str| server.send("POST", "/api/v2/models", &headers, body.to_owned()).await;
    assert_shape("error_no_json", &raw("{\"model_type\": ").await);
    assert_shape("error_two_values", &raw("{} {}").await);
    let followed = raw(&format!("{} {{}}", data::cmab())).await;
    assert_eq!(followed.status, 400, "{}", followed.body);
    assert!(followed.text("/error/message").starts_with("the body is not one JSON value: "), "{}", followed.body);
    assert_shape("error_array", &raw("[]").await);
    assert_shape("error_empty_body", &raw("").await);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = data::cmab();
        change(&mut body);
        body.to_string()
    };
    assert_shape(
        "error_unknown_field",
        &raw(&with(&|b| b["training_data_config"]["reward"]["unit"] = json!("EUR"))).await,
    );
    let wrong = with(&|b| b["training_data_config"]["attribution"]["conversion_window_hours"] = json!("24"));
    assert_shape("error_wrong_type", &raw(&wrong).await);
    assert_shape("error_unknown_model_type", &raw(&with(&|b| b["model_type"] = json!("linucb"))).await);
    let out = with(&|b| {
        let config = &mut b["training_data_config"];
        config["attribution"]["conversion_window_hours"] = json!(2161);
        config["design_factors"][0]["levels"] = json!(["A"]);
        config["context_factors"][0]["name"] = json!("no name");
    });
    assert_shape("error_out_of_range", &raw(&out).await);
    assert_shape("error_optimization_id", &raw(&with(&|b| b["optimization_id"] = json!("x"))).await);
    let with_excluded = |excluded: &str| {
        let body = with(&|b| b["training_data_config"]["excluded_combinations"] = json!("EXCLUDED"));
        body.replace("\"EXCLUDED\"", excluded)
    };
    let twice = raw(&with_excluded(r#"[{"headline": "B", "headline": "A"}]"#)).await;
    assert_eq!(twice.status, 400, "{}", twice.body);
    assert!(twice.text("/error/message").contains(r#"the name "headline" stands there twice"#), "{}", twice.body);
    let huge = raw(&with(&|b| b["training_data_config"]["exploration"] = json!(7)).replace('7', "1e999")).await;
    assert_eq!((huge.status, huge.text("/error/details/0/field")), (400, "training_data_config.exploration".into()));
    let mixed = with(&|b| b["model_type"] = json!("mab"));
    assert_shape("error_mab_with_context", &raw(&mixed).await);
    server.shutdown().await;
}

#[tokio::test]
async fn an_id_or_a_parameter_that_is_wrong_is_400() {
    let server = TestServer::start().await;
    let get = async |path: &str| server.call("GET", path, None).await;
    assert_shape("error_id", &get("/api/v2/models/42").await);
    assert_shape("error_unknown_parameter", &get("/api/v2/models?page=2").await);
    assert_shape("error_repeated_parameter", &get("/api/v2/models?limit=2&limit=3").await);
    assert_shape("error_limit", &get("/api/v2/models?limit=101").await);
    assert_shape("error_limit_text", &get("/api/v2/models?limit=ten").await);
    assert_shape("error_cursor", &get("/api/v2/models?cursor=abc").await);
    let with_parameter = server.call("POST", "/api/v2/models?limit=2", Some(&data::cmab())).await;
    assert_eq!((with_parameter.status, with_parameter.text("/error/details/0/field")), (400, "limit".into()));
    let (id, _) = server.model(&data::cmab()).await;
    let train = async |body: Value| server.call("POST", &format!("/api/v2/models/{id}/train"), Some(&body)).await;
    assert_shape("error_unknown_bias", &train(json!({"bias": {"colour": 0.1}})).await);
    assert_shape("error_bias_range", &train(json!({"bias": {"headline": 10.5}})).await);
    assert_shape("error_bias_type", &train(json!({"bias": {"headline": "much"}})).await);
    let auth = format!("Bearer {}", server.key);
    let raw = async |body: &'static str| {
        server.send("POST", &format!("/api/v2/models/{id}/train"), &[("authorization", &auth)], body).await
    };
    let twice = raw(r#"{"bias": {"headline": 0.1, "headline": 0.2}}"#).await;
    assert_eq!(twice.status, 400, "{}", twice.body);
    assert!(twice.text("/error/message").contains(r#"the name "headline" stands there twice"#), "{}", twice.body);
    let huge = raw(r#"{"bias": {"headline": 1e999}}"#).await;
    assert_eq!((huge.status, huge.text("/error/details/0/field")), (400, "bias.headline".to_owned()), "{}", huge.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_token_that_is_not_good_is_401() {
    let server = TestServer::start().await;
    let get = async |headers: &[(&str, &str)]| server.send("GET", "/api/v2/models", headers, "").await;
    assert_shape("error_no_token", &get(&[]).await);
    assert_shape("error_basic", &get(&[("authorization", "Basic dXNlcjpwYXNz")]).await);
    assert_shape("error_empty_token", &get(&[("authorization", "Bearer ")]).await);
    assert_shape("error_malformed_key", &get(&[("authorization", "Bearer flk_short")]).await);
    let unknown = format!("Bearer flk_{}", "A".repeat(43));
    assert_shape("error_unknown_key", &get(&[("authorization", &unknown)]).await);
    let (key, secret) = server.key_of(ORGANIZATION, &Scope::ALL).await;
    server.app.table.revoke_key(&key, server.app.clock.now()).await.unwrap();
    let revoked = format!("Bearer {}", secret.expose());
    assert_shape("error_revoked_key", &get(&[("authorization", &revoked)]).await);
    let good = format!("Bearer {}", server.key);
    let twice = get(&[("authorization", &good), ("authorization", &good)]).await;
    assert_eq!(twice.status, 401, "{}", twice.body);
    server.shutdown().await;
}

#[tokio::test]
async fn every_endpoint_of_models_needs_a_token_and_its_scope() {
    let server = TestServer::start().await;
    let (_, reader) = server.key_of(ORGANIZATION, &[Scope::ModelsRead]).await;
    let (_, writer) = server.key_of(ORGANIZATION, &[Scope::ModelsWrite]).await;
    let one = format!("/api/v2/models/{NOWHERE}");
    let (train, state) = (format!("{one}/train"), format!("{one}/state"));
    for (method, path, forbidden) in [
        ("GET", "/api/v2/models", &writer),
        ("GET", one.as_str(), &writer),
        ("GET", &state, &writer),
        ("POST", "/api/v2/models", &reader),
        ("DELETE", &one, &reader),
        ("POST", &train, &reader),
    ] {
        let anonymous = server.send(method, path, &[], "").await;
        assert_eq!((anonymous.status, anonymous.header("www-authenticate")), (401, Some("Bearer")), "{method} {path}");
        assert_eq!(server.call_as(forbidden.expose(), method, path, None).await.status, 403, "{method} {path}");
    }
    assert_shape("error_scope", &server.call_as(reader.expose(), "POST", "/api/v2/models", Some(&data::mab())).await);
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_anothers_is_not_there() {
    let server = TestServer::start().await;
    let (_, stranger) = server.key_of("org_other", &Scope::ALL).await;
    let (id, optimization) = server.model(&data::cmab()).await;
    for (method, rest) in [("GET", ""), ("GET", "/state"), ("DELETE", ""), ("POST", "/train")] {
        let foreign = server.call_as(stranger.expose(), method, &format!("/api/v2/models/{id}{rest}"), None).await;
        let unknown = server.call_as(stranger.expose(), method, &format!("/api/v2/models/{NOWHERE}{rest}"), None).await;
        let text = |reply: &Value| reply["error"].to_string().replace(&id, NOWHERE);
        assert_eq!(foreign.status, 404, "{method} {rest}");
        assert_eq!(text(&foreign.body), text(&unknown.body), "{method} {rest}");
    }
    assert_eq!(server.status(&id).await, "untrained", "a stranger changed the model");
    let mut body = data::cmab();
    body["optimization_id"] = json!(optimization);
    let foreign = server.call_as(stranger.expose(), "POST", "/api/v2/models", Some(&body)).await;
    assert_eq!(foreign.status, 404, "{}", foreign.body);
    let theirs = server.call_as(stranger.expose(), "GET", "/api/v2/models?include_archived=true", None).await;
    assert_eq!(theirs.body["models"], json!([]));
    assert_shape("error_unknown_model", &server.call("GET", &format!("/api/v2/models/{NOWHERE}"), None).await);
    body["optimization_id"] = json!(NOWHERE);
    assert_shape("error_unknown_optimization", &server.call("POST", "/api/v2/models", Some(&body)).await);
    assert_shape("error_unknown_path", &server.call("GET", "/api/v2/modelz", None).await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_known_path_with_another_method_is_405() {
    let server = TestServer::start().await;
    assert_shape("error_method", &server.call("PUT", "/api/v2/models", None).await);
    let one = format!("/api/v2/models/{NOWHERE}");
    for (method, path, allow) in [
        ("DELETE", "/api/v2/models", "GET, POST"),
        ("POST", one.as_str(), "GET, DELETE"),
        ("GET", &format!("{one}/train"), "POST"),
        ("OPTIONS", &format!("{one}/state"), "GET"),
        ("GET", "/api/v2/optimizations/best-variant", "POST"),
        ("PATCH", "/api/v2/optimizations/best-variant", "POST"),
    ] {
        let reply = server.call(method, path, None).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_the_state_of_things_does_not_permit_is_409() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    let mut second = data::cmab();
    second["optimization_id"] = json!(optimization);
    assert_shape("error_active_model", &server.call("POST", "/api/v2/models", Some(&second)).await);
    server.call("DELETE", &format!("/api/v2/models/{id}"), None).await;
    assert_shape("error_train_archived", &server.train(&id).await);
    let again = server.call("POST", "/api/v2/models", Some(&second)).await;
    assert_eq!(again.status, 201, "a new model after the deletion: {}", again.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let server = TestServer::start().await;
    let auth = format!("Bearer {}", server.key);
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    let post = async |bytes: usize| server.send("POST", "/api/v2/models", &headers, vec![b' '; bytes]).await;
    assert_eq!(post(1_000_000).await.status, 400, "the limit itself is accepted");
    assert_shape("error_too_large", &post(1_000_001).await);
    assert_shape("error_too_large_for_the_gateway", &post(10 * 1024 * 1024 + 1).await);
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_to_train_on_is_422() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    assert_shape("error_no_snapshot", &server.train(&id).await);
    let row = json!({"anonymous_id": "u", "timestamp": 1_793_491_200, "variant": {"headline": "Z"}});
    server.snapshot(&optimization, "1", &[("exposures/a.jsonl", format!("{row}\n"))]).await;
    assert_shape("error_nothing_usable", &server.train(&id).await);
    let bad = "anonymous_id,timestamp,variant\nu,yesterday,\"{\"\"headline\"\":\"\"A\"\"}\"\n";
    server.snapshot(&optimization, "2", &[("exposures/a.csv", bad.into())]).await;
    assert_shape("error_bad_value", &server.train(&id).await);
    server.snapshot(&optimization, "3", &[("exposures/a.csv", "anonymous_id,variant\nu,{}\n".into())]).await;
    assert_shape("error_missing_column", &server.train(&id).await);
    server.snapshot(&optimization, "4", &[("exposures/a.csv", "a\n".into()), ("cells/a.csv", "a\n".into())]).await;
    assert_shape("error_two_shapes", &server.train(&id).await);
    server.shutdown().await;
}

/// Files that are too wide fail with a message of bounded length, which the model records.
#[tokio::test]
async fn what_is_too_wide_to_read_is_recorded_as_the_last_error() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    let names: Vec<String> = (0..500).map(|i| format!("{i:03}{}", "n".repeat(997))).collect();
    let keys: Vec<String> = (0..12_000).map(|i| format!("\"k{i}\":1")).collect();
    for (snapshot, name, text, message) in [
        (
            "1",
            "exposures/a.csv",
            names.join(",") + "\n",
            "exposures/a.csv: column \"anonymous_id\" is missing; the columns are 000nn",
        ),
        (
            "2",
            "exposures/a.json",
            format!("{{{}}}\n", keys.join(",")),
            "exposures/a.json, line 1: the record has more fields, more than the limit of 10000 (fields)",
        ),
    ] {
        server.snapshot(&optimization, snapshot, &[(name, text)]).await;
        let failed = server.train(&id).await;
        assert_eq!(
            (failed.status, failed.text("/error/code")),
            (422, "invalid_snapshot".to_owned()),
            "{}",
            failed.body
        );
        let said = failed.text("/error/message");
        assert!(said.contains(message) && said.chars().count() <= 2_000, "{said}");
        let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
        assert_eq!(
            (model.text("/last_error/code"), model.text("/last_error/message")),
            ("invalid_snapshot".into(), said)
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn storage_that_is_away_is_503() {
    let server = TestServer::start().await;
    // Nothing listens on the discard port.
    let endpoints = Endpoints { dynamodb: Some("http://127.0.0.1:9".into()), ..server.stores.endpoints().clone() };
    let app = App { table: App::new(server.stores.sdk(), &endpoints, "table", "bucket").table, ..server.app.clone() };
    let request = request("GET", "/api/v2/models", &server.key, None);
    assert_shape("error_unavailable", &Reply::of(dispatch(&app, request).await));
    server.shutdown().await;
}

#[tokio::test]
async fn a_fault_of_ours_is_500_and_names_the_request_whose_log_has_the_cause() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    assert_eq!(server.train(&id).await.status, 200);
    let object = fulcrum_core::store::posterior_key(ORGANIZATION, &id, 1);
    server.app.bucket.put(&object, bytes::Bytes::from_static(b"\xff no posterior").into()).await.unwrap();
    assert_shape("error_internal", &server.call("GET", &format!("/api/v2/models/{id}/state"), None).await);

    // A run over a bucket that is not there.
    let elsewhere = App::new(server.stores.sdk(), server.stores.endpoints(), "table", "nowhere").bucket;
    let app = App { bucket: elsewhere, ..server.app.clone() };
    let run = request("POST", &format!("/api/v2/models/{id}/train"), &server.key, None);
    let failed = Reply::of(dispatch(&app, run).await);
    assert_eq!((failed.status, failed.text("/error/code")), (500, "internal".to_owned()), "{}", failed.body);
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    let expected = format!(
        "something went wrong on our side; the log has the cause under the request id {}",
        failed.text("/meta/request_id")
    );
    assert_eq!(model.text("/last_error/message"), expected);
    server.shutdown().await;
}
