//! Requests that try to make answers large or objects of lists, end to end.

use serde_json::json;

use crate::data;
use crate::harness::TestServer;

/// Far below the 6 MB that a function may answer with.
const MOST_BYTES: usize = 256_000;

#[tokio::test]
async fn nobody_can_make_an_error_large() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    let auth = format!("Bearer {}", server.key);
    let token = [("authorization", auth.as_str())];
    let (long, quotes) = ("x".repeat(900_000), "\\\"".repeat(400_000));
    let names: Vec<String> = (0..74_000).map(|n| format!("\"n{n}\":1")).collect();
    let serve = format!("/api/v2/optimizations/{optimization}/serve");
    let train = format!("/api/v2/models/{id}/train");
    for (path, body) in [
        (serve.as_str(), format!(r#"{{"anonymous_id": "u", "{long}": 1}}"#)),
        (&serve, format!(r#"{{"anonymous_id": "u", "{quotes}": 1}}"#)),
        (&serve, format!(r#"{{"anonymous_id": "u", "dry_run": "{quotes}"}}"#)),
        ("/api/v2/optimizations/best-variant", format!(r#"{{"anonymous_id": "u", "optimization_id": "{quotes}"}}"#)),
        (&train, format!(r#"{{"bias": {{{}}}}}"#, names.join(","))),
        (&train, format!(r#"{{"bias": {{"{quotes}": 1}}}}"#)),
    ] {
        let answer = server.send("POST", path, &token, body).await;
        assert_eq!(answer.status, 400, "{path}");
        let bytes = answer.body.to_string().len();
        assert!(bytes < MOST_BYTES, "{bytes} bytes from {path}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_body_is_an_object_and_so_is_every_object_in_it() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    let auth = format!("Bearer {}", server.key);
    let token = [("authorization", auth.as_str())];
    let (train, rollback) = (format!("/api/v2/models/{id}/train"), format!("/api/v2/models/{id}/rollback"));
    let serve = format!("/api/v2/optimizations/{optimization}/serve");
    for (method, path, body) in [
        ("POST", train.as_str(), json!([{"headline": 1.0}])),
        ("POST", &rollback, json!([1])),
        ("POST", &serve, json!(["u", {}, false])),
        ("POST", "/api/v2/optimizations/best-variant", json!([optimization, "u", {}, false])),
        ("PATCH", &format!("/api/v2/optimizations/{optimization}"), json!(["another name", "live"])),
    ] {
        let answer = server.send(method, path, &token, body.to_string()).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.text("/error/message").contains("expected an object"), "{path}: {}", answer.body);
    }
    let twice = r#"{"anonymous_id": "u", "context": {"device": "a", "device": "b"}}"#;
    assert_eq!(server.send("POST", &serve, &[], twice).await.status, 400);
    // A version is an integer, however it is written.
    let rolled = server.send("POST", &rollback, &token, r#"{"posterior_version": 1.0}"#).await;
    assert_eq!(rolled.status, 404, "{}", rolled.body);
    server.shutdown().await;
}
