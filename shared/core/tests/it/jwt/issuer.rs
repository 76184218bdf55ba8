//! An issuer on a port of this machine: it answers what a test tells it to, and counts how often it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the issuer answers.
#[derive(Clone)]
pub struct Script {
    pub discovery: String,
    pub keys: String,
    pub status: &'static str,
    pub delay: Duration,
    /// Whether it closes connections without an answer.
    pub down: bool,
}

pub struct LocalIssuer {
    pub url: String,
    script: Arc<Mutex<Script>>,
    fetches: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl LocalIssuer {
    pub async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let keys = json!({"keys": keys}).to_string();
        let script = Script { discovery, keys, status: "200 OK", delay: Duration::ZERO, down: false };
        let script = Arc::new(Mutex::new(script));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (Arc::clone(&script), Arc::clone(&fetches));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&shared), Arc::clone(&counter)));
            }
        });
        Self { url, script, fetches, task }
    }

    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub fn publish(&self, keys: &[Value]) {
        self.change(|script| script.keys = json!({"keys": keys}).to_string());
    }

    /// How often the keys were asked for; where it is down, how often it was tried.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Drop for LocalIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Mutex<Script>>, fetches: Arc<AtomicUsize>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let script = script.lock().unwrap().clone();
    if path == "/keys" || script.down {
        fetches.fetch_add(1, Ordering::SeqCst);
    }
    if script.down {
        return;
    }
    tokio::time::sleep(script.delay).await;
    let (status, body) = match path.as_str() {
        "/.well-known/openid-configuration" => ("200 OK", script.discovery),
        "/keys" => (script.status, script.keys),
        _ => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nlocation: /keys-elsewhere\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}
