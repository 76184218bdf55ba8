//! Optimizations and serving through the HTTP port: every answer field for field, and every refusal.

use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::auth::Scope;
use lambda_http::http::Request;
use serde_json::{Value, json};

use crate::data;
use crate::harness::{Reply, TestServer, assert_shape};
use crate::process::{LocalProcess, run};

const OPTIMIZATIONS: &str = "/api/v2/optimizations";

/// A cmab of two headlines with a holdout.
fn body() -> Value {
    let mut body = data::cmab();
    body["name"] = json!("Landing page");
    body["holdout_percentage"] = json!(10);
    body
}

/// The snapshots of this file are those whose names begin with `serving_`.
#[track_caller]
fn shape(name: &str, reply: &Reply) {
    assert_shape(&format!("serving_{name}"), reply);
}

async fn create(server: &TestServer) -> (String, String) {
    let made = server.call("POST", OPTIMIZATIONS, Some(&body())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    (made.text("/id"), made.text("/model_id"))
}

/// A request without a token.
async fn open(server: &TestServer, method: &str, path: &str, body: &Value) -> Reply {
    server.send(method, path, &[("content-type", "application/json")], body.to_string()).await
}

/// Serves one visitor after the other until one gets what is asked for: ids, and so choices, differ from run to run.
async fn serve_until(server: &TestServer, path: &str, body: &Value, wanted: impl Fn(&Value) -> bool) -> Reply {
    for user in 0..1_000 {
        let mut body = body.clone();
        body["anonymous_id"] = json!(format!("user-{user}"));
        let reply = open(server, "POST", path, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        if wanted(&reply.body) {
            return reply;
        }
    }
    panic!("nobody of 1,000 got it");
}

#[tokio::test]
async fn an_optimization_from_birth_to_archive() {
    let server = TestServer::start().await;
    let made = server.call("POST", OPTIMIZATIONS, Some(&body())).await;
    shape("optimization_create", &made);
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    let path = format!("{OPTIMIZATIONS}/{id}");
    shape("optimization_get", &server.call("GET", &path, None).await);
    shape("optimization_list", &server.call("GET", OPTIMIZATIONS, None).await);

    let (serve, context) = (format!("{path}/serve"), json!({"context": {"device": "mobile"}}));
    let second = |decision: &Value| decision["variant_index"] == 1;
    shape("serve", &serve_until(&server, &serve, &context, second).await);
    let held = |decision: &Value| decision["holdout"] == true;
    shape("serve_holdout", &serve_until(&server, &serve, &json!({"dry_run": true}), held).await);
    let named = json!({"optimization_id": id, "context": {"device": null, "other": 1}});
    shape("best_variant", &serve_until(&server, &format!("{OPTIMIZATIONS}/best-variant"), &named, second).await);
    shape("policy", &server.send("GET", &format!("{path}/policy"), &[], "").await);

    let changes = json!({"name": "Front page", "status": "completed"});
    shape("optimization_patch", &server.call("PATCH", &path, Some(&changes)).await);
    assert_eq!(server.call("DELETE", &format!("/api/v2/models/{model}"), None).await.status, 200);
    shape("optimization_without_model", &server.call("GET", &path, None).await);
    server.shutdown().await;
}

#[tokio::test]
async fn refusals() {
    let server = TestServer::start().await;
    let (id, model) = create(&server).await;
    let (path, nobody) =
        (format!("{OPTIMIZATIONS}/{id}"), format!("{OPTIMIZATIONS}/4754cae0-9a5d-4691-91af-6d15ccc1f82e"));
    let user = json!({"anonymous_id": "u"});
    let serve = async |name: &str, path: String, body: Value| shape(name, &open(&server, "POST", &path, &body).await);
    serve("serve_bad_id", format!("{OPTIMIZATIONS}/x/serve"), user.clone()).await;
    serve("serve_unknown", format!("{nobody}/serve"), user.clone()).await;
    serve("serve_without_id", format!("{path}/serve"), json!({})).await;
    serve("serve_empty_id", format!("{path}/serve"), json!({"anonymous_id": ""})).await;
    serve("serve_unknown_field", format!("{path}/serve"), json!({"anonymous_id": "u", "user": 1})).await;
    serve("serve_bad_context", format!("{path}/serve"), json!({"anonymous_id": "u", "context": []})).await;
    serve("best_variant_without_optimization", format!("{OPTIMIZATIONS}/best-variant"), user.clone()).await;
    shape("serve_other_method", &server.send("GET", &format!("{path}/serve"), &[], "").await);
    shape("policy_unknown", &server.send("GET", &format!("{nobody}/policy"), &[], "").await);

    // What may be left out may be null.
    let null = json!({"anonymous_id": "u", "context": null, "dry_run": null});
    assert_eq!(open(&server, "POST", &format!("{path}/serve"), &null).await.status, 200);
    let mut named = null;
    named["optimization_id"] = json!(id);
    assert_eq!(open(&server, "POST", &format!("{OPTIMIZATIONS}/best-variant"), &named).await.status, 200);

    let refused = async |name: &str, method: &str, path: &str, body: Value| {
        shape(name, &server.call(method, path, Some(&body)).await);
    };
    let with = |field: &str, value: Value| {
        let mut body = body();
        body[field] = value;
        body
    };
    refused("create_bad_holdout", "POST", OPTIMIZATIONS, with("holdout_percentage", json!(50.5))).await;
    refused("create_bad_name", "POST", OPTIMIZATIONS, with("name", json!(""))).await;
    refused("create_unknown_field", "POST", OPTIMIZATIONS, with("holdout", json!(5))).await;
    refused("patch_nothing", "PATCH", &path, json!({})).await;
    refused("patch_bad_status", "PATCH", &path, json!({"status": "paused"})).await;
    refused("patch_holdout", "PATCH", &path, json!({"holdout_percentage": 5})).await;
    refused("patch_unknown", "PATCH", &nobody, json!({"name": "x"})).await;
    refused("rollback_unknown", "POST", &format!("/api/v2/models/{model}/rollback"), json!({"posterior_version": 1}))
        .await;
    refused("rollback_bad", "POST", &format!("/api/v2/models/{model}/rollback"), json!({"posterior_version": -1}))
        .await;
    shape("list_query", &server.call("GET", &format!("{OPTIMIZATIONS}?page=1"), None).await);

    // Who may call: everything but serving needs a token, and its scope.
    let (_, reader) = server.key_of("org_test", &[Scope::ModelsRead]).await;
    for (method, path) in
        [("GET", OPTIMIZATIONS), ("POST", OPTIMIZATIONS), ("GET", path.as_str()), ("PATCH", path.as_str())]
    {
        assert_eq!(server.send(method, path, &[], "{}").await.status, 401, "{method} {path}");
        let allowed = method == "GET";
        let status = server.call_as(reader.expose(), method, path, Some(&json!({}))).await.status;
        assert_eq!(status, if allowed { 200 } else { 403 }, "{method} {path}");
    }
    let (_, other) = server.key_of("org_other", &Scope::ALL).await;
    assert_eq!(server.call_as(other.expose(), "GET", &path, None).await.status, 404);
    server.shutdown().await;
}

#[tokio::test]
async fn a_deleted_model_conflicts_until_there_is_a_new_one() {
    let (server, clock) = TestServer::start_at("2026-11-03T00:00:00Z").await;
    let (id, model) = create(&server).await;
    let serve = format!("{OPTIMIZATIONS}/{id}/serve");
    let user = json!({"anonymous_id": "u"});
    server.call("DELETE", &format!("/api/v2/models/{model}"), None).await;
    shape("serve_deleted", &open(&server, "POST", &serve, &user).await);
    shape("policy_deleted", &server.send("GET", &format!("{OPTIMIZATIONS}/{id}/policy"), &[], "").await);
    let mut new = data::mab();
    new["optimization_id"] = json!(id);
    let made = server.call("POST", "/api/v2/models", Some(&new)).await;
    clock.advance(TimeDelta::seconds(30));
    let reply = open(&server, "POST", &serve, &user).await;
    assert_eq!((reply.status, reply.text("/model_id")), (200, made.text("/id")), "{}", reply.body);
    server.call("PATCH", &format!("{OPTIMIZATIONS}/{id}"), Some(&json!({"status": "archived"}))).await;
    clock.advance(TimeDelta::seconds(30));
    shape("serve_archived", &open(&server, "POST", &serve, &user).await);
    server.shutdown().await;
}

#[tokio::test]
async fn the_policy_has_a_tag_that_changes_with_the_version() {
    let (server, clock) = TestServer::start_at("2026-11-03T00:00:00Z").await;
    let (id, model) = create(&server).await;
    let get = async |known: &str| {
        let request = Request::get(format!("{OPTIMIZATIONS}/{id}/policy"))
            .header("host", "localhost")
            .header("if-none-match", known)
            .body(Bytes::new());
        let response = dispatch(&server.app, request.unwrap()).await;
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("cache-control").as_deref(), Some("public, max-age=30"));
        (response.status().as_u16(), header("etag").unwrap(), response.body().as_ref().len())
    };
    let (status, first, _) = get("\"other\"").await;
    assert_eq!(status, 200);
    for known in [first.clone(), format!("\"x\", {first}"), first.replace("W/", ""), "*".into()] {
        assert_eq!(get(&known).await, (304, first.clone(), 0), "{known}");
    }
    server.snapshot(&id, "1", &data::cells()).await;
    assert_eq!(server.train(&model).await.status, 200);
    assert_eq!(get(&first).await.0, 304, "within the cache time");
    clock.advance(TimeDelta::seconds(30));
    let (status, second, _) = get(&first).await;
    assert_eq!(status, 200);
    assert_ne!(first, second);
    server.shutdown().await;
}

#[tokio::test]
async fn training_and_rolling_back_move_what_is_served() {
    let (server, clock) = TestServer::start_at("2026-11-03T00:00:00Z").await;
    let (id, model) = create(&server).await;
    server.snapshot(&id, "1", &data::cells()).await;
    let serve = format!("{OPTIMIZATIONS}/{id}/serve");
    let version = async || {
        clock.advance(TimeDelta::seconds(30));
        open(&server, "POST", &serve, &json!({"anonymous_id": "u"})).await.text("/posterior_version")
    };
    assert_eq!(version().await, "0");
    server.train(&model).await;
    assert_eq!(version().await, "1");
    server.train(&model).await;
    assert_eq!(version().await, "2");
    let to = json!({"posterior_version": 1});
    let rolled = server.call("POST", &format!("/api/v2/models/{model}/rollback"), Some(&to)).await;
    assert_eq!((rolled.status, rolled.text("/posterior_version")), (200, "1".into()));
    assert_eq!(version().await, "1");
    let all = server.call("GET", &format!("/api/v2/models/{model}/posteriors"), None).await;
    assert_eq!((all.text("/posteriors/0/active"), all.text("/posteriors/1/active")), ("false".into(), "true".into()));
    server.train(&model).await;
    assert_eq!(version().await, "3");
    server.shutdown().await;
}

#[test]
fn the_command_makes_shows_changes_and_serves() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let command = |arguments: &[&str]| {
        let ended = run(arguments, &local.environment);
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    };
    let json =
        |arguments: &[&str]| -> Value { serde_json::from_str(&command(&[arguments, &["--json"]].concat())).unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("optimization.json");
    std::fs::write(&file, body().to_string()).unwrap();
    let made = json(&["optimizations", "create", "--file", file.to_str().unwrap()]);
    let (id, model) = (made["id"].as_str().unwrap(), made["model_id"].as_str().unwrap());
    for shown in [command(&["optimizations", "list"]), command(&["optimizations", "show", id])] {
        assert!(shown.contains(id) && shown.contains("Landing page") && shown.contains("10 %"), "{shown}");
    }
    let served = json(&["serve", id, "--anonymous-id", "u", "--context", "device=mobile"]);
    let shown = command(&["serve", id, "--anonymous-id", "u", "--context", "device=mobile"]);
    let headline = served["variant"]["headline"].as_str().unwrap();
    assert!(shown.contains(&format!("headline={headline}")), "{shown}");
    let changed = json(&["optimizations", "update", id, "--name", "Front page", "--status", "completed"]);
    assert_eq!((changed["name"].as_str(), changed["status"].as_str()), (Some("Front page"), Some("completed")));
    assert!(command(&["models", "posteriors", model]).contains("version"));
    let refused = run(&["models", "rollback", model, "--to", "1"], &local.environment);
    assert!(refused.status == Some(1) && refused.stderr.contains("there is no posterior"), "{refused:?}");
    let nothing = run(&["optimizations", "update", id], &local.environment);
    assert!(nothing.status == Some(2) && nothing.stderr.contains("--name"), "{nothing:?}");
}
