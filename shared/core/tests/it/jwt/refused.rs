//! Tokens that somebody made up.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::signer::{Signer, encoded, message};
use super::stage::Stage;

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    ring::hmac::sign(&key, message).as_ref().to_vec()
}

#[tokio::test]
async fn no_algorithm_is_refused() {
    let signer = Signer::rsa("rsa");
    let stage = Stage::new(&[&signer]).await;
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": none, "kid": "rsa"});
        let message = message(&header, &stage.claims(&json!({})));
        for signature in [String::new(), encoded(signer.signature(&message))] {
            let answer = stage.refused(&format!("{message}.{signature}")).await;
            assert!(answer.contains("RS256, ES256 or EdDSA"), "{none}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_public_key_is_not_a_shared_secret() {
    for signer in &Signer::all() {
        let stage = Stage::new(&[signer]).await;
        assert!(stage.ask(&stage.token(signer)).await.is_ok());
        let jwk = signer.jwk();
        let bytes = signer.public_bytes();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&bytes));
        let field = |name: &str| jwk[name].as_str().unwrap_or_default().as_bytes().to_vec();
        let secrets = [
            bytes,
            pem.into_bytes(),
            jwk.to_string().into_bytes(),
            field("n"),
            field("x"),
            Sha256::digest(field("n")).to_vec(),
            Vec::new(),
        ];
        for algorithm in ["HS256", "HS384", "HS512"] {
            let message = message(&json!({"alg": algorithm, "kid": signer.id}), &stage.claims(&json!({})));
            for secret in &secrets {
                let token = format!("{message}.{}", encoded(hmac_sha256(secret, message.as_bytes())));
                assert!(stage.refused(&token).await.contains("RS256, ES256 or EdDSA"));
            }
        }
        // The same signature under the key's own algorithm.
        let message = message(&signer.header(), &stage.claims(&json!({})));
        for secret in &secrets {
            let token = format!("{message}.{}", encoded(hmac_sha256(secret, message.as_bytes())));
            assert!(stage.refused(&token).await.contains("signature"));
        }
    }
}

#[tokio::test]
async fn a_published_secret_is_no_key() {
    let signer = Signer::rsa("rsa");
    let stage = Stage::new(&[&signer]).await;
    stage.issuer.publish(&[signer.jwk(), json!({"kty": "oct", "kid": "oct", "alg": "HS256", "k": encoded("secret")})]);
    for algorithm in ["HS256", "RS256"] {
        let message = message(&json!({"alg": algorithm, "kid": "oct"}), &stage.claims(&json!({})));
        stage.refused(&format!("{message}.{}", encoded(hmac_sha256(b"secret", message.as_bytes())))).await;
    }
}

#[tokio::test]
async fn a_key_has_one_algorithm() {
    let signers = Signer::all();
    let stage = Stage::new(&signers.each_ref()).await;
    for algorithm in ["RS512", "PS256"] {
        let message = message(&json!({"alg": algorithm, "kid": "rsa"}), &stage.claims(&json!({})));
        let token = format!("{message}.{}", encoded(signers[0].other_signature(algorithm, &message)));
        assert!(stage.refused(&token).await.contains("RS256, ES256 or EdDSA"));
    }
    for signer in &signers {
        for other in signers.iter().filter(|other| other.id != signer.id) {
            // Signed by its own key, under the name of another.
            let named = json!({"alg": signer.algorithm(), "kid": other.id});
            let answer = stage.refused(&signer.token(&named, &stage.claims(&json!({})))).await;
            assert_eq!(answer, "the token's algorithm is not that of its key");
            let disguised = json!({"alg": other.algorithm(), "kid": other.id});
            let answer = stage.refused(&signer.token(&disguised, &stage.claims(&json!({})))).await;
            assert!(answer.contains("signature"), "{answer}");
        }
    }
}

#[tokio::test]
async fn keys_from_the_header_are_refused() {
    let (signer, stranger) = (Signer::ec("ec"), Signer::ec("stranger"));
    let stage = Stage::new(&[&signer]).await;
    stage.ask(&stage.token(&signer)).await.unwrap();
    let url = json!(format!("{}/keys", stage.issuer.url));
    let given: [(&str, Value); 5] = [
        ("jwk", stranger.jwk()),
        ("jku", url.clone()),
        ("x5u", url),
        ("x5c", json!([STANDARD.encode("a certificate")])),
        ("crit", json!(["exp"])),
    ];
    for (name, value) in given {
        for (by, kid) in [(&stranger, "stranger"), (&stranger, "ec"), (&signer, "ec")] {
            let header = json!({"alg": "ES256", "kid": kid, name: value});
            let answer = stage.refused(&by.token(&header, &stage.claims(&json!({})))).await;
            assert!(answer.contains(name), "{name} {kid}: {answer}");
        }
    }
    // A form that the field does not have.
    for (name, value) in [("jwk", json!("a")), ("jku", json!(["a"])), ("x5c", json!("a")), ("crit", json!(7))] {
        let header = json!({"alg": "ES256", "kid": "ec", name: value});
        stage.refused(&signer.token(&header, &stage.claims(&json!({})))).await;
    }
    assert_eq!(stage.issuer.fetches(), 1);
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    for signer in &Signer::all() {
        let stage = Stage::new(&[signer]).await;
        let token = stage.token(signer);
        let parts: Vec<&str> = token.split('.').collect();
        let other = encoded(stage.claims(&json!({"org_id": "org_b"})).to_string());
        let header = encoded(json!({"alg": signer.algorithm(), "kid": signer.id}).to_string());
        let mut flipped = signer.signature(&format!("{}.{}", parts[0], parts[1]));
        *flipped.last_mut().unwrap() ^= 1;
        let zeros = vec![0; flipped.len()];
        for (what, changed) in [
            ("payload", format!("{}.{other}.{}", parts[0], parts[2])),
            ("header", format!("{header}.{}.{}", parts[1], parts[2])),
            ("signature", format!("{}.{}.{}", parts[0], parts[1], encoded(flipped))),
            ("signature of zeros", format!("{}.{}.{}", parts[0], parts[1], encoded(zeros))),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
            ("a part of the signature", token[..token.len() - 4].to_owned()),
            ("more at the end", format!("{token}AAAA")),
            ("padding", format!("{token}==")),
        ] {
            assert!(stage.refused(&changed).await.contains("signature"), "{} {what}", signer.id);
        }
        assert!(stage.ask(&token).await.is_ok());
    }
}

#[tokio::test]
async fn another_number_of_parts_is_no_jwt() {
    let signer = Signer::ed("ed");
    let stage = Stage::new(&[&signer]).await;
    let token = stage.token(&signer);
    let parts: Vec<&str> = token.split('.').collect();
    let serialised = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    let twice = json!({"payload": parts[1], "signatures": [
        {"protected": parts[0], "signature": parts[2]}, {"protected": parts[0], "signature": parts[2]},
    ]});
    for bad in [
        format!("{token}.{}", parts[2]),
        format!("{token}.{}.{}", parts[2], parts[2]),
        format!("{token}.{token}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token},{token}"),
        serialised,
        twice.to_string(),
        "token".to_owned(),
        "FLK_abc".to_owned(),
    ] {
        let answer = stage.refused(&bad).await;
        assert!(answer.contains("neither an API key"), "{bad}: {answer}");
    }
    for bad in ["..", "a.b.c", "....", &format!("{}..{}", parts[0], parts[2])] {
        stage.refused(bad).await;
    }
}

#[tokio::test]
async fn a_header_without_a_key_is_refused() {
    let signer = Signer::ed("ed");
    let stage = Stage::new(&[&signer]).await;
    let claims = stage.claims(&json!({}));
    assert!(stage.refused(&signer.token(&json!({"alg": "EdDSA"}), &claims)).await.contains("kid"));
    for header in [json!({}), json!([]), json!("EdDSA"), json!({"kid": "ed"}), json!({"alg": ["EdDSA"], "kid": "ed"})] {
        assert!(stage.refused(&signer.token(&header, &claims)).await.contains("header"), "{header}");
    }
    for claims in [json!([]), json!("claims"), json!(null)] {
        assert!(stage.refused(&signer.token(&signer.header(), &claims)).await.contains("claims"), "{claims}");
    }
}

#[tokio::test]
async fn a_long_token_is_refused_before_it_is_read() {
    let signer = Signer::ed("ed");
    let stage = Stage::new(&[&signer]).await;
    let long = stage.token_with(&signer, &json!({"padding": "x".repeat(750_000)}));
    assert!(long.len() > 1_000_000);
    let dots = ".".repeat(1_000_000);
    for token in [long, dots] {
        let started = Instant::now();
        let answer = stage.refused(&token).await;
        assert!(answer.contains("at most 16000"), "{answer}");
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    }
    assert_eq!(stage.issuer.fetches(), 0);
    // Just below the limit a token is one.
    let large = stage.token_with(&signer, &json!({"padding": "x".repeat(11_000)}));
    assert!((14_000..16_000).contains(&large.len()));
    assert!(stage.ask(&large).await.is_ok());
}

#[tokio::test]
async fn no_message_repeats_the_token() {
    let (signer, marked) = (Signer::ec("ec"), Signer::ec("MARKED"));
    let stage = Stage::new(&[&signer]).await;
    let claims = [
        json!({"iss": "MARKED"}),
        json!({"exp": "MARKED"}),
        json!({"nbf": "MARKED"}),
        json!({"org_id": "MARKED/"}),
        json!({"org_id": null, "o": {"id": "MARKED/"}}),
        json!({"scope": {"MARKED": 1}}),
        json!({"exp": {"MARKED": "MARKED"}}),
    ];
    let mut tokens: Vec<String> = claims.iter().map(|changes| stage.token_with(&signer, changes)).collect();
    tokens.push(stage.token(&marked));
    tokens.push("MARKED".to_owned());
    tokens.push("MARKED.MARKED.MARKED".to_owned());
    for header in [json!({"alg": "MARKED", "kid": "ec"}), json!({"alg": "ES256", "kid": "ec", "jku": "MARKED"})] {
        tokens.push(signer.token(&header, &stage.claims(&json!({}))));
    }
    tokens.push(signer.token(&signer.header(), &json!("MARKED")));
    for token in tokens {
        let answer = stage.refused(&token).await;
        assert!(!answer.contains("MARKED"), "{answer}");
    }
}
