//! The JWKS of an issuer (RFC 7517): its public keys.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// A public key, with the one algorithm that its signatures are made by.
pub(super) struct Key {
    id: String,
    /// From the key's own kind; what a token says of its algorithm must agree.
    pub(super) algorithm: Algorithm,
    /// The key itself.
    pub(super) public: DecodingKey,
}

/// The keys of a document that can be used here.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// The usable keys of a document. Others are left out, whatever they are: an issuer may publish kinds that are
    /// unknown here beside those that sign its tokens.
    ///
    /// # Errors
    /// Where the document itself is not of the form `{"keys": […]}`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(json)?;
        Ok(Self(document.keys.into_iter().filter_map(usable).collect()))
    }

    /// Whether there is a key of that id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// The keys of that id and algorithm; an issuer that does not number its keys well has more than one.
    pub(super) fn find<'k>(&'k self, id: &'k str, algorithm: Algorithm) -> impl Iterator<Item = &'k Key> {
        self.0.iter().filter(move |key| key.id == id && key.algorithm == algorithm)
    }
}

fn usable(key: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(point) if point.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let common = &jwk.common;
    let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
        && common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    let public = DecodingKey::from_jwk(&jwk).ok().filter(|_| signs)?;
    Some(Key { id: jwk.common.key_id?, algorithm, public })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
    }

    fn rsa(more: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "kid": "a", "n": "4lnrqg", "e": "AQAB"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    #[test]
    fn the_algorithm_is_the_keys_own() {
        let keys = set(&json!([
            rsa(&json!({})),
            {"kty": "EC", "kid": "b", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "OKP", "kid": "c", "crv": "Ed25519", "x": "AA"},
        ]));
        for (id, algorithm) in [("a", Algorithm::RS256), ("b", Algorithm::ES256), ("c", Algorithm::EdDSA)] {
            assert!(keys.knows(id) && keys.find(id, algorithm).count() == 1, "{id}");
            assert!(keys.find(id, Algorithm::HS256).next().is_none(), "{id}");
        }
        assert!(keys.find("a", Algorithm::ES256).next().is_none());
        assert!(!keys.knows("d"));
    }

    #[test]
    fn one_id_may_name_a_key_of_each_kind() {
        let keys = set(&json!([rsa(&json!({})), {"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "AA"}]));
        for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
            assert_eq!(keys.find("a", algorithm).count(), 1, "{algorithm:?}");
        }
    }

    #[test]
    fn what_a_key_says_of_itself_must_allow_signatures_of_its_kind() {
        for good in [json!({"use": "sig"}), json!({"alg": "RS256"}), json!({"key_ops": ["verify"]})] {
            assert!(set(&json!([rsa(&good)])).knows("a"), "{good}");
        }
        for bad in [
            json!({"use": "enc"}),
            json!({"use": "tls"}),
            json!({"alg": "RS512"}),
            json!({"alg": "PS256"}),
            json!({"alg": "HS256"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": "none"}),
            json!({"key_ops": ["encrypt"]}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({"kid": null}),
            json!({"kid": 7}),
            json!({"n": "not base64!"}),
        ] {
            assert!(!set(&json!([rsa(&bad)])).knows("a"), "{bad}");
        }
    }

    #[test]
    fn junk_is_left_out() {
        let keys = set(&json!([
            null, 7, "key", [], {}, {"kty": "EC"}, {"kty": "XYZ", "kid": "x"}, {"kty": "oct", "kid": "x", "k": "AA"},
            {"kty": "EC", "kid": "x", "crv": "P-384", "x": "AA", "y": "AA"},
            {"kty": "EC", "kid": "x", "crv": "secp256k1", "x": "AA", "y": "AA"},
            {"kty": "OKP", "kid": "x", "crv": "X25519", "x": "AA"},
            rsa(&json!({})),
        ]));
        assert_eq!(keys.0.len(), 1);
        assert!(keys.knows("a"));
    }

    #[test]
    fn a_document_of_another_form_is_an_error() {
        for bad in ["", "[]", "{}", r#"{"keys": 3}"#, r#"{"keys": {}}"#, "<html>"] {
            assert!(KeySet::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
