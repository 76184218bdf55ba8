//! Every route with every kind of token and every kind of id. Whoever may not call learns nothing from the answer, and what is
//! another organization's is not to be told from what is not there: not by the status, the headers, the body, or the storage
//! calls that the answer took, which is what its time is made of.

mod issuer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::auth::Scope;
use fulcrum_core::clock::ManualClock;
use fulcrum_core::http::ROUTES;
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::{App, Body, IngestCache, ServingCache};
use lambda_http::http::Request;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, TestServer};
use issuer::TestIssuer;

const NOW: &str = "2026-11-28T06:00:00Z";
const NOW_SECONDS: i64 = 1_795_845_600;
const STRANGER: &str = "org_other";

/// What a route names, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Nothing,
    Model,
    Optimization,
    /// By its body.
    OptimizationWithin,
    /// A visitor, of whom every organization has its own.
    Visitor,
}

/// What a route answers to good tokens of its own organization.
struct Row {
    method: &'static str,
    path: &'static str,
    /// `None`: it takes no token.
    scope: Option<Scope>,
    names: Names,
    /// The body, around the id of an optimization.
    body: fn(&str) -> Value,
    /// To what is the organization's own.
    own: u16,
    /// To what is archived.
    archived: u16,
    /// To what is not there, and to what is another organization's.
    unknown: u16,
}

fn no_body(_: &str) -> Value {
    Value::Null
}

fn exposure(optimization: &str) -> Value {
    json!({"events": [{"anonymous_id": "v", "optimization_id": optimization, "variant": {"headline": "A"}}]})
}

fn reward(optimization: &str) -> Value {
    json!({"events": [{"anonymous_id": "v", "optimization_id": optimization, "name": "signup"}]})
}

fn visitor(_: &str) -> Value {
    json!({"anonymous_id": "v"})
}

fn visitor_of(optimization: &str) -> Value {
    json!({"anonymous_id": "v", "optimization_id": optimization})
}

fn model_of(optimization: &str) -> Value {
    let mut body = data::mab();
    body["optimization_id"] = json!(optimization);
    body
}

fn named(_: &str) -> Value {
    let mut body = data::mab();
    body["name"] = json!("Headlines");
    body
}

const READ: Option<Scope> = Some(Scope::ModelsRead);
const WRITE: Option<Scope> = Some(Scope::ModelsWrite);
const EVENTS: Option<Scope> = Some(Scope::EventsWrite);

macro_rules! rows {
    ($($method:literal $path:literal $scope:expr, $names:ident $body:expr => $own:literal $archived:literal $unknown:literal;)+) => {
        [$(Row {
            method: $method, path: $path, scope: $scope, names: Names::$names, body: $body,
            own: $own, archived: $archived, unknown: $unknown,
        },)+]
    };
}

/// One row a route.
fn table() -> Vec<Row> {
    // method, path, scope, what it names, body => own, archived, unknown
    Vec::from(rows! {
        "GET" "/api/v2/models" READ, Nothing no_body => 200 200 200;
        "POST" "/api/v2/models" WRITE, OptimizationWithin model_of => 409 201 404;
        "GET" "/api/v2/models/{id}" READ, Model no_body => 200 200 404;
        "DELETE" "/api/v2/models/{id}" WRITE, Model no_body => 200 200 404;
        "POST" "/api/v2/models/{id}/train" WRITE, Model no_body => 422 409 404;
        "GET" "/api/v2/models/{id}/state" READ, Model no_body => 200 200 404;
        "GET" "/api/v2/models/{id}/posteriors" READ, Model no_body => 200 200 404;
        "POST" "/api/v2/models/{id}/rollback" WRITE, Model |_| json!({"posterior_version": 1}) => 404 409 404;
        "GET" "/api/v2/optimizations" READ, Nothing no_body => 200 200 200;
        "POST" "/api/v2/optimizations" WRITE, Nothing named => 201 201 201;
        "POST" "/api/v2/optimizations/best-variant" None, OptimizationWithin visitor_of => 200 409 404;
        "GET" "/api/v2/optimizations/{id}" READ, Optimization no_body => 200 200 404;
        "PATCH" "/api/v2/optimizations/{id}" WRITE, Optimization |_| json!({"name": "Other headlines"}) => 200 200 404;
        "POST" "/api/v2/optimizations/{id}/serve" None, Optimization visitor => 200 409 404;
        "GET" "/api/v2/optimizations/{id}/policy" None, Optimization no_body => 200 409 404;
        "GET" "/api/v2/optimizations/{id}/results" READ, Optimization no_body => 404 404 404;
        "POST" "/api/v2/optimizations/{id}/evaluate" READ, Optimization |_| json!({"policies": [{"uniform": true}]}) => 404 404 404;
        "GET" "/api/v2/optimizations/{id}/history" READ, Optimization no_body => 200 200 404;
        "POST" "/api/v2/ingest/exposures" EVENTS, OptimizationWithin exposure => 200 200 403;
        "POST" "/api/v2/ingest/rewards" EVENTS, OptimizationWithin reward => 200 200 403;
        "POST" "/api/v2/ingest/flush" EVENTS, Nothing no_body => 202 202 202;
        "DELETE" "/api/v2/ingest/users/{id}" EVENTS, Visitor no_body => 202 202 202;
        "GET" "/console" None, Nothing no_body => 200 200 200;
        "GET" "/console/{id}" None, Visitor no_body => 404 404 404;
        "GET" "/api/v2/openapi.json" None, Nothing no_body => 200 200 200;
    })
}

#[test]
fn every_route_is_in_the_table() {
    let routes: BTreeSet<(&str, &str)> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    let rows: BTreeSet<(&str, &str)> = table().iter().map(|row| (row.method, row.path)).collect();
    assert_eq!(rows, routes, "each route needs a row of tests/it/tokens: what it says to whom");
}

/// An answer without what is of this call alone.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    calls: BTreeMap<String, u64>,
}

/// A model with its optimization.
#[derive(Clone)]
struct Pair {
    model: String,
    optimization: String,
}

struct Stage {
    server: TestServer,
    /// Of a stranger's organization.
    stranger: String,
    asked: usize,
}

impl Stage {
    /// A new model of an organization.
    async fn pair(&self, key: &str) -> Pair {
        let made = self.server.call_as(key, "POST", "/api/v2/models", Some(&data::mab())).await;
        assert_eq!(made.status, 201, "{}", made.body);
        Pair { model: made.text("/id"), optimization: made.text("/optimization_id") }
    }

    async fn archived_pair(&self) -> Pair {
        let pair = self.pair(&self.server.key).await;
        self.server.call("DELETE", &format!("/api/v2/models/{}", pair.model), None).await;
        let archived = json!({"status": "archived"});
        let path = format!("/api/v2/optimizations/{}", pair.optimization);
        assert_eq!(self.server.call("PATCH", &path, Some(&archived)).await.status, 200);
        pair
    }

    /// What a process that has just started answers to a token, if there is one, about a pair.
    async fn ask(&mut self, row: &Row, token: Option<&str>, pair: &Pair) -> Seen {
        self.asked += 1;
        let id = if row.names == Names::Model { &pair.model } else { &pair.optimization };
        let body = (row.body)(&pair.optimization);
        let mut request = Request::builder()
            .method(row.method)
            .uri(row.path.replace("{id}", id))
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let bytes = if body.is_null() { bytes::Bytes::new() } else { body.to_string().into() };
        let time = TimeDelta::seconds(30);
        let (serving, ingest_cache) = (ServingCache::new(time), IngestCache::new(time));
        let app = App { serving, ingest_cache, ..self.server.app.clone() };
        let calls = StorageCalls::default();
        let answer = calls.count(dispatch(&app, request.body(bytes).unwrap())).await;
        let (parts, body) = answer.into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let body = match body {
            Body::Text(text) => text,
            Body::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        };
        let body = match serde_json::from_str::<Value>(&body) {
            Ok(mut json) => {
                if let Some(meta) = json.get_mut("meta").and_then(Value::as_object_mut) {
                    meta.remove("request_id");
                }
                json.to_string()
            }
            Err(_) => body,
        };
        let body = body.replace(&pair.model, "[id]").replace(&pair.optimization, "[id]");
        Seen { status: parts.status.as_u16(), headers: headers.collect(), body, calls: calls.so_far() }
    }
}

async fn stage() -> (Stage, TestIssuer) {
    let issuer = TestIssuer::start().await;
    let (of_app, clock) = (issuer.settings(), Arc::new(ManualClock::new(NOW.parse().unwrap())));
    let server = TestServer::start_with(None, |app| App { issuer: Some(of_app), clock, ..app }).await;
    let (_, stranger) = server.key_of(STRANGER, &Scope::ALL).await;
    (Stage { server, stranger: stranger.expose().to_owned(), asked: 0 }, issuer)
}

/// Values of `Authorization` that are refused with 401, by kind.
async fn refused(stage: &Stage, issuer: &TestIssuer) -> Vec<(&'static str, Option<String>)> {
    let (later, before) = (NOW_SECONDS + 600, NOW_SECONDS - 600);
    let (revoked, secret) = stage.server.key_of(ORGANIZATION, &Scope::ALL).await;
    stage.server.app.table.revoke_key(&revoked, NOW.parse().unwrap()).await.unwrap();
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    vec![
        ("none", None),
        ("of another scheme", Some(format!("Basic {}", stage.server.key))),
        ("malformed", bearer("flk_short")),
        ("an unknown key", bearer(&format!("flk_{}", "A".repeat(43)))),
        ("a revoked key", bearer(secret.expose())),
        ("expired", bearer(&issuer.token(ORGANIZATION, before))),
        ("forged", bearer(&issuer.forged(ORGANIZATION, later))),
        ("unsigned", bearer(&issuer.unsigned(ORGANIZATION, later))),
        ("no token at all", bearer("a.b.c")),
    ]
}

/// A key of the organization with every scope but one.
async fn without(stage: &Stage, scope: Scope) -> String {
    let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
    let (_, secret) = stage.server.key_of(ORGANIZATION, &others).await;
    format!("Bearer {}", secret.expose())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_token_and_every_id_as_the_table_says() {
    let (mut stage, issuer) = stage().await;
    let refused = refused(&stage, &issuer).await;
    let (key, stranger) = (stage.server.key.clone(), stage.stranger.clone());
    let good = [format!("Bearer {key}"), format!("Bearer {}", issuer.token(ORGANIZATION, NOW_SECONDS + 600))];
    let nobodys = Pair { model: Uuid::new_v4().to_string(), optimization: Uuid::new_v4().to_string() };
    let malformed = Pair { model: "x".repeat(36), optimization: "y".repeat(36) };
    let theirs = stage.pair(&stranger).await;
    for row in table() {
        let name = format!("{} {}", row.method, row.path);
        let (own, archived) = (stage.pair(&key).await, stage.archived_pair().await);
        let ids = [&own, &archived, &theirs, &nobodys, &malformed];

        // Whoever may not call is told the same whatever the id is, at the same cost.
        let Some(scope) = row.scope else {
            // A route without a token does not look at one.
            for id in ids {
                let bare = stage.ask(&row, None, id).await;
                for (kind, token) in &refused {
                    assert_eq!(stage.ask(&row, token.as_deref(), id).await, bare, "{name}, token {kind}");
                }
            }
            let statuses = [(&own, row.own), (&archived, row.archived), (&nobodys, row.unknown)];
            for (id, status) in statuses {
                let seen = stage.ask(&row, None, id).await;
                assert_eq!(seen.status, status, "{name}: {seen:?}");
            }
            continue;
        };
        for (kind, token) in &refused {
            let first = stage.ask(&row, token.as_deref(), &own).await;
            let says_so = first.headers.get("www-authenticate").map(String::as_str) == Some("Bearer");
            assert!(first.status == 401 && says_so, "{name}, token {kind}: {first:?}");
            for id in &ids[1..] {
                assert_eq!(stage.ask(&row, token.as_deref(), id).await, first, "{name}, token {kind}");
            }
        }
        let lacking = without(&stage, scope).await;
        let first = stage.ask(&row, Some(&lacking), &own).await;
        assert_eq!(first.status, 403, "{name}, without {scope:?}: {first:?}");
        for id in &ids[1..] {
            assert_eq!(stage.ask(&row, Some(&lacking), id).await, first, "{name}, without {scope:?}");
        }

        // What is another's is as what is not there, for keys and for tokens of an issuer, in both directions.
        if row.names != Names::Nothing && row.names != Names::Visitor {
            for token in [&good[0], &good[1], &format!("Bearer {stranger}")] {
                let foreign = if token.ends_with(&stranger) { &own } else { &theirs };
                let unknown = stage.ask(&row, Some(token), &nobodys).await;
                assert_eq!(unknown.status, row.unknown, "{name}: {unknown:?}");
                assert_eq!(stage.ask(&row, Some(token), foreign).await, unknown, "{name}: foreign and unknown");
            }
            let seen = stage.ask(&row, Some(&good[0]), &malformed).await;
            // An event whose optimization is none is rejected alone.
            let expected = if row.path.starts_with("/api/v2/ingest/") { 207 } else { 400 };
            assert_eq!(seen.status, expected, "{name}, an id that is none: {seen:?}");
        }
        for (id, status) in [(&own, row.own), (&archived, row.archived)] {
            let seen = stage.ask(&row, Some(&good[0]), id).await;
            assert_eq!(seen.status, status, "{name}: {seen:?}");
        }
    }
    // No stranger has changed anything.
    let still = stage.server.call_as(&stranger, "GET", &format!("/api/v2/models/{}", theirs.model), None).await;
    assert_eq!((still.status, still.text("/status")), (200, "untrained".to_owned()), "{}", still.body);
    println!(
        "{} calls of {} routes: {} kinds of refused tokens, 5 kinds of ids",
        stage.asked,
        ROUTES.len(),
        refused.len() + 1
    );
    stage.server.shutdown().await;
}
