//! A client of the API over HTTP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fulcrum_core::error_chain;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use lambda_http::http::{Method, Request};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::args::ServiceArgs;
use crate::error::CliError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any training run that answers by itself.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(15);
/// For how long a call under a key is sent again: the longest that a function takes, and twice the default lease of a run that
/// died.
const LONGEST_WAIT: Duration = Duration::from_mins(4);
/// For how long a service that was there and is not is waited for.
const LONGEST_RESTART: Duration = Duration::from_secs(10);
/// Between two such calls.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Connections are kept for the next request.
#[derive(Clone)]
enum Transport {
    Plain(HttpClient<HttpConnector, Full<Bytes>>),
    Tls(HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A client of the API.
#[derive(Clone)]
pub struct Client {
    base: Url,
    transport: Transport,
    /// Absent for the endpoints that take no token.
    authorization: Option<HeaderValue>,
    /// Whether long work is to be done after the answer.
    respond_async: bool,
}

impl Client {
    /// A client of the service at a URL, with an API key's secret.
    ///
    /// # Errors
    /// [`CliError::Url`], [`CliError::ApiKey`].
    pub fn new(url: &str, api_key: &str) -> Result<Self, CliError> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", api_key.trim()))
            .map_err(|_| CliError::ApiKey { cause: "it contains characters that keys never contain".into() })?;
        authorization.set_sensitive(true);
        Ok(Self { authorization: Some(authorization), ..Self::without_token(url)? })
    }

    /// A client of the endpoints that take no token.
    ///
    /// # Errors
    /// [`CliError::Url`].
    pub fn without_token(url: &str) -> Result<Self, CliError> {
        let base = base(url)?;
        Ok(Self { transport: transport(&base)?, base, authorization: None, respond_async: false })
    }

    /// The same client, which asks not to wait for long work.
    #[must_use]
    pub fn respond_async(self) -> Self {
        Self { respond_async: true, ..self }
    }

    /// The client that the command line describes. The key comes from a file or from the environment, never from an argument,
    /// which every user of the machine could read.
    ///
    /// # Errors
    /// As [`Client::new`], and [`CliError::File`].
    pub fn from_args(args: &ServiceArgs) -> Result<Self, CliError> {
        let key = match &args.api_key_file {
            Some(path) => std::fs::read_to_string(path).map_err(|e| CliError::file(path, e))?,
            None => std::env::var("FULCRUM_API_KEY").unwrap_or_default(),
        };
        if key.trim().is_empty() {
            let cause = match &args.api_key_file {
                Some(path) => format!("{} is empty", path.display()),
                None => "set FULCRUM_API_KEY (for a local service, `set -a; . local.env; set +a` does), or pass a file with --api-key-file".into(),
            };
            return Err(CliError::ApiKey { cause });
        }
        Self::new(&args.url, &key)
    }

    /// Sends a request and returns the answer's JSON.
    ///
    /// # Errors
    /// [`CliError::Refused`] for every answer that is not a success, [`CliError::Unreachable`], [`CliError::NoAnswer`],
    /// [`CliError::NotTheApi`].
    pub async fn send(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Value, CliError> {
        self.send_under(None, method, path, body).await
    }

    /// Creates or trains: sends a POST under an `Idempotency-Key` of its own, and again under the same where the answer is lost
    /// or says to come back, so that the work is done once whatever happens on the way. `again` is told of each such answer.
    ///
    /// # Errors
    /// As [`Client::send`], of the last answer.
    pub async fn send_once(
        &self,
        path: &str,
        body: Bytes,
        mut again: impl FnMut(&CliError),
    ) -> Result<Value, CliError> {
        let (key, started) = (Uuid::new_v4().to_string(), Instant::now());
        let (mut pause, mut reached, mut gone_since) = (FIRST_PAUSE, false, None);
        loop {
            let error = match self.send_under(Some(&key), Method::POST, path, Some(body.clone())).await {
                // Where the service was reached before, it may be starting again.
                Err(error @ CliError::Unreachable { .. }) if reached => {
                    gone_since.get_or_insert_with(Instant::now);
                    error
                }
                Err(error) if error.says_again() => {
                    (reached, gone_since) = (true, None);
                    error
                }
                answer => return answer,
            };
            let gone = gone_since.is_some_and(|since: Instant| since.elapsed() > LONGEST_RESTART);
            if gone || started.elapsed() > LONGEST_WAIT {
                return Err(error);
            }
            again(&error);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Posts JSON to the URL itself, of whatever service it is; its answer says by its status alone whether it took it.
    ///
    /// # Errors
    /// [`CliError::Unreachable`], [`CliError::NoAnswer`] also for a status that is no success.
    pub(crate) async fn post_to_base(&self, body: Bytes) -> Result<(), CliError> {
        let url = self.base.to_string();
        let request = Request::post(&url)
            .header(USER_AGENT, concat!("fulcrum/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| CliError::Url { url: url.clone(), cause: e.to_string() })?;
        let asked = match &self.transport {
            Transport::Plain(client) => client.request(request),
            Transport::Tls(client) => client.request(request),
        };
        let response = asked.await.map_err(|e| {
            let cause = error_chain(&e);
            if e.is_connect() {
                CliError::Unreachable { url: url.clone(), cause }
            } else {
                CliError::NoAnswer { url: url.clone(), cause }
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        Err(CliError::NoAnswer { url, cause: format!("it answered with status {status}") })
    }

    async fn send_under(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, CliError> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(USER_AGENT, concat!("fulcrum/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if self.respond_async {
            request = request.header("prefer", "respond-async");
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|e| CliError::Url { url: url.clone(), cause: e.to_string() })?;
        let no_answer = |cause: String| CliError::NoAnswer { url: url.clone(), cause };
        let answer = async {
            let asked = match &self.transport {
                Transport::Plain(client) => client.request(request),
                Transport::Tls(client) => client.request(request),
            };
            let response = asked.await.map_err(|e| {
                let cause = error_chain(&e);
                if e.is_connect() { CliError::Unreachable { url: url.clone(), cause } } else { no_answer(cause) }
            })?;
            let status = response.status();
            let retryable = response.headers().contains_key(RETRY_AFTER);
            let body = response.into_body().collect().await.map_err(|e| no_answer(error_chain(&e)))?.to_bytes();
            Ok::<_, CliError>((status, retryable, body))
        };
        let timed = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        let (status, retryable, bytes) =
            timed.map_err(|_| no_answer(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())))??;
        let not_the_api = || CliError::NotTheApi {
            url: url.clone(),
            status: status.as_u16(),
            beginning: String::from_utf8_lossy(&bytes).chars().take(80).collect(),
        };
        let body: Value = serde_json::from_slice(&bytes).map_err(|_| not_the_api())?;
        if status.is_success() && body.get("meta").is_some() {
            Ok(body)
        } else if body.pointer("/error/message").is_some() {
            Err(CliError::Refused { status: status.as_u16(), body, retryable })
        } else {
            Err(not_the_api())
        }
    }
}

fn transport(base: &Url) -> Result<Transport, CliError> {
    let mut http = HttpConnector::new();
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.enforce_http(false);
    http.set_nodelay(true);
    let builder = HttpClient::builder(TokioExecutor::new());
    if base.scheme() == "http" {
        return Ok(Transport::Plain(builder.build(http)));
    }
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|e| CliError::Url { url: base.to_string(), cause: format!("no root certificates: {e}") })?;
    Ok(Transport::Tls(builder.build(tls.https_only().enable_http1().wrap_connector(http))))
}

fn base(url: &str) -> Result<Url, CliError> {
    let fail = |cause: String| CliError::Url { url: url.to_owned(), cause };
    let base = Url::parse(url).map_err(|e| fail(e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(fail("the scheme must be http or https".into()));
    }
    Ok(base)
}
