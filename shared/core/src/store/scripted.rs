//! Stores that answer what a test says, for answers that the embedded ones never give.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{LeaseAttempt, StoreError};
use crate::app::App;
use crate::config::Endpoints;
use crate::domain::Lease;
use crate::error::ApiError;

/// Answers that are left: status and body.
#[derive(Clone, Debug)]
struct Script(Arc<Mutex<VecDeque<(u16, String)>>>);

impl HttpConnector for Script {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(match self.0.lock().unwrap().pop_front() {
            Some((status, body)) => Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))),
            None => Err(ConnectorError::other("the script is over".into(), None)),
        })
    }
}

impl Script {
    fn new(answers: &[(u16, &str)]) -> (App, Self) {
        let script = Self(Arc::new(Mutex::new(answers.iter().map(|(s, b)| (*s, (*b).to_owned())).collect())));
        let connector = script.clone();
        let credentials = Credentials::new("a", "b", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())))
            .build();
        (App::new(&config, &Endpoints::default(), "table", "bucket"), script)
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

const CONFLICT: (u16, &str) =
    (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"ongoing"}"#);
const REFUSED: (u16, &str) =
    (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}"#);

fn cancelled(codes: &[&str]) -> (u16, String) {
    let reasons: Vec<String> = codes.iter().map(|code| format!(r#"{{"Code":"{code}"}}"#)).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    (400, format!(r#"{{"__type":"{kind}","CancellationReasons":[{}]}}"#, reasons.join(",")))
}

fn lease() -> Lease {
    Lease { owner: "me".into(), expires_at: DateTime::<Utc>::from_timestamp_millis(1_768_473_000_000).unwrap() }
}

fn is_unavailable(error: StoreError) -> bool {
    matches!(ApiError::from(error), ApiError::Unavailable { .. })
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_is_tried_again() {
    let (app, script) = Script::new(&[CONFLICT, CONFLICT, (200, "{}")]);
    app.table.renew_lease("org", Uuid::nil(), &lease()).await.unwrap();
    assert_eq!(script.left(), 0);
    let (app, script) = Script::new(&[CONFLICT; 5]);
    let error = app.table.renew_lease("org", Uuid::nil(), &lease()).await.unwrap_err();
    assert_eq!(script.left(), 0);
    assert!(matches!(error, StoreError::Contended { .. }) && is_unavailable(error));
    // Another refusal is one.
    let (app, script) = Script::new(&[CONFLICT, REFUSED]);
    let refused = app.table.renew_lease("org", Uuid::nil(), &lease()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Condition { .. }) && script.left() == 0, "{refused:?}");
}

#[tokio::test]
async fn a_transaction_that_meets_a_write_is_tried_again() {
    let conflict = cancelled(&["TransactionConflict", "None", "None"]);
    let conflict = (conflict.0, conflict.1.as_str());
    let (app, script) = Script::new(&[conflict, conflict, (200, "{}")]);
    app.table.transact(Vec::new()).await.unwrap();
    assert_eq!(script.left(), 0);
    let (app, _) = Script::new(&[conflict; 5]);
    let error = app.table.transact(Vec::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Contended { .. }) && is_unavailable(error));
    let throttled = cancelled(&["None", "ThrottlingError"]);
    let (app, _) = Script::new(&[(400, &throttled.1)]);
    assert!(is_unavailable(app.table.transact(Vec::new()).await.unwrap_err()));
    let both = cancelled(&["TransactionConflict", "ConditionalCheckFailed"]);
    let (app, _) = Script::new(&[(400, &both.1)]);
    let refused = app.table.transact(Vec::new()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Condition { item: 1, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_status_without_a_body_says_enough() {
    for status in [429, 500, 502, 503, 504] {
        let (app, _) = Script::new(&[(status, "")]);
        assert!(is_unavailable(app.bucket.is_complete("p/", "1").await.unwrap_err()), "{status} to HeadObject");
        let (app, _) = Script::new(&[(status, "")]);
        assert!(is_unavailable(app.bucket.read_all("k").await.unwrap_err()), "{status} to GetObject");
        let (app, _) = Script::new(&[(status, "")]);
        assert!(is_unavailable(app.table.model("o", Uuid::nil()).await.unwrap_err()), "{status} to GetItem");
    }
    let (app, _) = Script::new(&[(403, "")]);
    let forbidden = app.bucket.is_complete("p/", "1").await.unwrap_err();
    assert!(matches!(&forbidden, StoreError::Fault { cause, .. } if cause.contains("403")), "{forbidden:?}");
}

#[tokio::test]
async fn an_object_that_two_write_at_once_is_tried_again() {
    let conflict = (409, "<Error><Code>ConditionalRequestConflict</Code><Message>m</Message></Error>");
    let put = async |app: &App| app.bucket.put_new("k", Bytes::from_static(b"x")).await;
    let (app, script) = Script::new(&[conflict, conflict, (200, "")]);
    assert!(put(&app).await.unwrap());
    assert_eq!(script.left(), 0);
    let (app, _) = Script::new(&[conflict, (412, "<Error><Code>PreconditionFailed</Code></Error>")]);
    assert!(!put(&app).await.unwrap());
    let (app, _) = Script::new(&[conflict; 5]);
    assert!(is_unavailable(put(&app).await.unwrap_err()));
}

/// The answer to the first attempt is lost, the SDK's second attempt is refused by what the first has written.
#[tokio::test]
async fn a_hold_that_is_ours_already_is_ours() {
    let item = |owner: &str| {
        format!(
            r#"{{"Item":{{"id":{{"S":"{id}"}},"organization_id":{{"S":"org"}},"optimization_id":{{"S":"{id}"}},
            "model_type":{{"S":"mab"}},"created_at":{{"N":"0"}},"updated_at":{{"N":"0"}},
            "lease":{{"M":{{"owner":{{"S":"{owner}"}},"expires_at":{{"N":"1"}}}}}},
            "config":{{"M":{{"design_factors":{{"L":[]}},
            "reward":{{"M":{{"name":{{"S":"r"}},"type":{{"S":"bool"}}}}}},
            "attribution":{{"M":{{"type":{{"S":"last_touch"}},"conversion_window_hours":{{"N":"1"}}}}}}}}}}}}}}"#,
            id = Uuid::nil(),
        )
    };
    let (mine, other) = (item("me"), item("another"));
    let now = lease().expires_at;
    let (app, _) = Script::new(&[REFUSED, (200, &mine)]);
    let taken = app.table.acquire_lease("org", Uuid::nil(), &lease(), now).await.unwrap();
    assert!(matches!(taken, LeaseAttempt::Acquired(_)), "{taken:?}");
    let (app, _) = Script::new(&[REFUSED, (200, &other)]);
    let taken = app.table.acquire_lease("org", Uuid::nil(), &lease(), now).await.unwrap();
    assert!(matches!(taken, LeaseAttempt::Refused(Some(_))), "{taken:?}");
    let (app, _) = Script::new(&[REFUSED, (200, &mine)]);
    assert!(app.table.transfer_lease("org", Uuid::nil(), "before", &lease()).await.unwrap().is_some());
    let (app, _) = Script::new(&[REFUSED, (200, &other)]);
    assert!(app.table.transfer_lease("org", Uuid::nil(), "before", &lease()).await.unwrap().is_none());
}
