//! JWT authentication: tokens of one OIDC issuer, checked with the keys that it publishes.

mod cache;
mod claims;
mod fetch;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
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
use self::keys::KeySet;
pub(super) use self::refusal::Refusal;
use crate::config::ConfigError;
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
        Ok(check(&signed(token, &keys, &id, algorithm)?, &self.settings, now)?)
    }
}

/// The claims that one of the keys of that id and algorithm has signed.
fn signed(token: &str, keys: &KeySet, id: &str, algorithm: Algorithm) -> Result<Map<String, Value>, Refusal> {
    let mut refusal = Refusal::Algorithm;
    for key in keys.find(id, algorithm) {
        let mut validation = Validation::new(key.algorithm);
        // The claims are checked against our own clock.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        match decode(token, &key.public, &validation) {
            Ok(decoded) => return Ok(decoded.claims),
            Err(_) => refusal = Refusal::Signature,
        }
    }
    Err(refusal)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `{"alg":"RS256","kid":"short"}` and `{"sub":"user_a"}`.
    const MESSAGE: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNob3J0In0.eyJzdWIiOiJ1c2VyX2EifQ";

    /// The modulus of a key of 1,024 bits, and its good signature of the message.
    const SHORT: &str = "\
        qvEkmEPslB1cvnK32fVe7NJC-nzN18iP5gqngT8ebxDF4oFbCXBp5628CVqS0OFgxYxMALfP0wKad7ABeVm3YZkkw2MY1FbVz5A_\
        h3qN7qr9k1AudjfI4HDWL89B5PvRDQh2JIwaYH3Y2xhz3SgRC-NN1z21Zb9m2uuamQ5iHV0";
    const BY_SHORT: &str = "\
        Kgp73MH9rnOfPJqx-44qAm_N7rEi9GvCiBoLtv_lK-ZR-yyUDs1xcMbJItTixN3Iv-0qOUU89bAO3aM8HCGL2HzObNSRprhR7TCw\
        CakN_eaa55SMGgo8H8nMv5to3mj7a7nKQlAZvMPuayrkoEYqdRKiP-X1rGJIXRGpJaJbzSc";

    /// The same of a key of 2,048 bits.
    const LONG: &str = "\
        rpb5kSSJJgBeKFEdEv4R269splWnizkZZBgvmYSlvtcxNznZ_DC4C04K0CWQuIoR039nRas5l1UDfCCxghm_zDDLx6zpyI5pVATI\
        OJ-jULqzwaREWxuBSHlH7iqpT7yQ81_lDN2caJLQvVUjYiK-tO9sP0mEHkjWNbRsM3yzL4DiHt6TYRpL3LrQ4uLXV7nOK9LrP7qX\
        3F0xog46YiYvjgMRSVtahecl3K1qSL4sfmPv_T31khXrL_Vlf1uYeOV3mDY5VD2911j_vlPeZyDIuOuFZp7iO2bwc1Pb8tSVTCci\
        msNMjLsTWjKpr4YPG5c2CJ6rKrR93MgIglzJsP1MPw";
    const BY_LONG: &str = "\
        TrhHnZd-morEI7N3hi8TjPr71uULoCYhQWkwRYdxlNi3ZVNstUJteB6OAAI38zVrj2Smv5qbrMwCgcTIGlxuFQG3WsQFE5_1h73F\
        5YnjE3s9uHPPEDAivhim34OE-N51h3mcSeFdk0bw_qd_oP3yCIkVL2y00oxn4G3bs_vUspsrG9fwj3JCsgA5MINi82GGLmbshncc\
        vP-_ciSxOIHnp3OJmeURMpKirxkzvz7zne7_SxHbkBnFsgGfyX4FBRzhqzmlnh0Ou_BuEgNTblcqwrxmJWzGDqbiMkRSLH_c-EhN\
        r_pM2s5eJPvujmzxvjzB63l6Bm2EJWEIGaMMzwrwJQ";

    fn ask(moduli: &[&str], signature: &str) -> Result<Map<String, Value>, Refusal> {
        provider::install();
        let keys: Vec<Value> =
            moduli.iter().map(|n| json!({"kty": "RSA", "kid": "short", "n": n, "e": "AQAB"})).collect();
        let keys = KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap();
        signed(&format!("{MESSAGE}.{signature}"), &keys, "short", Algorithm::RS256)
    }

    #[test]
    fn a_key_of_1024_bits_signs_nothing() {
        assert_eq!(ask(&[LONG], BY_LONG).unwrap()["sub"], "user_a");
        assert_eq!(ask(&[SHORT], BY_SHORT), Err(Refusal::Signature));
        assert_eq!(ask(&[LONG], BY_SHORT), Err(Refusal::Signature));
    }

    #[test]
    fn of_several_keys_of_one_id_and_kind_any_may_have_signed() {
        assert!(ask(&[SHORT, LONG], BY_LONG).is_ok() && ask(&[LONG, SHORT], BY_LONG).is_ok());
        assert_eq!(ask(&[], BY_LONG), Err(Refusal::Algorithm));
    }
}
