//! The insides of token checks for a fuzz target: without the network, and with claims whose signature nobody can make.

use chrono::{DateTime, Utc};

use super::{IssuerSettings, KeySet, check, header, provider, signed};
use crate::auth::organization::is_organization_id;
use crate::domain::Secret;

fn settings() -> IssuerSettings {
    IssuerSettings {
        issuer: "https://issuer.example".to_owned(),
        audiences: vec!["fulcrum".to_owned()],
        jwks_url: None,
    }
}

/// A token as an API key.
pub fn key(token: &[u8]) {
    if let Some(secret) = std::str::from_utf8(token).ok().and_then(Secret::parse) {
        assert_eq!(secret.hash().len(), 64);
    }
}

/// A token as a JWT, held against the keys of a document.
pub fn token(document: &[u8], token: &[u8]) {
    provider::install();
    let keys = KeySet::parse(document);
    let Ok(token) = std::str::from_utf8(token) else { return };
    if let (Ok((id, algorithm)), Ok(keys)) = (header(token), keys) {
        let _ = signed(token, &keys, &id, algorithm);
    }
}

/// Claims, as if they had been signed.
///
/// # Panics
/// Where claims are accepted that name no organization.
pub fn claims(json: &[u8]) {
    let Ok(claims) = serde_json::from_slice(json) else { return };
    match check(&claims, &settings(), DateTime::<Utc>::UNIX_EPOCH) {
        Ok(bearer) => assert!(is_organization_id(&bearer.organization_id)),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}
