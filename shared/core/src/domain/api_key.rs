//! API keys and the scopes of tokens. A key is `flk_` and 43 URL-safe base64 characters, 256 random bits.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::time::millis;
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

/// How every key begins.
pub const KEY_PREFIX: &str = "flk_";

/// A key as stored: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names the key where the secret must not appear.
    pub id: Uuid,
    /// SHA-256 of the whole secret, hexadecimal.
    pub hash: String,
    /// Whose it is.
    pub organization_id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key's secret. It is shown once, to whom made it, and never logged.
pub struct Secret(String);

impl Secret {
    /// 256 bits from the operating system.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where the operating system has no randomness to give.
    pub fn generate() -> Result<Self, ApiError> {
        let mut bits = [0; 32];
        SysRng.try_fill_bytes(&mut bits).map_err(ApiError::internal)?;
        Ok(Self(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    /// A secret as sent, if it is of a secret's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bits = URL_SAFE_NO_PAD.decode(text.strip_prefix(KEY_PREFIX)?).ok()?;
        (bits.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the secret, hexadecimal. A fast hash does: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_is_fresh() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(one.expose().len(), 47);
        assert_ne!(one.expose(), two.expose());
        assert_eq!(Secret::parse(one.expose()).unwrap().hash(), one.hash());
    }

    #[test]
    fn only_its_form_is_a_secret() {
        let good = Secret::generate().unwrap();
        let good = good.expose();
        for bad in ["", "flk_", "flk_abc", &good[4..], &good[..46], &format!("{good}A"), &good.replace("flk_", "flk-")]
        {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }
}
