//! What ingestion costs end to end: batches over loopback to the local service, and beside them S3 puts of the same bytes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use events::incoming::compress;
use fulcrum::local::{Local, Settings};
use fulcrum_core::config::Endpoints;
use fulcrum_core::domain::NewOptimization;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::serve::{failed, quantile, read_answer, runtime};
use tokio::io::AsyncWriteExt as _;

/// Events of a request.
const BATCH: usize = 500;
/// Connections that send as fast as they can.
const CONNECTIONS: usize = 4;
/// Requests a second where their times are measured.
const RATE: u32 = 100;
/// Events of those: what a site of a few thousand visitors a second sends in a request.
const PACED_BATCH: usize = 50;

/// Sends `requests` batches of 500 as fast as they are taken, then paces 100 requests a second for `seconds`, and prints both.
///
/// # Errors
/// [`Error::Service`] where the service does not start, or answers anything but what is expected.
pub fn run(requests: usize, seconds: u32) -> Result<(), Error> {
    runtime()?.block_on(measure(requests, seconds))
}

async fn measure(requests: usize, seconds: u32) -> Result<(), Error> {
    let folder = std::env::temp_dir().join(format!("fulcrum-bench-{}", std::process::id()));
    let local = Local::start(Settings {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        port: 0,
        hosts: Vec::new(),
        data: Some(folder.clone()),
        organization: "org_bench".to_owned(),
        endpoints: Endpoints::default(),
        table: "table".to_owned(),
        bucket: "bucket".to_owned(),
        lease: TimeDelta::seconds(60),
        examples: false,
        // Compaction has a bench of its own.
        events: false,
        issuer: None,
    });
    let local = local.await.map_err(failed)?;
    let measured = measure_over(&local, requests, seconds).await;
    local.shutdown().await;
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    measured
}

async fn measure_over(local: &Local, requests: usize, seconds: u32) -> Result<(), Error> {
    let new: NewOptimization = serde_json::from_value(optimization()).map_err(failed)?;
    let made = local.app().create_optimization(&local.env.organization, new).await.map_err(failed)?;
    let optimization = made.optimization.id.to_string();

    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (sender, next) = (Sender::connect(local, &optimization).await?, Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut sender = sender;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return Ok::<(), Error>(());
                }
                sender.send(number, BATCH).await?;
            }
        }));
    }
    for task in tasks {
        task.await.map_err(failed)??;
    }
    let took = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let rate = (requests * BATCH) as f64 / took;
    println!("{requests} requests of {BATCH} exposures by {CONNECTIONS} connections: {rate:.0} events/s");

    let (mut ingested, mut put) = (Vec::new(), Vec::new());
    let mut sender = Sender::connect(local, &optimization).await?;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
    for number in 0..seconds * RATE {
        let number = number as usize + requests;
        pace.tick().await;
        ingested.push(sender.send(number, PACED_BATCH).await?);
        // The same bytes, straight into the bucket, at the same moments as far as anybody can tell.
        let body = body(&optimization, number, PACED_BATCH);
        let object = compress(body.as_bytes()).map_err(failed)?;
        pace.tick().await;
        let started = Instant::now();
        let key = format!("puts/{number}");
        local.app().bucket.put(&key, object.into()).await.map_err(failed)?;
        put.push(started.elapsed());
    }
    ingested.sort_unstable();
    put.sort_unstable();
    let shown = |times: &[Duration]| format!("p50 {:.2} ms, p99 {:.2} ms", quantile(times, 0.5), quantile(times, 0.99));
    println!(
        "{RATE} a second, by turns: requests of {PACED_BATCH} exposures {}, S3 puts of their bytes {}",
        shown(&ingested),
        shown(&put)
    );
    println!("p99 of a request is {:.2} × that of a put", quantile(&ingested, 0.99) / quantile(&put, 0.99));
    Ok(())
}

struct Sender {
    stream: TcpStream,
    buffer: Vec<u8>,
    key: String,
    optimization: String,
}

impl Sender {
    async fn connect(local: &Local, optimization: &str) -> Result<Self, Error> {
        let address = local.env.url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { stream, buffer: Vec::new(), key: local.env.api_key.clone(), optimization: optimization.to_owned() })
    }

    async fn send(&mut self, number: usize, batch: usize) -> Result<Duration, Error> {
        let body = body(&self.optimization, number, batch);
        let request = format!(
            "POST /api/v2/ingest/exposures HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let started = Instant::now();
        self.stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let answered = read_answer(&mut self.stream, &mut self.buffer).await?;
        if answered != 200 {
            return Err(failed(format!("ingestion answered {answered}: {}", String::from_utf8_lossy(&self.buffer))));
        }
        Ok(started.elapsed())
    }
}

/// A request's body. Written by hand, since what makes it shares the processors with what is measured.
fn body(optimization: &str, number: usize, batch: usize) -> String {
    let mut body = String::with_capacity(batch * 320);
    body.push_str(r#"{"events":["#);
    for index in 0..batch {
        let id = number * batch + index;
        let (comma, headline, image) = (if index == 0 { "" } else { "," }, id % 4, id % 3);
        write!(
            body,
            r#"{comma}{{"anonymous_id":"visitor-{id}","optimization_id":"{optimization}","variant":{{"headline":"level-{headline}","image":"level-{image}"}},"context":{{"device":"mobile"}},"timestamp":"2026-11-28T06:20:16.123Z","idempotency_key":"exposure-{id}","propensity":0.25,"posterior_version":3,"holdout":false}}"#
        )
        .expect("a string takes what is written");
    }
    body.push_str("]}");
    body
}

fn optimization() -> Value {
    let factor = |name: &str, levels: usize| json!({"name": name, "dtype": "str", "levels": (0..levels).map(|n| format!("level-{n}")).collect::<Vec<_>>()});
    json!({"name": "Bench", "model_type": "mab", "training_data_config": {
        "design_factors": [factor("headline", 4), factor("image", 3)],
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    }})
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_short_run_ends_without_error() {
        super::run(4, 1).unwrap();
    }
}
