//! Authentication and authorization: API keys and JWTs, and the scopes that a call needs.

mod jwt;
mod organization;

use chrono::{DateTime, Utc};
use lambda_http::http::{HeaderMap, header};

#[cfg(feature = "fuzzing")]
pub use jwt::fuzzing;
pub use jwt::{Issuer, IssuerSettings};
pub use organization::is_organization_id;

pub use crate::domain::{Actor, ApiKey, KEY_PREFIX, Scope, Secret};

use self::jwt::Bearer;
use crate::error::ApiError;
use crate::store::Table;

/// Who calls. The organization comes from the token alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data the call may touch.
    pub organization_id: String,
    /// Who it is, as the history of what it changes says.
    pub actor: Actor,
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::Unauthorized { message: message.to_owned() }
}

/// The token of a request: of `Authorization`, or an API key in `X-API-Key`. Both given must be the same.
fn token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut keys = headers.get_all("x-api-key").iter();
    let Some(key) = keys.next() else { return bearer(headers) };
    if keys.next().is_some() {
        return Err(unauthorized("there is more than one X-API-Key header"));
    }
    let key = key.to_str().map_err(|_| unauthorized("the X-API-Key header is not plain text"))?.trim();
    if !key.starts_with(KEY_PREFIX) {
        return Err(unauthorized("the X-API-Key header is not an API key"));
    }
    if headers.contains_key(header::AUTHORIZATION) && bearer(headers)? != key {
        return Err(unauthorized("the headers Authorization and X-API-Key are not of the same key; send one of them"));
    }
    Ok(key)
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
    let token = token(headers)?;
    let Bearer { organization_id, scopes, actor } = if token.starts_with(KEY_PREFIX) {
        bearer_of_key(table, token).await?
    } else {
        jwt::verify(issuer, token, now).await?
    };
    if !scopes.contains(&scope) {
        return Err(ApiError::Forbidden { scope: scope.as_str() });
    }
    Ok(Caller { organization_id, actor })
}

async fn bearer_of_key(table: &Table, token: &str) -> Result<Bearer, ApiError> {
    let secret = Secret::parse(token).ok_or_else(|| unauthorized("the API key is malformed"))?;
    let key = table.key_by_hash(&secret.hash()).await?;
    let key = key.ok_or_else(|| unauthorized("the API key is unknown"))?;
    if key.revoked_at.is_some() {
        return Err(unauthorized("the API key is revoked"));
    }
    Ok(Bearer { organization_id: key.organization_id, scopes: key.scopes, actor: Actor::ApiKey { id: key.id } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)]) -> Result<String, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        token(&map).map(str::to_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_may_be_in_either_header_and_is_the_same_in_both() {
        let (bearer, key) = (("authorization", "Bearer flk_a"), ("x-api-key", "flk_a"));
        for headers in [vec![bearer], vec![key], vec![bearer, key]] {
            assert_eq!(told(&headers), Ok("flk_a".to_owned()), "{headers:?}");
        }
        for (headers, part) in [
            (vec![bearer, ("x-api-key", "flk_b")], "are not of the same key"),
            (vec![("authorization", "Basic x"), key], "not of the form Bearer"),
            (vec![key, key], "more than one X-API-Key"),
            (vec![("x-api-key", "eyJ.a.b")], "is not an API key"),
            (vec![], "there is no Authorization header"),
        ] {
            let error = told(&headers).unwrap_err();
            assert!(error.contains(part), "{headers:?}: {error}");
        }
    }
}
