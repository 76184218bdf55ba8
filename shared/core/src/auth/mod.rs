//! Who calls, and what they may do.

mod jwt;
mod key;
mod organization;

use lambda_http::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

pub use jwt::{Issuer, IssuerSettings};
pub use key::{ApiKey, PREFIX, Secret};
pub use organization::is_organization_id;

use self::jwt::Bearer;

use crate::app::App;
use crate::error::ApiError;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// See models.
    #[serde(rename = "models:read")]
    ModelsRead,
    /// Make, train and delete models.
    #[serde(rename = "models:write")]
    ModelsWrite,
    /// Send events.
    #[serde(rename = "events:write")]
    EventsWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ModelsRead, Self::ModelsWrite, Self::EventsWrite];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelsRead => "models:read",
            Self::ModelsWrite => "models:write",
            Self::EventsWrite => "events:write",
        }
    }

    /// A scope from its written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

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

impl App {
    /// Who sent a request with these headers, if the token is good and covers `scope`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`], [`ApiError::Forbidden`], [`ApiError::IssuerUnavailable`], and storage errors.
    pub async fn authenticate(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, ApiError> {
        let token = bearer(headers)?;
        let Bearer { organization_id, scopes } = if token.starts_with(PREFIX) {
            self.bearer_of_key(token).await?
        } else {
            jwt::verify(self.issuer.as_ref(), token, self.clock.now()).await?
        };
        if !scopes.contains(&scope) {
            return Err(ApiError::Forbidden { scope: scope.as_str() });
        }
        Ok(Caller { organization_id })
    }

    async fn bearer_of_key(&self, token: &str) -> Result<Bearer, ApiError> {
        let secret = Secret::parse(token).ok_or_else(|| unauthorized("the API key is malformed"))?;
        let key = self.table.key_by_hash(&secret.hash()).await?;
        let key = key.ok_or_else(|| unauthorized("the API key is unknown"))?;
        if key.revoked_at.is_some() {
            return Err(unauthorized("the API key is revoked"));
        }
        Ok(Bearer { organization_id: key.organization_id, scopes: key.scopes })
    }
}
