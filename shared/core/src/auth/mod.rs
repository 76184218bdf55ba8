//! Authentication and authorization: API keys and JWTs, and the scopes that a call needs.

mod jwt;
mod organization;

use chrono::{DateTime, Utc};
use lambda_http::http::{HeaderMap, header};

pub use jwt::{Issuer, IssuerSettings};
pub use organization::is_organization_id;

pub use crate::domain::{ApiKey, KEY_PREFIX, Scope, Secret};

use self::jwt::Bearer;
use crate::error::ApiError;
use crate::store::Table;

/// Who calls. The organization comes from the token alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data the call may touch.
    pub organization_id: String,
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::Unauthorized { message: message.to_owned() }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err(unauthorized("there is no Authorization header; send Authorization: Bearer <token>"));
    };
    if given.next().is_some() {
        return Err(unauthorized("there is more than one Authorization header"));
    }
    let text = value.to_str().map_err(|_| unauthorized("the Authorization header is not plain text"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(unauthorized("the Authorization header is not of the form Bearer <token>"));
    }
    Ok(token.trim())
}

/// Who sent a request with these headers, if the token is good at this moment and covers `scope`. Keys are looked up in
/// `table`; `issuer` is the one whose JWTs are accepted, if any.
///
/// # Errors
/// [`ApiError::Unauthorized`], [`ApiError::Forbidden`], [`ApiError::IssuerUnavailable`], and storage errors.
pub async fn authenticate(
    table: &Table,
    issuer: Option<&Issuer>,
    headers: &HeaderMap,
    scope: Scope,
    now: DateTime<Utc>,
) -> Result<Caller, ApiError> {
    let token = bearer(headers)?;
    let Bearer { organization_id, scopes } = if token.starts_with(KEY_PREFIX) {
        bearer_of_key(table, token).await?
    } else {
        jwt::verify(issuer, token, now).await?
    };
    if !scopes.contains(&scope) {
        return Err(ApiError::Forbidden { scope: scope.as_str() });
    }
    Ok(Caller { organization_id })
}

async fn bearer_of_key(table: &Table, token: &str) -> Result<Bearer, ApiError> {
    let secret = Secret::parse(token).ok_or_else(|| unauthorized("the API key is malformed"))?;
    let key = table.key_by_hash(&secret.hash()).await?;
    let key = key.ok_or_else(|| unauthorized("the API key is unknown"))?;
    if key.revoked_at.is_some() {
        return Err(unauthorized("the API key is revoked"));
    }
    Ok(Bearer { organization_id: key.organization_id, scopes: key.scopes })
}
