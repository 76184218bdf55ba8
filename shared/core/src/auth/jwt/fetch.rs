//! An issuer's keys over HTTP: one GET of its discovery document, one of its keys.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde::Deserialize;
use url::Url;

use super::keys::KeySet;
use super::settings::{Source, safe_url};

/// For one connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For everything together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The greatest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 1_000_000;

/// Why an issuer's keys could not be had. For the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the issuer did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("GET {url}: {cause}")]
    Http { url: Url, cause: String },
    #[error("GET {url} answered with status {status}; only 200 is taken, and redirects are not followed")]
    Status { url: Url, status: u16 },
    #[error("GET {url} answered with more than {ANSWER_LIMIT} bytes")]
    TooLarge { url: Url },
    #[error("GET {url} answered with something else than was expected there: {cause}")]
    Document { url: Url, cause: serde_json::Error },
    #[error("{url} is the discovery document of another issuer, {found:?} and not {expected:?}")]
    OtherIssuer { url: Url, found: String, expected: String },
    #[error("{url} says that the keys are at {keys:?}, which is neither https nor on this machine")]
    UnsafeKeys { url: Url, keys: String },
}

/// The part of a discovery document that is needed.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches the keys of one issuer.
pub(super) struct Fetcher {
    source: Source,
    // Made at the first fetch: a function that sees API keys only never loads the certificates for it.
    connector: OnceLock<Connector>,
}

impl Fetcher {
    pub(super) const fn new(source: Source) -> Self {
        Self { source, connector: OnceLock::new() }
    }

    /// The issuer's keys as they are now.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        tokio::time::timeout(TIMEOUT, self.fetch_all()).await.map_err(|_| FetchError::Timeout)?
    }

    async fn fetch_all(&self) -> Result<KeySet, FetchError> {
        let url = match &self.source {
            Source::Keys(url) => url.clone(),
            Source::Discovery { document, issuer } => self.discover(document, issuer).await?,
        };
        let json = self.get(&url).await?;
        KeySet::parse(&json).map_err(|cause| FetchError::Document { url, cause })
    }

    async fn discover(&self, url: &Url, issuer: &str) -> Result<Url, FetchError> {
        let json = self.get(url).await?;
        let url = url.clone();
        let found: Discovery = match serde_json::from_slice(&json) {
            Ok(found) => found,
            Err(cause) => return Err(FetchError::Document { url, cause }),
        };
        if found.issuer != issuer {
            return Err(FetchError::OtherIssuer { url, found: found.issuer, expected: issuer.to_owned() });
        }
        safe_url(&found.jwks_uri).ok_or(FetchError::UnsafeKeys { url, keys: found.jwks_uri })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let failed = |cause: &(dyn std::error::Error + 'static)| FetchError::Http {
            url: url.clone(),
            cause: aws_sdk_s3::error::DisplayErrorContext(cause).to_string(),
        };
        let mut request = HttpRequest::get(url.as_str()).map_err(|e| failed(&e))?;
        request.headers_mut().insert("accept", "application/json");
        request.headers_mut().insert("user-agent", concat!("fulcrum/", env!("CARGO_PKG_VERSION")));
        let response = self.connector().call(request).await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status { url: url.clone(), status });
        }
        let mut body = ByteStream::new(response.into_body());
        let mut bytes = Vec::new();
        while let Some(chunk) = body.try_next().await.map_err(|e| failed(&e))? {
            if bytes.len() + chunk.len() > ANSWER_LIMIT {
                return Err(FetchError::TooLarge { url: url.clone() });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn connector(&self) -> &Connector {
        self.connector.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).connector_settings(settings).build()
        })
    }
}
