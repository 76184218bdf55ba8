//! An issuer of tokens on a port of this machine, with one key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fulcrum_core::auth::{Issuer, IssuerSettings};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const KEY: &str = "key";

/// A running issuer; it ends when this value is dropped.
pub struct TestIssuer {
    pub url: String,
    pair: Ed25519KeyPair,
    task: JoinHandle<()>,
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn new_pair() -> Ed25519KeyPair {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

impl TestIssuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pair = new_pair();
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()), "kid": KEY, "alg": "EdDSA", "use": "sig"});
        let body = json!({ "keys": [key] }).to_string();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    asked.push(byte);
                }
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, pair, task }
    }

    pub fn settings(&self) -> Issuer {
        let jwks_url = Some(format!("{}/keys", self.url));
        Issuer::new(IssuerSettings { issuer: self.url.clone(), audiences: Vec::new(), jwks_url }).unwrap()
    }

    fn claims(&self, organization: &str, expires: i64) -> Value {
        json!({"iss": self.url, "sub": "user", "iat": expires - 600, "exp": expires, "org_id": organization})
    }

    /// A token for an organization that is good until then, in epoch seconds.
    pub fn token(&self, organization: &str, expires: i64) -> String {
        signed(&self.pair, &self.claims(organization, expires))
    }

    /// The same, signed with a key that is not the issuer's.
    pub fn forged(&self, organization: &str, expires: i64) -> String {
        signed(&new_pair(), &self.claims(organization, expires))
    }

    /// The same, which says of itself that it is not signed.
    pub fn unsigned(&self, organization: &str, expires: i64) -> String {
        let header = json!({"typ": "JWT", "alg": "none", "kid": KEY});
        format!("{}.{}.", encoded(header.to_string()), encoded(self.claims(organization, expires).to_string()))
    }
}

fn signed(pair: &Ed25519KeyPair, claims: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": KEY});
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    format!("{message}.{}", encoded(pair.sign(message.as_bytes())))
}
