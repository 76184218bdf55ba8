//! What an issuer may answer, and what is not taken.

use std::time::{Duration, Instant};

use fulcrum_core::ApiError;
use serde_json::json;

use super::issuer::Script;
use super::signer::Signer;
use super::stage::Stage;

/// Why a good token cannot be checked where the issuer answers so.
async fn cause(change: impl FnOnce(&mut Script)) -> String {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[&signer]).await;
    stage.issuer.change(change);
    match stage.ask(&stage.token(&signer)).await {
        Err(ApiError::IssuerUnavailable { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn junk_among_the_keys_is_left_out() {
    let signer = Signer::rsa("rsa");
    let stage = Stage::new(&[]).await;
    let mut encryption = Signer::ec("encryption").jwk();
    encryption["use"] = json!("enc");
    let junk = [
        json!(null),
        json!("key"),
        json!({"kty": "RSA", "kid": "rsa", "n": "!", "e": "AQAB"}),
        json!({"kty": "ML-DSA", "kid": "rsa", "pub": "AA"}),
        encryption,
        signer.jwk(),
    ];
    stage.issuer.publish(&junk);
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
}

#[tokio::test]
async fn a_key_for_encryption_signs_nothing() {
    let signer = Signer::ec("ec");
    let stage = Stage::new(&[]).await;
    let mut key = signer.jwk();
    key["use"] = json!("enc");
    stage.issuer.publish(&[key]);
    assert_eq!(stage.refused(&stage.token(&signer)).await, "the token's key is not one of the issuer's");
}

#[tokio::test]
async fn a_sign_byte_before_a_modulus_does_no_harm() {
    let signer = Signer::rsa("rsa");
    let stage = Stage::new(&[]).await;
    let mut key = signer.jwk();
    // 2,048 bits are 342 characters; one byte more shifts them all, so the modulus is encoded anew.
    let modulus = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key["n"].as_str().unwrap());
    let padded: Vec<u8> = std::iter::once(0).chain(modulus.unwrap()).collect();
    key["n"] = json!(super::signer::encoded(padded));
    stage.issuer.publish(&[key]);
    assert!(stage.ask(&stage.token(&signer)).await.is_ok());
}

#[tokio::test]
async fn anothers_discovery_document_is_not_taken() {
    let found = cause(|script| script.discovery = script.discovery.replacen("127.0.0.1", "localhost", 1)).await;
    assert!(found.contains("another issuer"), "{found}");
    let found = cause(|script| script.discovery = script.discovery.replacen("\",\"jwks", "/\",\"jwks", 1)).await;
    assert!(found.contains("another issuer"), "{found}");
}

#[tokio::test]
async fn keys_on_the_way_to_which_somebody_may_stand_are_not_taken() {
    let jwks = |url: &'static str| {
        move |script: &mut Script| {
            let mut document: serde_json::Value = serde_json::from_str(&script.discovery).unwrap();
            document["jwks_uri"] = json!(url);
            script.discovery = document.to_string();
        }
    };
    for url in ["http://issuer.example/keys", "file:///etc/keys", "keys"] {
        let found = cause(jwks(url)).await;
        assert!(found.contains(url), "{found}");
    }
}

#[tokio::test]
async fn documents_of_another_form_are_not_taken() {
    let found = cause(|script| script.discovery = "<html>".to_owned()).await;
    assert!(found.contains("openid-configuration"), "{found}");
    let found = cause(|script| script.discovery = "{}".to_owned()).await;
    assert!(found.contains("issuer"), "{found}");
    let found = cause(|script| script.keys = r#"{"keys": 7}"#.to_owned()).await;
    assert!(found.contains("/keys"), "{found}");
}

#[tokio::test]
async fn only_200_is_taken() {
    for status in ["302 Found", "301 Moved Permanently", "404 Not Found", "500 Internal Server Error", "204 No Content"]
    {
        let found = cause(|script| script.status = status).await;
        assert!(found.contains(&status[..3]), "{found}");
    }
}

#[tokio::test]
async fn an_answer_over_1_mb_is_not_read() {
    let found = cause(|script| script.keys.push_str(&" ".repeat(1_000_000))).await;
    assert!(found.contains("1000000 bytes"), "{found}");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_away_after_5_s() {
    let started = Instant::now();
    let found = cause(|script| script.delay = Duration::from_mins(1)).await;
    assert!(found.contains("5 s"), "{found}");
    assert!((4..8).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}
