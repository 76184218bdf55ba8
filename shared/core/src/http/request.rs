//! From a gateway request to checked values: ids, query parameters, bodies.

use std::str::FromStr;

use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::parse_uuid;
use crate::echo::{list, quoted};
use crate::error::{ApiError, Detail};

/// The greatest body that is accepted, in bytes.
pub const BODY_LIMIT: usize = 1_000_000;
/// The same for events.
pub const EVENTS_BODY_LIMIT: usize = 5_000_000;

/// The id given to a request that came without one.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// `req_` and the gateway's request id, or a fresh UUID without hyphens where there is none.
#[must_use]
pub fn request_id(request: &Request) -> String {
    if let Some(RequestId(id)) = request.extensions().get() {
        return id.clone();
    }
    let gateway = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.as_deref().filter(|id| !id.is_empty()),
        _ => None,
    };
    gateway.map_or_else(|| format!("req_{}", Uuid::new_v4().simple()), |id| format!("req_{id}"))
}

/// The path as the client sent it, without the stage.
#[must_use]
pub fn path(request: &Request) -> &str {
    let raw = request.raw_http_path();
    if raw.is_empty() { request.uri().path() } else { raw }
}

/// The id in the path, under the name that the route gives it.
///
/// # Errors
/// [`ApiError::InvalidRequest`] where it is no UUID.
pub fn path_id(request: &Request) -> Result<Uuid, ApiError> {
    parse_uuid("id", &path_text(request))
}

/// The parameter in the path, whatever it is.
#[must_use]
pub fn path_text(request: &Request) -> String {
    request.path_parameters().first("id").unwrap_or_default().to_owned()
}

/// The query parameters, refusing those that the endpoint does not have.
///
/// # Errors
/// [`ApiError::InvalidRequest`] for an unknown or repeated name.
pub fn query<'r>(request: &'r Request, known: &[&'static str]) -> Result<Query<'r>, ApiError> {
    let map = request.query_string_parameters_ref();
    let mut names: Vec<&str> = map.map(|m| m.iter().map(|(name, _)| name).collect()).unwrap_or_default();
    names.sort_unstable();
    for (i, name) in names.iter().enumerate() {
        if !known.contains(name) {
            let message = match known {
                [] => "unknown query parameter; this endpoint has none".to_owned(),
                _ => format!("unknown query parameter; this endpoint has {}", list(known)),
            };
            return Err(ApiError::invalid_at([Detail::new(*name, message)]));
        }
        if i > 0 && names[i - 1] == *name {
            return Err(ApiError::invalid_at([Detail::new(*name, "given more than once")]));
        }
    }
    Ok(Query { map })
}

/// Checked query parameters.
pub struct Query<'r> {
    map: Option<&'r lambda_http::aws_lambda_events::query_map::QueryMap>,
}

impl Query<'_> {
    /// The text of a parameter.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.map.and_then(|m| m.first(name))
    }

    /// A parameter as a value of its type; `expected` says what would be right.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] with the name and the value.
    pub fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::invalid_at([Detail::new(name, format!("{} is not {expected}", quoted(text)))]))
        };
        self.text(name).map(parse).transpose()
    }
}

/// The body as it is, if it is not larger than a limit.
///
/// # Errors
/// [`ApiError::PayloadTooLarge`].
pub fn body_bytes(request: &Request, limit: usize) -> Result<&[u8], ApiError> {
    let bytes = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes.as_slice(),
        _ => &[],
    };
    if bytes.len() > limit {
        return Err(ApiError::PayloadTooLarge { bytes: bytes.len(), limit });
    }
    Ok(bytes)
}

/// The body as JSON of a type; no body and white space count as `{}` where the type has only optional fields.
///
/// # Errors
/// [`ApiError::PayloadTooLarge`], and [`ApiError::InvalidRequest`] with the place in the body and what is wrong there.
pub fn body<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    let bytes = body_bytes(request, BODY_LIMIT)?;
    let text = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes };
    crate::strict::from_slice(text)
}
