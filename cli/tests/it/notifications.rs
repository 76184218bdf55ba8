//! Events of training runs: what is told, when, and that nobody who does not listen keeps a run from ending.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use fulcrum::CliError;
use fulcrum::local::Webhook;
use fulcrum_core::App;
use fulcrum_core::notifications::Notifications;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::data;
use crate::harness::TestServer;

/// Somebody who listens at a URL, answers with a status, and keeps what was posted.
struct Listener {
    url: String,
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    async fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?team=growth", listener.local_addr().unwrap());
        let posted: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&posted);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut read, mut buffer) = (Vec::new(), [0; 4_096]);
                let body = loop {
                    let n = stream.read(&mut buffer).await.unwrap();
                    read.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&read);
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    assert!(head.starts_with("POST /hook?team=growth HTTP/1.1\r\n"), "{head}");
                    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
                    if let Ok(body) = serde_json::from_str(body) {
                        break body;
                    }
                };
                kept.lock().unwrap().push(body);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, posted }
    }

    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.posted.lock().unwrap())
    }
}

async fn service(url: &str) -> TestServer {
    let notifications = Notifications::to(Arc::new(Webhook::new(url).unwrap()));
    TestServer::start_with(None, |app| App { notifications, ..app }).await
}

fn subjects(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["detail-type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_run_is_told_of_with_what_is_new_of_its_findings() {
    let listener = Listener::start("204 No Content").await;
    let server = service(&listener.url).await;
    let mut body = data::cmab();
    body["name"] = json!("landing page");
    body["holdout_percentage"] = json!(20);
    // The holdout never sees B and never complains; every second user of the others does.
    body["training_data_config"]["guardrails"] = json!([{"name": "complaint", "type": "bool", "worse_when": "up", "margin_percent": 10, "on_violation": "baseline"}]);
    let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    let users: Vec<(String, bool)> =
        (0..3_000).map(|n| format!("u{n}")).map(|user| (user.clone(), bandit::hold_out(&id, &user, 20.0))).collect();
    let files = |stray: bool| {
        let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
        for (n, (user, held_out)) in users.iter().enumerate() {
            let headline = if n % 2 == 0 && (stray || !held_out) { "B" } else { "A" };
            let row = json!({
                "anonymous_id": user, "timestamp": 1_793_491_200 + n, "variant": {"headline": headline},
                "context": {"device": "mobile"},
            });
            writeln!(exposures, "{row}").unwrap();
            if n % 20 < 2 {
                writeln!(rewards, "{user},{},signup", 1_793_491_260 + n).unwrap();
            }
            if n % if *held_out { 40 } else { 2 } == 0 {
                writeln!(rewards, "{user},{},complaint", 1_793_491_260 + n).unwrap();
            }
        }
        vec![("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]
    };
    server.snapshot(&id, "1", &files(false)).await;
    assert_eq!(server.train(&model).await.status, 200);
    let told = listener.take();
    assert_eq!(subjects(&told), ["trained", "guardrail_violated"], "{told:?}");
    for event in &told {
        assert_eq!(event["source"], "fulcrum");
        let detail = &event["detail"];
        assert_eq!((&detail["optimization_id"], &detail["model_id"]), (&json!(id), &json!(model)));
        assert_eq!((&detail["posterior_version"], &detail["snapshot_id"]), (&json!(1), &json!("1")));
        assert_eq!(detail["baseline_served"], true);
    }
    assert_eq!(told[0]["detail"]["exposures"], 3_000);
    let violated = &told[1]["detail"]["guardrails"][0];
    assert_eq!((&violated["name"], &violated["on_violation"]), (&json!("complaint"), &json!("baseline")));
    assert!(violated["lift_ci_anytime"][0].as_f64().unwrap() > 10.0, "{violated}");

    // What was told is not told again, and what is new is.
    server.snapshot(&id, "2", &files(true)).await;
    assert_eq!(server.train(&model).await.status, 200);
    let told = listener.take();
    assert_eq!(subjects(&told), ["trained", "data_suspect"], "{told:?}");
    let problem = &told[1]["detail"]["problems"][0];
    assert_eq!(problem["code"], "holdout_saw_other");
    assert!(problem["message"].as_str().unwrap().contains("show another variant than the baseline"), "{problem}");

    server.snapshot(&id, "3", &[("exposures/a.jsonl", "{\"anonymous_id\": \"u1\"}\n".to_owned())]).await;
    let refused = server.train(&model).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let told = listener.take();
    assert_eq!(subjects(&told), ["training_failed"], "{told:?}");
    assert_eq!(told[0]["detail"]["error"]["code"], refused.body["error"]["code"]);
    assert_eq!(told[0]["detail"]["posterior_version"], 2);
    server.shutdown().await;
}

#[tokio::test]
async fn a_run_ends_well_where_nobody_takes_its_events() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refusing = Listener::start("500 Internal Server Error").await;
    for url in [format!("http://{nobody}/"), refusing.url.clone()] {
        let server = service(&url).await;
        let (model, optimization) = server.model(&data::cmab()).await;
        server.snapshot(&optimization, "1", &data::cells()).await;
        let trained = server.train(&model).await;
        assert_eq!(trained.status, 200, "{url}: {}", trained.body);
        server.shutdown().await;
    }
    assert_eq!(subjects(&refusing.take()), ["trained"]);
}

#[test]
fn a_webhook_is_the_url_of_a_server() {
    for url in ["example.com/hook", "ftp://example.com", ""] {
        let refused = Webhook::new(url).unwrap_err();
        assert!(matches!(&refused, CliError::Url { url: shown, .. } if shown == url), "{refused}");
    }
}
