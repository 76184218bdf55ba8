//! Events to a bus of `EventBridge`: one signed `PutEvents` request each. docs/adr says why there is no SDK for it.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Notification, Recipient, SOURCE, SendError, Sending};
use crate::config::ConfigError;
use crate::error_chain::error_chain;

/// What the signature is for.
const SERVICE: &str = "events";
/// The operation, as the protocol names it.
const TARGET: &str = "AWSEvents.PutEvents";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Of an answer that is an error, so many characters are logged.
const SHOWN: usize = 300;

/// A bus of `EventBridge`.
pub struct EventBridge {
    bus: String,
    region: String,
    url: String,
    credentials: SharedCredentialsProvider,
    connector: SharedHttpConnector,
}

/// What the service says of the events of a request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    failed_entry_count: u32,
    #[serde(default)]
    entries: Vec<Entry>,
}

/// What it says of one of them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    error_code: Option<String>,
    error_message: Option<String>,
}

impl EventBridge {
    /// The bus of a name, in the region and with the credentials of the SDK's configuration; at another URL than the region's where
    /// one is given.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] where the configuration has no region or no credentials.
    pub fn new(config: &SdkConfig, bus: &str, url: Option<String>) -> Result<Self, ConfigError> {
        let tls = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        Self::through(SharedHttpConnector::new(tls), config, bus, url)
    }

    /// The same, through a connector.
    ///
    /// # Errors
    /// As [`EventBridge::new`].
    pub fn through(
        connector: SharedHttpConnector,
        config: &SdkConfig,
        bus: &str,
        url: Option<String>,
    ) -> Result<Self, ConfigError> {
        let region = config.region().ok_or(ConfigError::Missing("AWS_REGION"))?.to_string();
        let credentials = config.credentials_provider().ok_or(ConfigError::Missing("AWS_ACCESS_KEY_ID"))?;
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = url.unwrap_or_else(|| format!("https://{SERVICE}.{region}.{domain}/"));
        Ok(Self { bus: bus.to_owned(), region, url, credentials, connector })
    }

    async fn put(&self, notification: &Notification) -> Result<(), SendError> {
        let body = json!({"Entries": [{
            "Source": SOURCE,
            "DetailType": notification.subject.name(),
            "Detail": Value::Object(notification.detail.clone()).to_string(),
            "Time": notification.at.timestamp(),
            "EventBusName": self.bus,
        }]});
        let request = self.signed(body.to_string(), notification.at).await?;
        let response = self.connector.call(request).await.map_err(|e| self.failed(error_chain(&e)))?;
        let status = response.status().as_u16();
        let body = ByteStream::new(response.into_body()).collect().await.map_err(|e| self.failed(error_chain(&e)))?;
        let body = body.into_bytes();
        if status != 200 {
            let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
            return Err(self.failed(format!("status {status}: {shown}")));
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|e| self.failed(e.to_string()))?;
        if answer.failed_entry_count == 0 {
            return Ok(());
        }
        let refused = answer.entries.into_iter().find_map(|entry| Some((entry.error_code?, entry.error_message)));
        let (code, message) = refused.unwrap_or_default();
        Err(self.failed(format!("refused: {code}: {}", message.unwrap_or_default())))
    }

    fn failed(&self, cause: impl std::fmt::Display) -> SendError {
        SendError(format!("PutEvents to the bus {} at {}: {cause}", self.bus, self.url))
    }

    /// The request with AWS's Signature Version 4.
    async fn signed(&self, body: String, at: DateTime<Utc>) -> Result<HttpRequest, SendError> {
        let credentials = self.credentials.provide_credentials().await.map_err(|e| self.failed(error_chain(&e)))?;
        let identity = Identity::from(credentials);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::from(at))
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| self.failed(e))?
            .into();
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", TARGET)];
        let signable =
            SignableRequest::new("POST", self.url.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signable = signable.map_err(|e| self.failed(error_chain(&e)))?;
        let (instructions, _) = sign(signable, &params).map_err(|e| self.failed(error_chain(&e)))?.into_parts();
        let mut request = HttpRequest::new(body.into());
        request.set_method("POST").map_err(|e| self.failed(error_chain(&e)))?;
        request.set_uri(self.url.as_str()).map_err(|e| self.failed(error_chain(&e)))?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

impl Recipient for EventBridge {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.put(notification))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::super::Subject;
    use super::*;

    /// A service that answers everything alike, or is not there.
    #[derive(Clone, Debug)]
    struct Service {
        answer: Option<(u16, &'static str)>,
        seen: Arc<Mutex<Vec<Seen>>>,
    }

    /// A request.
    #[derive(Debug)]
    struct Seen {
        uri: String,
        headers: Vec<(String, String)>,
        body: Value,
    }

    impl HttpConnector for Service {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            self.seen.lock().unwrap().push(Seen { uri: request.uri().to_owned(), headers, body });
            let Some((status, body)) = self.answer else {
                return HttpConnectorFuture::ready(Err(ConnectorError::io("nobody there".into())));
            };
            let response = HttpResponse::new(StatusCode::try_from(status).unwrap(), body.into());
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    async fn sent(answer: Option<(u16, &'static str)>) -> (Result<(), SendError>, Service) {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session".into()), None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let service = Service { answer, seen: Arc::default() };
        let bus = EventBridge::through(SharedHttpConnector::new(service.clone()), &config, "default", None).unwrap();
        let detail = serde_json::Map::from_iter([("model_id".to_owned(), json!("m"))]);
        let at = DateTime::from_timestamp(1_764_336_000, 0).unwrap();
        let sent = bus.send(&Notification { subject: Subject::Trained, at, detail }).await;
        (sent, service)
    }

    #[tokio::test]
    async fn an_event_is_one_signed_request() {
        let (sent, service) = sent(Some((200, r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}"#))).await;
        sent.unwrap();
        let seen = service.seen.lock().unwrap();
        let [Seen { uri, headers, body }] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!(uri, "https://events.eu-central-1.amazonaws.com/");
        let header = |name: &str| headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
        assert_eq!(header("x-amz-target"), Some("AWSEvents.PutEvents"));
        assert_eq!(header("content-type"), Some("application/x-amz-json-1.1"));
        assert_eq!((header("x-amz-date"), header("x-amz-security-token")), (Some("20251128T132000Z"), Some("session")));
        let signature = header("authorization").unwrap();
        let begin = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251128/eu-central-1/events/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(signature.starts_with(begin), "{signature}");
        let expected = json!({"Entries": [{
            "Source": "fulcrum", "DetailType": "trained", "Detail": "{\"model_id\":\"m\"}", "Time": 1_764_336_000,
            "EventBusName": "default",
        }]});
        assert_eq!(*body, expected);
    }

    #[tokio::test]
    async fn what_keeps_an_event_from_the_bus_is_said() {
        let refused =
            r#"{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}]}"#;
        for (answer, cause) in [
            (Some((200, refused)), "refused: InternalFailure: try again"),
            (
                Some((400, r#"{"__type": "AccessDeniedException"}"#)),
                "status 400: {\"__type\": \"AccessDeniedException\"}",
            ),
            (Some((200, "<html>")), "expected value"),
            (None, "nobody there"),
        ] {
            let error = sent(answer).await.0.unwrap_err().to_string();
            assert!(error.contains("the bus default at https://events.eu-central-1.amazonaws.com/"), "{error}");
            assert!(error.contains(cause), "{error} instead of {cause}");
        }
    }

    #[test]
    fn a_bus_needs_a_region_and_credentials() {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let error = EventBridge::new(&config, "default", None).err().unwrap();
        assert!(error.to_string().contains("AWS_REGION"), "{error}");
    }
}
