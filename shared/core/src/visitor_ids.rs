//! Ids of visitors, hashed before anything is done with them, where a deployment wants it so (`HASH_IDS`).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The fewest characters of a secret.
pub const LEAST_SECRET: usize = 32;

/// How ids of visitors are kept: as they are, or as hashes under a secret of each organization.
///
/// The secret of an organization is HMAC-SHA-256 of its id under the deployment's secret; a hash is the first 16 bytes of
/// HMAC-SHA-256 of the id under that, as 32 hexadecimal digits. Of n visitors two share a hash with probability n²/2¹²⁹.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VisitorIds(Option<Arc<str>>);

impl fmt::Debug for VisitorIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.are_hashed() { "VisitorIds(hashed)" } else { "VisitorIds(as they are)" })
    }
}

impl VisitorIds {
    /// Hashed under a deployment's secret.
    #[must_use]
    pub fn hashed(secret: &str) -> Self {
        Self(Some(secret.into()))
    }

    /// Whether they are hashed.
    #[must_use]
    pub const fn are_hashed(&self) -> bool {
        self.0.is_some()
    }

    /// The id that stands for a visitor of an organization everywhere behind the API.
    #[must_use]
    pub fn kept<'i>(&self, organization: &str, id: &'i str) -> Cow<'i, str> {
        let Some(secret) = &self.0 else { return Cow::Borrowed(id) };
        let own = mac(secret.as_bytes(), organization.as_bytes());
        let hash = mac(&own, id.as_bytes());
        Cow::Owned(hash.iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
            for digit in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
            }
            hex
        }))
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // A key of HMAC may have any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.chain_update(text).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first figure is Python's: `hmac.new(hmac.new(b"s" * 32, b"org_1", "sha256").digest(), b"visitor", "sha256").hexdigest()[:32]`.
    #[test]
    fn a_hash_depends_on_secret_organization_and_id() {
        let ids = VisitorIds::hashed(&"s".repeat(32));
        assert_eq!(ids.kept("org_1", "visitor"), "da8f5e99c4fd33c41cfc8d3343755575");
        let others = [
            ids.kept("org_2", "visitor"),
            ids.kept("org_1", "visitor2"),
            VisitorIds::hashed(&"t".repeat(32)).kept("org_1", "visitor"),
        ];
        assert!(others.iter().all(|other| other.len() == 32 && *other != ids.kept("org_1", "visitor")));
        assert_eq!(VisitorIds::default().kept("org_1", "visitor"), "visitor");
        assert_eq!(format!("{ids:?}"), "VisitorIds(hashed)", "the secret is not told");
    }
}
