//! Small files that come to much, in a service of its own with one gigabyte of address space.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use fulcrum::CliError;
use fulcrum::client::Client;
use lambda_http::http::Method;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde_json::{Value, json};

use crate::data;
use crate::process::{LocalProcess, run};

/// What a service may take in all.
const PEAK_KB: u64 = 300 << 10;
/// How long anybody else may wait for an answer meanwhile.
const LONGEST: Duration = Duration::from_secs(15);

/// Starts the service on a folder with one gigabyte of address space.
fn start(folder: &Path) -> LocalProcess {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""]).env_clear().arg(env!("CARGO_BIN_EXE_fulcrum"));
    command.args(["local", "--port", "0", "--training-lease", "1", "--data"]).arg(folder.join("data"));
    LocalProcess::spawn(&mut command)
}

fn client(local: &LocalProcess) -> Client {
    Client::new(local.variable("FULCRUM_URL"), local.variable("FULCRUM_API_KEY")).unwrap()
}

/// A file, and what the error of a run on it says.
struct Bomb {
    key: &'static str,
    bytes: Vec<u8>,
    says: &'static str,
}

fn zstd(text: impl Read) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Bytes of one kind.
fn bytes(byte: u8, megabytes: u64) -> impl Read {
    std::io::repeat(byte).take(megabytes << 20)
}

fn parquet(columns: Vec<(String, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(1 << 20)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Exposures with a text in a column.
fn exposures_with(column: &str, text: &str, rows: usize) -> Vec<(String, ArrayRef)> {
    let texts = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))) as ArrayRef;
    let of = |name: &str, otherwise: &str| {
        let text = if name == column { text } else { otherwise };
        (name.to_owned(), texts(text))
    };
    let times = Arc::new(TimestampMicrosecondArray::from(vec![1_793_491_200_000_000; rows])) as ArrayRef;
    vec![of("anonymous_id", "u"), of("variant", r#"{"headline":"A"}"#), ("timestamp".to_owned(), times)]
}

fn bombs() -> Vec<Bomb> {
    let many = (0..50_000).fold(String::new(), |mut many, n| {
        let _ = write!(many, "\"k{n}\":1,");
        many
    });
    let mut wide = exposures_with("", "", 1);
    wide.extend((0..10_000).map(|n| (format!("c{n}"), Arc::new(StringArray::from(vec!["x"])) as ArrayRef)));
    let nested = format!("{{\"anonymous_id\":{}", "[".repeat(1_000_000));
    vec![
        Bomb { key: "exposures/a.csv.gz", bytes: gzip(&vec![b','; 16 << 20]), says: "(fields)" },
        Bomb { key: "exposures/a.csv.zst", bytes: zstd(bytes(b',', 128)), says: "(fields)" },
        Bomb {
            key: "rewards/a.json.zst",
            bytes: zstd((&b"{\"a\":\""[..]).chain(bytes(b'x', 128))),
            says: "longer than",
        },
        Bomb { key: "exposures/a.json.zst", bytes: zstd(bytes(b'\n', 100)), says: "(ratio)" },
        Bomb { key: "cells/a.json.gz", bytes: gzip(nested.as_bytes()), says: "(nesting)" },
        Bomb { key: "observations/a.json", bytes: format!("{{{many}\"z\":1}}").into_bytes(), says: "(fields)" },
        Bomb {
            key: "exposures/a.parquet",
            bytes: parquet(exposures_with("variant", &"x".repeat(1 << 20), 110)),
            says: "(page_bytes)",
        },
        Bomb { key: "exposures/b.parquet", bytes: parquet(wide), says: "(fields)" },
    ]
}

/// Makes a model and puts a snapshot of one file for it; the model and its optimization.
async fn with_snapshot(local: &LocalProcess, folder: &Path, body: &Value, file: (&str, &[u8])) -> (String, String) {
    let made = client(local).send(Method::POST, "/api/v2/models", Some(body.to_string().into())).await.unwrap();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let (id, optimization) = (text("id"), text("optimization_id"));
    put(local, folder, &optimization, file);
    (id, optimization)
}

/// Puts a snapshot of one file, without a look at it.
fn put(local: &LocalProcess, folder: &Path, optimization: &str, (key, bytes): (&str, &[u8])) {
    let snapshot = tempfile::tempdir_in(folder).unwrap();
    let write = |key: &str, bytes: &[u8]| {
        let path = snapshot.path().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(key, bytes);
    if key.starts_with("rewards/") {
        write("exposures/a.csv", b"anonymous_id,timestamp,headline\nu,2026-11-01T00:00:00Z,A\n");
    }
    let arguments = ["snapshots", "put", "--no-check", optimization, snapshot.path().to_str().unwrap()];
    let ended = run(&arguments, &local.environment);
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

/// What everybody else asks for, again and again until they are told to stop; how often they were answered.
async fn neighbours(client: Client, optimization: String, stop: Arc<AtomicBool>) -> usize {
    let serve = format!("/api/v2/optimizations/{optimization}/serve");
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let visitor = json!({"anonymous_id": format!("visitor-{answered}")}).to_string();
        for (method, path, body) in
            [(Method::POST, serve.as_str(), Some(visitor.into())), (Method::GET, "/api/v2/models?limit=5", None)]
        {
            let answer = tokio::time::timeout(LONGEST, client.send(method, path, body)).await;
            answer.unwrap_or_else(|_| panic!("no answer from {path} after {answered}")).unwrap();
            answered += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answered
}

/// Waits until a model is as it should be.
async fn until(client: &Client, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let model = client.send(Method::GET, &format!("/api/v2/models/{id}"), None).await.unwrap();
        if is(&model) {
            return model;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_end_at_a_limit_while_everybody_else_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut local = start(folder.path());
    let cells = &data::cells()[0];
    let (good, served) = with_snapshot(&local, folder.path(), &data::mab(), (cells.0, cells.1.as_bytes())).await;
    client(&local).send(Method::POST, &format!("/api/v2/models/{good}/train"), Some("{}".into())).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let others = tokio::spawn(neighbours(client(&local), served.clone(), Arc::clone(&stop)));
    let mut failed = Vec::new();
    for Bomb { key, bytes, says } in bombs() {
        assert!(bytes.len() < 8 << 20, "{key} has {} bytes", bytes.len());
        let (id, _) = with_snapshot(&local, folder.path(), &data::mab(), (key, &bytes)).await;
        let train = format!("/api/v2/models/{id}/train");
        match client(&local).send(Method::POST, &train, Some("{}".into())).await {
            Err(CliError::Refused { status: 422, body, .. }) => {
                let error = &body["error"];
                let message = error["message"].as_str().unwrap();
                assert_eq!(error["code"], "invalid_snapshot", "{error}");
                assert!(message.contains(key) && message.contains(says), "{key}: {message}");
            }
            other => panic!("{key}: {other:?}"),
        }
        failed.push((id, key, says));
    }
    stop.store(true, Ordering::Relaxed);
    let answered = others.await.unwrap();
    assert!(answered > 20, "{answered} answers");
    assert!(local.peak_kb() < PEAK_KB, "{} kB", local.peak_kb());

    // A start looks at what is unfinished, and again when the leases of the process before have expired.
    for _ in 0..2 {
        local.end("KILL");
        local = start(folder.path());
        let stop = Arc::new(AtomicBool::new(false));
        let others = tokio::spawn(neighbours(client(&local), served.clone(), Arc::clone(&stop)));
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        stop.store(true, Ordering::Relaxed);
        assert!(others.await.unwrap() > 0);
        for (id, key, says) in &failed {
            // A run of this start may be on its way.
            let model = until(&client(&local), id, key, |model| model["status"] == "failed").await;
            let error = &model["last_error"];
            assert_eq!(error["code"], "invalid_snapshot", "{key}: {model}");
            assert!(error["message"].as_str().unwrap().contains(says), "{key}: {error}");
        }
        assert!(local.peak_kb() < PEAK_KB, "{} kB", local.peak_kb());
    }
}
