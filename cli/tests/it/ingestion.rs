//! The ingestion contract, body by body, as it stands.

use std::net::IpAddr;

use fulcrum::local::{HttpOptions, HttpServer, listen};
use fulcrum_core::App;
use fulcrum_core::auth::Scope;
use fulcrum_core::config::Endpoints;
use serde_json::{Value, json};

use crate::harness::{ORGANIZATION, Reply, TestServer};

const NOW: &str = "2026-11-28T06:20:16Z";
const EXPOSURES: &str = "/api/v2/ingest/exposures";
const REWARDS: &str = "/api/v2/ingest/rewards";

/// An exposure with every field that there is.
fn exposure(optimization: &str) -> Value {
    json!({
        "anonymous_id": "visitor-1", "optimization_id": optimization, "variant": {"headline": "Ship faster", "sticky_cta": true},
        "context": {"device": "mobile", "visits": 3, "returning": false, "country": null}, "timestamp": "2026-11-28T06:20:16.123Z",
        "idempotency_key": "exposure-1", "posterior_version": 4, "propensity": 0.25, "holdout": false,
    })
}

/// A reward with every field that there is.
fn reward(optimization: &str) -> Value {
    json!({
        "anonymous_id": "visitor-1", "name": "signup", "value": 12.5, "timestamp": "2026-11-28T07:20:16+01:00",
        "idempotency_key": "reward-1", "optimization_id": optimization, "properties": {"plan": "pro", "seats": 3},
    })
}

fn batch(events: &[Value]) -> Value {
    json!({ "events": events })
}

async fn stage() -> (TestServer, String) {
    let (server, _) = TestServer::start_at(NOW).await;
    let (_, optimization) = server
        .model(&json!({"model_type": "cmab", "training_data_config": {
            "design_factors": [
                {"name": "headline", "dtype": "str", "levels": ["Ship faster", "Save 20%"]}, {"name": "sticky_cta", "dtype": "bool"},
            ],
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        }}))
        .await;
    (server, optimization)
}

/// An answer without its request id.
fn said(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    let id = body["meta"].as_object_mut().unwrap().remove("request_id").unwrap();
    assert!(id.as_str().unwrap().starts_with("req_"), "{id}");
    (reply.status, body)
}

/// Objects that wait for compaction, of all organizations.
async fn waiting(server: &TestServer) -> usize {
    server.app.bucket.list("events/").await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn good_events_are_accepted_with_200_in_one_object() {
    let (server, optimization) = stage().await;
    let least = [
        (
            EXPOSURES,
            json!({"anonymous_id": "v", "optimization_id": optimization, "variant": {"headline": "Save 20%", "sticky_cta": false}}),
        ),
        (REWARDS, json!({"anonymous_id": "v", "name": "signup"})),
    ];
    let mut objects = 0;
    for ((path, least), whole) in least.into_iter().zip([exposure(&optimization), reward(&optimization)]) {
        let reply = server.call("POST", path, Some(&batch(&[whole, least]))).await;
        let meta = json!({"organization_id": ORGANIZATION});
        assert_eq!(said(&reply), (200, json!({"accepted": 2, "rejected": [], "meta": meta})));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        objects += 1;
        assert_eq!(waiting(&server).await, objects);
    }
    // Five hundred are taken, in the other header, and with the type that curl gives a body.
    let many: Vec<Value> = (0..500).map(|n| json!({"anonymous_id": format!("v{n}"), "name": "signup"})).collect();
    let headers = [("x-api-key", server.key.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let reply = server.send("POST", REWARDS, &headers, batch(&many).to_string()).await;
    assert_eq!((reply.status, &reply.body["accepted"]), (200, &json!(500)));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_the_model_does_not_have_is_stored_and_warned_of() {
    let (server, optimization) = stage().await;
    let mut event = exposure(&optimization);
    event["variant"]["headline"] = json!("Ship slower");
    let reply = server.call("POST", EXPOSURES, Some(&batch(&[exposure(&optimization), event]))).await;
    assert_eq!((reply.status, &reply.body["accepted"]), (200, &json!(2)), "{}", reply.body);
    let warning = &reply.body["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["example"]),
        (&json!("unknown_variant"), &json!({"index": 1, "factor": "headline", "level": "Ship slower"}),)
    );
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_bad_events_are_told_with_207_and_the_others_are_stored() {
    let (server, optimization) = stage().await;
    let mut late = exposure(&optimization);
    late["timestamp"] = json!("2026-11-29T06:20:17Z");
    let mut typo = exposure(&optimization);
    typo["idempotencyKey"] = json!("x");
    let reply =
        server.call("POST", EXPOSURES, Some(&batch(&[late, exposure(&optimization), typo, json!("text")]))).await;
    let (status, body) = said(&reply);
    assert_eq!((status, &body["accepted"]), (207, &json!(1)), "{body}");
    let rejected = body["rejected"].as_array().unwrap();
    let told: Vec<(u64, &str, &str)> = rejected
        .iter()
        .map(|r| {
            (r["index"].as_u64().unwrap(), r["code"].as_str().unwrap(), r["details"][0]["field"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "timestamp_in_the_future", "events[0].timestamp"),
            (2, "invalid_event", "events[2].idempotencyKey"),
            (3, "invalid_event", "events[3]"),
        ]
    );
    let message = rejected[0]["message"].as_str().unwrap();
    assert_eq!(message, "timestamp: \"2026-11-29T06:20:17Z\" is more than 24 hours ahead of the server's clock");
    assert_eq!(waiting(&server).await, 1);
    // Where none is good nothing is stored, and it is still the events' fault and not the request's.
    let reply = server.call("POST", REWARDS, Some(&batch(&[json!({"anonymous_id": "v"})]))).await;
    assert_eq!((reply.status, &reply.body["accepted"]), (207, &json!(0)));
    assert_eq!(waiting(&server).await, 1);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_batch_is_400() {
    let (server, optimization) = stage().await;
    let too_many: Vec<Value> = (0..501).map(|_| reward(&optimization)).collect();
    for (body, told) in [
        (String::new(), "not JSON"),
        ("{\"events\": [".to_owned(), "not JSON"),
        (json!([]).to_string(), "the body: "),
        (json!({}).to_string(), "missing field `events`"),
        (json!({"events": {}}).to_string(), "the body: "),
        (json!({"events": [], "more": 1}).to_string(), "unknown field `more`"),
        (batch(&[]).to_string(), "there are 0 events; 1 to 500 are accepted in one request"),
        (batch(&too_many).to_string(), "there are 501 events; 1 to 500 are accepted in one request"),
    ] {
        for path in [EXPOSURES, REWARDS] {
            let headers = [("x-api-key", server.key.as_str()), ("content-type", "application/json")];
            let reply = server.send("POST", path, &headers, body.clone()).await;
            assert_eq!((reply.status, reply.text("/error/code").as_str()), (400, "invalid_request"), "{}", reply.body);
            assert!(reply.body["error"].to_string().contains(told), "{told}: {}", reply.body);
        }
    }
    let reply = server.call("POST", &format!("{REWARDS}?dry_run=1"), Some(&batch(&[reward(&optimization)]))).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_eq!(waiting(&server).await, 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_optimization_is_403_for_the_whole_batch() {
    let (server, optimization) = stage().await;
    let unknown = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";
    for (path, good, foreign) in
        [(EXPOSURES, exposure(&optimization), exposure(unknown)), (REWARDS, reward(&optimization), reward(unknown))]
    {
        let reply = server.call("POST", path, Some(&batch(&[good.clone(), foreign]))).await;
        assert_eq!((reply.status, reply.text("/error/code").as_str()), (403, "forbidden"), "{}", reply.body);
        let message = reply.text("/error/message");
        assert!(message.starts_with(&format!("events[1].optimization_id: {unknown}")), "{message}");
        // Nor does it help another organization to know an id.
        let (_, secret) = server.key_of("org_other", &[Scope::EventsWrite]).await;
        let reply = server.call_as(secret.expose(), "POST", path, Some(&batch(&[good]))).await;
        assert_eq!(reply.status, 403, "{}", reply.body);
    }
    assert_eq!(waiting(&server).await, 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_send_and_what_is_too_much_is_told() {
    let (server, optimization) = stage().await;
    let body = batch(&[exposure(&optimization)]);
    let reply = server.send("POST", EXPOSURES, &[("content-type", "application/json")], body.to_string()).await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
    let (_, reader) = server.key_of(ORGANIZATION, &[Scope::ModelsRead, Scope::ModelsWrite]).await;
    let reply = server.call_as(reader.expose(), "POST", EXPOSURES, Some(&body)).await;
    assert_eq!((reply.status, reply.text("/error/code").as_str()), (403, "forbidden"));
    let reply = server.call("GET", EXPOSURES, None).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    let mut large = reward(&optimization);
    large["properties"] = json!({"text": "x".repeat(5_000_000)});
    let reply = server.call("POST", REWARDS, Some(&batch(&[large]))).await;
    assert_eq!((reply.status, reply.text("/error/code").as_str()), (413, "payload_too_large"), "{}", reply.body);
    assert_eq!(waiting(&server).await, 0);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_503_with_retry_after_and_the_same_batch_is_taken_later() {
    let (mut server, optimization) = stage().await;
    let body = batch(&[exposure(&optimization)]);
    // The same service, but its bucket is where nothing listens.
    let endpoints = Endpoints { s3: Some("http://127.0.0.1:9".to_owned()), ..server.stores.endpoints().clone() };
    let away = App { clock: server.app.clock.clone(), ..App::new(server.stores.sdk(), &endpoints, "table", "bucket") };
    let listener = listen(IpAddr::from([127, 0, 0, 1]), 0).await.unwrap();
    let http = HttpServer::start_with(listener, away, HttpOptions::default()).unwrap();
    let url = std::mem::replace(&mut server.url, http.url());
    let reply = server.call("POST", EXPOSURES, Some(&body)).await;
    assert_eq!((reply.status, reply.text("/error/code").as_str()), (503, "unavailable"), "{}", reply.body);
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    server.url = url;
    assert_eq!(waiting(&server).await, 0);
    assert_eq!(server.call("POST", EXPOSURES, Some(&body)).await.status, 200);
    http.shutdown().await;
    server.shutdown().await;
}
