//! What serving costs end to end: requests over loopback to the local HTTP server, beside a handler that returns a constant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fulcrum::local::{HttpOptions, HttpServer, Local, Settings, listen};
use fulcrum_core::config::Endpoints;
use fulcrum_core::domain::NewOptimization;
use fulcrum_core::http::{request_id, respond_open};
use fulcrum_core::{ApiError, App, Body, Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::Error;

/// Connections that are open at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Where p99 of serving may be at most [`BOUND`] times the floor's.
const JUDGED: usize = 16;
const BOUND: f64 = 1.5;
/// Alternations between floor and serving, so that both see the same machine.
const ROUNDS: usize = 10;
/// Levels of the context factor.
const COUNTRIES: usize = 10;

pub(crate) fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Service { cause: cause.to_string() }
}

/// The floor: a handler that reads nothing of the request and answers what serving might.
fn constant(_: &App, request: Request) -> Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send + '_>> {
    Box::pin(async move {
        let variant = json!({"headline": "level-3", "image": "level-7"});
        respond_open(request_id(&request), &json!({"variant": variant, "variant_index": 37}))
    })
}

/// Measures with `requests` requests for each path and number of connections, and prints a table and a verdict.
///
/// # Errors
/// [`Error::AboveFloor`] where serving costs more than it may; [`Error::Service`] where the service does not start, or answers
/// anything but what is expected.
pub fn run(requests: usize) -> Result<(), Error> {
    let ratio = block_on(measure(requests, 10))?;
    if ratio <= BOUND {
        println!("p99 of serving at {JUDGED} connections is within {BOUND} × the floor's: {ratio:.2}");
        Ok(())
    } else {
        Err(Error::AboveFloor { connections: JUDGED, ratio, bound: BOUND })
    }
}

/// Two threads, as the smallest machine has.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    runtime()?.block_on(work)
}

/// p99 of serving in units of the floor's, at [`JUDGED`] connections.
async fn measure(requests: usize, levels: usize) -> Result<f64, Error> {
    let settings = Settings {
        address: [127, 0, 0, 1].into(),
        hosts: Vec::new(),
        port: 0,
        data: None,
        organization: "org_bench".to_owned(),
        endpoints: Endpoints::default(),
        table: "fulcrum".to_owned(),
        bucket: "fulcrum".to_owned(),
        lease: TimeDelta::seconds(60),
        events: false,
        examples: false,
        issuer: None,
    };
    let local = Local::start(settings).await.map_err(failed)?;
    let path = format!("/api/v2/optimizations/{}/serve", trained(&local, levels).await?);
    let listener = listen([127, 0, 0, 1].into(), 0).await.map_err(failed)?;
    let options = HttpOptions { stand_in: Some(constant), ..HttpOptions::default() };
    let floor = HttpServer::start_with(listener, local.app().clone(), options).map_err(failed)?;
    let servers = [("floor", floor.url()), ("serve", local.env.url.clone())];
    println!("{} variants, {requests} requests each, client and server on the same two threads", levels * levels);
    println!("connections  path   requests/s    p50 ms    p95 ms    p99 ms");
    let mut judged = f64::NAN;
    for connections in CONNECTIONS {
        let mut taken = [Vec::new(), Vec::new()];
        let mut seconds = [0.0; 2];
        for _ in 0..ROUNDS {
            for (of, (_, url)) in servers.iter().enumerate() {
                let address = url.trim_start_matches("http://");
                let started = Instant::now();
                let each = requests / ROUNDS / connections;
                taken[of].extend(load(address, &path, connections, each).await?);
                seconds[of] += started.elapsed().as_secs_f64();
            }
        }
        let mut p99 = [f64::NAN; 2];
        for (of, (name, _)) in servers.iter().enumerate() {
            taken[of].sort_unstable();
            let at = |share: f64| quantile(&taken[of], share);
            p99[of] = at(0.99);
            #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
            let rate = taken[of].len() as f64 / seconds[of];
            println!(
                "{connections:>11}  {name:5}  {rate:>10.0}  {:>8.3}  {:>8.3}  {:>8.3}",
                at(0.5),
                at(0.95),
                at(0.99)
            );
        }
        let ratio = p99[1] / p99[0];
        println!("{connections:>11}  p99 of serve / p99 of floor: {ratio:.2}");
        if connections == JUDGED {
            judged = ratio;
        }
    }
    floor.shutdown().await;
    local.shutdown().await;
    Ok(judged)
}

/// The id of an optimization whose cmab of levels² variants was trained on 400 trials of each: their rates differ by
/// little, so that the rows of the policy are long.
async fn trained(local: &Local, levels: usize) -> Result<String, Error> {
    let (app, organization) = (local.app(), &local.env.organization);
    let new: NewOptimization = serde_json::from_value(optimization(levels)).map_err(failed)?;
    let made = app.create_optimization(organization, new).await.map_err(failed)?;
    let mut cells = String::new();
    for (headline, image, country) in
        (0..levels * levels * COUNTRIES).map(|i| (i / COUNTRIES / levels, i / COUNTRIES % levels, i % COUNTRIES))
    {
        let variant = json!({"headline": level(headline), "image": level(image)});
        let sum = 2 + (headline * 7 + image * 5 + country * 3) % 4;
        let cell = json!({"variant": variant, "context": {"country": level(country)}, "n": 40, "reward_sum": sum});
        writeln!(cells, "{cell}").map_err(failed)?;
    }
    let prefix = format!("snapshots/{organization}/{}/1/", made.optimization.id);
    for (name, text) in [("cells/part-0.jsonl", cells), ("_SUCCESS", String::new())] {
        app.bucket.put(&format!("{prefix}{name}"), text.into_bytes().into()).await.map_err(failed)?;
    }
    let model = made.optimization.model_id.ok_or_else(|| failed("the optimization has no model"))?;
    app.train(organization, model, BTreeMap::new(), false).await.map_err(failed)?;
    Ok(made.optimization.id.to_string())
}

fn level(number: usize) -> String {
    format!("level-{number}")
}

/// A cmab of two design factors and a context to look up.
fn optimization(levels: usize) -> Value {
    let factor = |name: &str, levels: usize| {
        let levels: Vec<String> = (0..levels).map(level).collect();
        json!({"name": name, "dtype": "str", "levels": levels})
    };
    json!({
        "name": "Bench",
        "model_type": "cmab",
        "holdout_percentage": 5,
        "training_data_config": {
            "design_factors": [factor("headline", levels), factor("image", levels)],
            "context_factors": [factor("country", COUNTRIES)],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        },
    })
}

/// Milliseconds below which a share of the sorted times lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// The times of `each` requests on each of `connections` connections.
async fn load(address: &str, path: &str, connections: usize, each: usize) -> Result<Vec<Duration>, Error> {
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let (address, path) = (address.to_owned(), path.to_owned());
        tasks.push(tokio::spawn(async move { one_connection(&address, &path, connection, each).await }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.map_err(failed)??);
    }
    Ok(all)
}

async fn one_connection(address: &str, path: &str, connection: usize, each: usize) -> Result<Vec<Duration>, Error> {
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut buffer = Vec::with_capacity(4_096);
    let mut times = Vec::with_capacity(each);
    for n in 0..each {
        let context = json!({"country": level(n % (COUNTRIES + 1))});
        let body = json!({"anonymous_id": format!("visitor-{connection}-{n}"), "context": context});
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let answered = read_answer(&mut stream, &mut buffer).await?;
        times.push(started.elapsed());
        if answered != 200 {
            return Err(failed(format!("{path} answered {answered}: {}", String::from_utf8_lossy(&buffer))));
        }
    }
    Ok(times)
}

/// Reads one answer with a Content-Length to its end; its status.
pub(crate) async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16, Error> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.map_err(failed)? == 0 {
            return Err(failed("the connection ended before the answer"));
        }
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = length.ok_or_else(|| failed(format!("an answer without a length: {head}")))?;
        if buffer.len() >= end + 4 + length {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            return status.ok_or_else(|| failed(format!("no status: {head}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_places() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((quantile(&times, 0.5) - 51.0).abs() < 1e-9);
        assert!((quantile(&times, 0.99) - 100.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_short_run_ends_without_error() {
        let ratio = block_on(measure(640, 2)).unwrap();
        assert!(ratio > 0.0, "{ratio}");
    }
}
