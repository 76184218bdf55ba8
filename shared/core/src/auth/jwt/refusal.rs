//! Why a JWT is refused, each a 401. No text holds anything of the token.

use crate::error::ApiError;

/// Why a token is no good. Every one of them is a 401.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::auth) enum Refusal {
    #[error("the token has {bytes} bytes; at most {limit} are accepted")]
    TooLong { bytes: usize, limit: usize },
    #[error("the token is neither an API key, which begins with flk_, nor a JWT, which has three parts between dots")]
    Neither,
    #[error("the token is a JWT, and this service takes API keys only; an API key begins with flk_")]
    NotConfigured,
    #[error("the token's header is not that of a JWT signed with RS256, ES256 or EdDSA")]
    Header,
    #[error("the token's header has {name}, which is not accepted; the keys are the issuer's alone")]
    OwnKey { name: &'static str },
    #[error("the token's header has crit, and no extension is known here")]
    Critical,
    #[error("the token's header names no key; it needs kid")]
    NoKeyId,
    #[error("the token's key is not one of the issuer's")]
    UnknownKey,
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    #[error("the token's signature is invalid, or its claims are not a JSON object")]
    Signature,
    #[error("the token's {name} claim is missing or is not {expected}")]
    Claim { name: &'static str, expected: &'static str },
    #[error("the token is from another issuer; its iss claim must be {expected}")]
    Issuer { expected: String },
    #[error("the token is for another audience; its aud claim must name {expected}")]
    Audience { expected: String },
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error(
        "the token names no organization; it needs the claim org_id, or o.id, as tokens of an active organization have"
    )]
    NoOrganization,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Unauthorized { message: refusal.to_string() }
    }
}
