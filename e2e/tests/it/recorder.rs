//! Writes down what the SDK sends, in IAM's words.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::stage::{BUCKET, TABLE};

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// As in `dynamodb:GetItem`.
    pub action: String,
    /// As in `Table/index/by_update`.
    pub resource: String,
    /// The partition key of an item, the prefix of a listing; absent where the request has none.
    pub key: Option<String>,
}

fn need(action: &str, resource: impl Into<String>, key: Option<&str>) -> Need {
    Need { action: action.to_owned(), resource: resource.into(), key: key.map(str::to_owned) }
}

/// An HTTP client that writes requests down and passes them on.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: SharedHttpClient,
    seen: Arc<Mutex<Vec<Need>>>,
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    seen: Arc<Mutex<Vec<Need>>>,
}

impl Recorder {
    pub fn new(inner: SharedHttpClient) -> Self {
        Self { inner, seen: Arc::default() }
    }

    /// What was needed since the last call.
    pub fn take(&self) -> Vec<Need> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// A bus of `EventBridge` that takes everything, and writes down what was needed.
#[derive(Debug)]
struct Bus(Arc<Mutex<Vec<Need>>>);

impl HttpConnector for Bus {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert_eq!(request.headers().get("x-amz-target"), Some("AWSEvents.PutEvents"));
        let body: Value = serde_json::from_slice(request.body().bytes().expect("a body in memory")).unwrap();
        for entry in body["Entries"].as_array().unwrap() {
            let bus = entry["EventBusName"].as_str().unwrap();
            let resource = format!("arn:AWS::Partition:events:AWS::Region:AWS::AccountId:event-bus/{bus}");
            let source = entry["Source"].as_str().unwrap();
            self.0.lock().unwrap().push(need("events:PutEvents", resource, Some(source)));
        }
        let answer = r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}"#;
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), answer.into())))
    }
}

impl Recorder {
    /// The bus of the service.
    pub fn bus(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(Bus(Arc::clone(&self.seen)))
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, seen: Arc::clone(&self.seen) })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let needs = match request.headers().get("x-amz-target") {
            Some(target) => of_dynamodb(target, request.body().bytes().expect("a body in memory")),
            None => of_s3(request.method(), request.uri()),
        };
        let is_read = needs.iter().any(|need| need.action == "s3:GetObject");
        self.seen.lock().unwrap().extend(needs);
        let (call, seen) = (self.inner.call(request), Arc::clone(&self.seen));
        HttpConnectorFuture::new(async move {
            let response = call.await?;
            // Without the right to list, a missing object is a forbidden one.
            if is_read && response.status().as_u16() == 404 {
                seen.lock().unwrap().push(need("s3:ListBucket", "Bucket", None));
            }
            Ok(response)
        })
    }
}

/// A transaction needs what its parts need.
fn of_dynamodb(target: &str, body: &[u8]) -> Vec<Need> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let operation = target.split_once('.').unwrap().1;
    if operation == "BatchGetItem" {
        let keys = body["RequestItems"][TABLE]["Keys"].as_array().unwrap().iter();
        return keys.map(|key| of_key("BatchGetItem", key["pk"]["S"].as_str().unwrap())).collect();
    }
    if operation != "TransactWriteItems" {
        return vec![of_item(operation, &body)];
    }
    let parts = body["TransactItems"].as_array().unwrap().iter();
    let part = |part: &Value| {
        let (kind, part) = part.as_object().unwrap().iter().next().unwrap();
        let operation = match kind.as_str() {
            "ConditionCheck" => "ConditionCheckItem".to_owned(),
            kind => format!("{kind}Item"),
        };
        of_item(&operation, part)
    };
    parts.map(part).collect()
}

fn of_key(operation: &str, key: &str) -> Need {
    need(&format!("dynamodb:{operation}"), "Table".to_owned(), Some(key))
}

fn of_item(operation: &str, body: &Value) -> Need {
    assert_eq!(body["TableName"], TABLE, "{body}");
    let of_query = &body["ExpressionAttributeValues"][":pk"];
    let key = [&body["Key"]["pk"], &body["Item"]["pk"], of_query].into_iter().find_map(|key| key["S"].as_str());
    let resource = body["IndexName"].as_str().map_or("Table".to_owned(), |index| format!("Table/index/{index}"));
    need(&format!("dynamodb:{operation}"), resource, Some(key.unwrap_or_else(|| panic!("no key in {body}"))))
}

fn of_s3(method: &str, uri: &str) -> Vec<Need> {
    let url = url::Url::parse(uri).unwrap();
    let path = percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
    let key = path.strip_prefix(&format!("/{BUCKET}")).unwrap_or_else(|| panic!("{uri} is in no bucket of ours"));
    let key = key.trim_start_matches('/');
    let object = format!("Bucket/{key}");
    match (method, key) {
        ("GET", "") => {
            let prefix = url.query_pairs().find(|(name, _)| name == "prefix").map(|(_, value)| value.into_owned());
            vec![need("s3:ListBucket", "Bucket", prefix.as_deref())]
        }
        ("GET" | "HEAD", _) => vec![need("s3:GetObject", object, None)],
        ("PUT", _) => vec![need("s3:PutObject", object, None)],
        ("DELETE", _) => vec![need("s3:DeleteObject", object, None)],
        _ => panic!("{method} {uri} is not known here"),
    }
}
