//! From a request to its answer: what may be asked, by whom, and within which time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use dynoxide::{Database, DynoxideError};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::operations;
use crate::connections::Ends;
use crate::credentials::Credentials;
use crate::hosts::Misdirected;
use crate::server::Place;
use crate::signature::{Claim, Unsigned};

/// The greatest body, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
const TARGET: &str = "DynamoDB_20120810.";

/// What answers requests.
pub(super) struct Front {
    database: Database,
    pair: Credentials,
    place: Place,
}

impl Front {
    pub(super) fn new(database: Database, pair: Credentials, place: Place) -> Self {
        Self { database, pair, place }
    }
}

/// Why a request is refused before `DynamoDB` itself sees it.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Misdirected(#[from] Misdirected),
    #[error("only POST / is answered")]
    NotTheApi,
    #[error("{0:?} is not an operation that this server has")]
    UnknownOperation(String),
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error("the body has more than {BODY_LIMIT} bytes")]
    TooLarge,
    #[error("the body did not come within {0} s")]
    TooSlow(f64),
    #[error("the body broke off: {0}")]
    Broken(hyper::Error),
    #[error("the body is not UTF-8")]
    NotText,
    #[error("{0}")]
    Database(#[from] DynoxideError),
    #[error("the operation ended early: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

impl Refused {
    /// The status, and the error's name on the wire.
    fn kind(&self) -> (StatusCode, &'static str) {
        let bad = |name| (StatusCode::BAD_REQUEST, name);
        match self {
            Self::Misdirected(_) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Self::NotTheApi => (StatusCode::NOT_FOUND, "UnknownOperationException"),
            Self::UnknownOperation(_) => bad("UnknownOperationException"),
            Self::Unsigned(Unsigned::Missing) => bad("MissingAuthenticationTokenException"),
            Self::Unsigned(Unsigned::Incomplete(_)) => bad("IncompleteSignatureException"),
            Self::Unsigned(Unsigned::UnknownKey) => bad("UnrecognizedClientException"),
            Self::Unsigned(Unsigned::Skewed(_) | Unsigned::Mismatch) => bad("InvalidSignatureException"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            Self::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException"),
            Self::Broken(_) | Self::NotText => bad("SerializationException"),
            Self::Database(_) | Self::Ended(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        }
    }

    fn answer(&self) -> (StatusCode, String) {
        if let Self::Database(error) = self {
            let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            return (status, error.to_json());
        }
        let (status, name) = self.kind();
        let json = json!({"__type": format!("com.amazon.coral.service#{name}"), "message": self.to_string()});
        (status, json.to_string())
    }
}

/// Answers a request. The signature's key, time and form are checked before the body is read.
pub(super) async fn answer(
    front: Arc<Front>,
    ends: Ends,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, json) = match run(front, ends, request).await {
        Ok(json) => (StatusCode::OK, json),
        Err(refused) => refused.answer(),
    };
    let mut response = Response::new(Full::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().simple().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    Ok(response)
}

async fn run(front: Arc<Front>, ends: Ends, request: Request<Incoming>) -> Result<String, Refused> {
    let (parts, body) = request.into_parts();
    front.place.hosts.check_no_page(&parts.uri, &parts.headers, ends.reached)?;
    if parts.method != Method::POST || parts.uri.path() != "/" {
        return Err(Refused::NotTheApi);
    }
    let claim = Claim::read(&parts.headers, &front.pair, SystemTime::now())?;
    let within = front.place.timeouts.body;
    let body = tokio::time::timeout(within, collect(body)).await;
    let body = body.map_err(|_| Refused::TooSlow(within.as_secs_f64()))??;
    claim.verify(&parts, &body, &front.pair)?;
    let target = parts.headers.get("x-amz-target").map(HeaderValue::as_bytes).unwrap_or_default();
    let target = String::from_utf8_lossy(target);
    let operation = target.strip_prefix(TARGET).and_then(operations::known);
    let operation = operation.ok_or_else(|| Refused::UnknownOperation(target.chars().take(200).collect()))?;
    // SQLite blocks.
    let done = tokio::task::spawn_blocking(move || {
        let body = std::str::from_utf8(&body).map_err(|_| Refused::NotText)?;
        operations::run(&front.database, operation, body).map_err(Refused::Database)
    });
    done.await?
}

async fn collect(mut body: Incoming) -> Result<Bytes, Refused> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refused::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_LIMIT {
            return Err(Refused::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
