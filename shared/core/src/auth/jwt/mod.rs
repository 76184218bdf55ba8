//! JWTs of one OIDC issuer.

mod cache;
mod claims;
mod fetch;
mod keys;
mod provider;
mod refusal;
mod settings;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

pub use settings::IssuerSettings;

use self::cache::KeyCache;
pub(super) use self::claims::Bearer;
use self::claims::check;
use self::fetch::Fetcher;
pub(super) use self::refusal::Refusal;
use crate::app::ConfigError;
use crate::error::ApiError;

/// The greatest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 16_000;

/// The issuer whose JWTs are accepted, with its keys as far as they are known.
#[derive(Clone)]
pub struct Issuer {
    settings: IssuerSettings,
    keys: KeyCache,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer that the environment names, if it names one.
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        IssuerSettings::read(|name| std::env::var(name).ok())?.map(Self::new).transpose()
    }

    /// The issuer of some settings. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// [`ConfigError`] where the issuer or the place of its keys is not an https URL.
    pub fn new(settings: IssuerSettings) -> Result<Self, ConfigError> {
        provider::install();
        let keys = KeyCache::new(Fetcher::new(settings.source()?));
        Ok(Self { settings, keys })
    }

    /// Whom a token speaks for.
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer, ApiError> {
        let (id, algorithm) = header(token)?;
        let keys = self.keys.with(&id, now).await?.ok_or(Refusal::UnknownKey)?;
        let key = keys.find(&id, algorithm).ok_or(Refusal::Algorithm)?;
        let mut validation = Validation::new(key.algorithm);
        // The claims are checked against our own clock below.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let decoded = decode::<Map<String, Value>>(token, &key.public, &validation).map_err(|_| Refusal::Signature)?;
        Ok(check(&decoded.claims, &self.settings, now)?)
    }
}

/// Whom a token speaks for that is no API key.
pub(super) async fn verify(issuer: Option<&Issuer>, token: &str, now: DateTime<Utc>) -> Result<Bearer, ApiError> {
    if token.len() > TOKEN_LIMIT {
        return Err(Refusal::TooLong { bytes: token.len(), limit: TOKEN_LIMIT }.into());
    }
    if token.split('.').count() != 3 {
        return Err(Refusal::Neither.into());
    }
    issuer.ok_or(Refusal::NotConfigured)?.verify(token, now).await
}

/// The id of the key and the algorithm that a token's header names.
fn header(token: &str) -> Result<(String, Algorithm), Refusal> {
    let header = decode_header(token).map_err(|_| Refusal::Header)?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
        return Err(Refusal::Header);
    }
    let own = [
        ("jwk", header.jwk.is_some()),
        ("jku", header.jku.is_some()),
        ("x5u", header.x5u.is_some()),
        ("x5c", header.x5c.is_some()),
    ];
    if let Some((name, _)) = own.into_iter().find(|(_, given)| *given) {
        return Err(Refusal::OwnKey { name });
    }
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    Ok((header.kid.ok_or(Refusal::NoKeyId)?, header.alg))
}
