//! A service of a test's own: its ports, its stores, its key.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::{HttpOptions, HttpServer, Settings, StoreOptions, Stores, listen, new_key};
use fulcrum_core::auth::{ApiKey, Scope, Secret};
use fulcrum_core::clock::ManualClock;
use fulcrum_core::config::Endpoints;
use fulcrum_core::store::snapshots_prefix;
use fulcrum_core::{App, Body, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lambda_http::http::{HeaderMap, Request};
use serde_json::{Value, json};

pub const ORGANIZATION: &str = "org_test";

/// A running service.
pub struct TestServer {
    pub app: App,
    pub url: String,
    pub key: String,
    pub stores: Stores,
    http: HttpServer,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// A request with a key and a JSON body, for a gateway that is called in process.
pub fn request(method: &str, path: &str, key: &str, body: Option<&Value>) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
        .unwrap()
}

impl Reply {
    /// The answer of a gateway that was called in process.
    pub fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = serde_json::from_slice(body.as_ref()).unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self, pointer: &str) -> String {
        let value = self.body.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {}", self.body));
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// What a snapshot of the answer shows: status, the headers that the contract names, and the body.
    pub fn shown(&self) -> Value {
        let mut headers = serde_json::Map::new();
        for name in ["content-type", "www-authenticate", "allow", "retry-after"] {
            if let Some(value) = self.header(name) {
                headers.insert(name.to_owned(), json!(value));
            }
        }
        json!({"status": self.status, "headers": headers, "body": without_fractions(&self.body)})
    }
}

/// The value with every number that comes out of random draws replaced.
fn without_fractions(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!("[number]"),
        Value::Array(list) => list.iter().map(without_fractions).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), without_fractions(v))).collect(),
        other => other.clone(),
    }
}

/// Holds an answer against the snapshot of a name, ids and times replaced.
#[track_caller]
pub fn assert_shape(name: &str, reply: &Reply) {
    let shown = reply.shown();
    insta::with_settings!({
        filters => vec![
            (r"req_[0-9a-f]{32}", "[request_id]"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "[uuid]"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
            (r#""duration_ms": \d+"#, r#""duration_ms": "[ms]""#),
        ],
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_json_snapshot!(name, shown);
    });
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(None, |app| app).await
    }

    /// A service whose clock stands still until it is moved.
    pub async fn start_at(start: &str) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(start.parse().unwrap()));
        let of_app = Arc::clone(&clock);
        (Self::start_with(None, |app| App { clock: of_app, ..app }).await, clock)
    }

    pub async fn start_with_options(options: HttpOptions) -> Self {
        Self::start_fully(None, |app| app, options).await
    }

    pub async fn start_with(folder: Option<PathBuf>, change: impl FnOnce(App) -> App) -> Self {
        Self::start_fully(folder, change, HttpOptions::default()).await
    }

    async fn start_fully(folder: Option<PathBuf>, change: impl FnOnce(App) -> App, http: HttpOptions) -> Self {
        let address = IpAddr::from([127, 0, 0, 1]);
        let options = StoreOptions {
            folder,
            address,
            hosts: Vec::new(),
            port: 0,
            endpoints: Endpoints::default(),
            created: None,
        };
        let stores = Stores::start(options, None).await.unwrap();
        let app = change(App::new(stores.sdk(), stores.endpoints(), "table", "bucket"));
        app.table.create_if_missing().await.unwrap();
        app.bucket.create_if_missing().await.unwrap();
        let (_, secret) = new_key(&app, ORGANIZATION, "test", Scope::ALL.to_vec()).await.unwrap();
        let http = HttpServer::start_with(listen(address, 0).await.unwrap(), app.clone(), http).unwrap();
        Self { app, url: http.url(), key: secret.expose().to_owned(), stores, http }
    }

    pub async fn shutdown(self) {
        self.http.shutdown().await;
        self.stores.shutdown().await;
    }

    /// One more key.
    pub async fn key_of(&self, organization: &str, scopes: &[Scope]) -> (ApiKey, Secret) {
        new_key(&self.app, organization, "another", scopes.to_vec()).await.unwrap()
    }

    /// A request with the test's key and a JSON body.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.call_as(&self.key, method, path, body).await
    }

    pub async fn call_as(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        self.send(
            method,
            path,
            &[("authorization", &format!("Bearer {key}")), ("content-type", "application/json")],
            body,
        )
        .await
    }

    /// A request exactly as given.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body =
            serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A new model of a configuration: its id and its optimization's.
    pub async fn model(&self, body: &Value) -> (String, String) {
        let reply = self.call("POST", "/api/v2/models", Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        (reply.text("/id"), reply.text("/optimization_id"))
    }

    /// Writes files as a complete snapshot.
    pub async fn snapshot(&self, optimization: &str, id: &str, files: &[(&str, String)]) {
        let prefix = format!("{}{id}/", snapshots_prefix(ORGANIZATION, optimization));
        for (name, text) in files {
            self.app.bucket.put(&format!("{prefix}{name}"), Bytes::from(text.clone()).into()).await.unwrap();
        }
        self.app.bucket.put(&format!("{prefix}_SUCCESS"), Bytes::new().into()).await.unwrap();
    }

    pub async fn train(&self, id: &str) -> Reply {
        self.call("POST", &format!("/api/v2/models/{id}/train"), None).await
    }

    pub async fn status(&self, id: &str) -> String {
        self.call("GET", &format!("/api/v2/models/{id}"), None).await.text("/status")
    }
}

/// Of a whole local service in the process, on a free port, that keeps nothing and answers to events.
pub fn settings() -> Settings {
    Settings {
        address: Ipv4Addr::LOCALHOST.into(),
        hosts: Vec::new(),
        port: 0,
        data: None,
        organization: ORGANIZATION.to_owned(),
        endpoints: Endpoints::default(),
        table: "table".to_owned(),
        bucket: "bucket".to_owned(),
        lease: TimeDelta::seconds(60),
        events: true,
        examples: false,
        issuer: None,
    }
}
