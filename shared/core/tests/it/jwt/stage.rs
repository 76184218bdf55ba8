//! An app with an issuer, and no store: a token is checked without one.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use fulcrum_core::auth::{Caller, Issuer, IssuerSettings, Scope};
use fulcrum_core::clock::{Clock as _, ManualClock};
use fulcrum_core::config::Endpoints;
use fulcrum_core::domain::Actor;
use fulcrum_core::{ApiError, App};
use lambda_http::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::issuer::LocalIssuer;
use super::signer::Signer;

pub struct Stage {
    pub app: App,
    pub issuer: LocalIssuer,
    clock: Arc<ManualClock>,
}

pub fn sdk_config() -> SdkConfig {
    let credentials = Credentials::new("local", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

impl Stage {
    /// With an issuer that publishes the keys of these signers.
    pub async fn new(signers: &[&Signer]) -> Self {
        Self::with(signers, |_| {}).await
    }

    pub async fn with(signers: &[&Signer], change: impl FnOnce(&mut IssuerSettings)) -> Self {
        // Nobody listens there.
        let nowhere = Some("http://127.0.0.1:9".to_owned());
        let endpoints = Endpoints { dynamodb: nowhere.clone(), s3: nowhere };
        Self::over(&endpoints, signers, change).await
    }

    pub async fn over(endpoints: &Endpoints, signers: &[&Signer], change: impl FnOnce(&mut IssuerSettings)) -> Self {
        let issuer = LocalIssuer::start(&signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()).await;
        let mut settings = IssuerSettings { issuer: issuer.url.clone(), audiences: Vec::new(), jwks_url: None };
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(Utc.with_ymd_and_hms(2026, 1, 15, 10, 30, 0).unwrap()));
        let mut app = App::new(&sdk_config(), endpoints, "table", "bucket");
        app.clock = clock.clone();
        app.issuer = Some(Issuer::new(settings).unwrap());
        Self { app, issuer, clock }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Good claims, with some changed; null takes one away.
    pub fn claims(&self, changes: &Value) -> Value {
        let now = self.now().timestamp();
        let mut claims =
            json!({"iss": self.issuer.url, "sub": "user_a", "iat": now, "exp": now + 36_000, "org_id": "org_a"});
        let map = claims.as_object_mut().unwrap();
        map.extend(changes.as_object().unwrap().clone());
        map.retain(|_, value| !value.is_null());
        claims
    }

    /// A good token.
    pub fn token(&self, signer: &Signer) -> String {
        self.token_with(signer, &json!({}))
    }

    pub fn token_with(&self, signer: &Signer, changes: &Value) -> String {
        signer.token(&signer.header(), &self.claims(changes))
    }

    pub async fn ask(&self, token: &str) -> Result<Caller, ApiError> {
        ask(&self.app, token, Scope::ModelsRead).await
    }

    /// The message with which a token is refused.
    pub async fn refused(&self, token: &str) -> String {
        match self.ask(token).await {
            Err(ApiError::Unauthorized { message }) => message,
            other => panic!("{other:?}"),
        }
    }
}

pub async fn ask(app: &App, token: &str, scope: Scope) -> Result<Caller, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    app.authenticate(&headers, scope).await
}

pub fn caller(organization: &str) -> Caller {
    let actor = Actor::Token { subject: Some("user_a".to_owned()) };
    Caller { organization_id: organization.to_owned(), actor }
}
