//! Training over HTTP from what warehouses write: formats, compressions, rules of attribution.

use std::fmt::Write as _;
use std::path::Path;

use fulcrum_core::store::{StoreError, snapshots_prefix};
use serde_json::{Value, json};

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer};

/// A file that pyarrow, pandas or DuckDB wrote. All of exposures hold the same, and so do all of rewards.
fn written(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/snapshots/tests/data");
    std::fs::read(folder.join(name)).unwrap()
}

/// The model of the files of [`written`].
fn of_files() -> Value {
    json!({
        "model_type": "cmab",
        "training_data_config": {
            "design_factors": [
                {"name": "headline", "dtype": "str", "levels": ["Ship faster", "Build \"better\"", "Größer"]},
                {"name": "sticky", "dtype": "bool"},
            ],
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
            "reward": {"name": "signup", "type": "numeric"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 6, "immature": "include"},
        },
    })
}

/// (n, sum of rewards) of each of their variants, from the cells that a plain loop counted.
fn of_each_variant() -> Vec<(i64, f64)> {
    let cells: Vec<Value> = serde_json::from_slice(&written("expected.json")).unwrap();
    let mut sums = vec![(0, 0.0); 6];
    for cell in cells {
        let headline =
            ["Ship faster", "Build \"better\"", "Größer"].iter().position(|level| cell[0] == *level).unwrap();
        let of = &mut sums[2 * headline + usize::from(cell[1] == true)];
        *of = (of.0 + cell[3].as_i64().unwrap(), of.1 + cell[4].as_f64().unwrap());
    }
    sums
}

async fn put(server: &TestServer, optimization: &str, id: &str, files: &[(String, Vec<u8>)]) {
    let prefix = format!("{}{id}/", snapshots_prefix(ORGANIZATION, optimization));
    for (name, bytes) in files {
        server.app.bucket.put(&format!("{prefix}{name}"), bytes.clone().into()).await.unwrap();
    }
    server.app.bucket.put(&format!("{prefix}_SUCCESS"), Vec::new().into()).await.unwrap();
}

/// Trains a model of its own on these files: the answer, and (n, sum of rewards) of every variant of the state.
async fn train(server: &TestServer, model: &Value, files: &[(String, Vec<u8>)]) -> (Reply, Vec<(i64, f64)>) {
    let (id, optimization) = server.model(model).await;
    put(server, &optimization, "2026-11-02", files).await;
    let trained = server.train(&id).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
    let state = server.call("GET", &format!("/api/v2/models/{id}/state"), None).await;
    let variants = state.body["variants"].as_array().unwrap();
    let counted = |v: &Value| (v["n"].as_i64().unwrap(), v["reward_sum"].as_f64().unwrap());
    (trained, variants.iter().map(counted).collect())
}

#[tokio::test]
async fn what_a_warehouse_writes_trains_to_the_same_counts_in_every_format() {
    let server = TestServer::start().await;
    for (exposures, rewards) in [
        ("exposures.duckdb-struct-tz.parquet", "rewards.pyarrow-us-utc.parquet"),
        ("exposures.pandas-columns.jsonl.gz", "rewards.pandas.csv.gz"),
        ("exposures.duckdb-text.csv.zst", "rewards.duckdb-lines.ndjson"),
    ] {
        let files = [
            (format!("exposures/{exposures}"), written(exposures)),
            (format!("rewards/dt=2026-06-01/{rewards}"), written(rewards)),
        ];
        let (trained, counted) = train(&server, &of_files(), &files).await;
        assert_eq!(counted, of_each_variant(), "{exposures}");
        let seen = &trained.body["observations"];
        assert_eq!((&seen["exposures"], &seen["rewards"]), (&json!(60), &json!(22)), "{exposures}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn attribution_and_maturity_are_the_models_own() {
    let server = TestServer::start().await;
    // Exposures a minute apart in 400 minutes, a reward ten minutes after some. User 0, who converts after A, sees B between.
    let mut exposures: Vec<(String, String)> =
        data::exposures_and_rewards().into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let again = json!({"anonymous_id": "u0", "timestamp": "2026-11-01T00:05:00Z", "variant": {"headline": "B"}});
    let _ = writeln!(exposures[0].1, "{again}");
    let exposures: Vec<(String, Vec<u8>)> = exposures.into_iter().map(|(name, text)| (name, text.into())).collect();
    let times = ["2026-11-01T00:00:00Z", "2026-11-01T00:30:00Z", "2026-11-01T01:00:00Z", "soon", ""];
    let mut observations = "headline,device,reward,timestamp\n".to_owned();
    for time in times {
        let _ = writeln!(observations, "A,desktop,1,{time}\nB,mobile,0,{time}");
    }
    let observations = vec![("observations/a.csv".to_owned(), observations.into_bytes())];
    let (last, first) = ("last_touch", "first_touch");
    for (name, files, attribution, counted, seen) in [
        (last, &exposures, (last, 24, "include"), [(200, 9.0), (201, 41.0)], json!([401, 50, 50, null, null])),
        (first, &exposures, (first, 24, "include"), [(200, 10.0), (201, 40.0)], json!([401, 50, 50, null, null])),
        // The window of the last hour is open; all who convert came before.
        ("exclude", &exposures, (last, 1, "exclude"), [(200, 9.0), (141, 41.0)], json!([341, 50, 50, 60, null])),
        // Those without a time are mature, those with an unreadable one are not counted.
        ("observations", &observations, (last, 1, "exclude"), [(2, 2.0), (2, 0.0)], json!([4, 2, 2, 4, 2])),
        ("all observations", &observations, (last, 1, "include"), [(4, 4.0), (4, 0.0)], json!([8, 4, 4, null, 2])),
    ] {
        let mut model = data::cmab();
        let (touch, hours, immature) = attribution;
        model["training_data_config"]["attribution"] =
            json!({"type": touch, "conversion_window_hours": hours, "immature": immature});
        let (trained, found) = train(&server, &model, files).await;
        assert_eq!(found, counted, "{name}");
        let of = &trained.body["observations"];
        let skipped = |reason: &str| of["skipped"].get(reason).cloned().unwrap_or_default();
        let numbers = [of["exposures"].clone(), of["rewards"].clone(), of["attributed_rewards"].clone()];
        let numbers: Vec<Value> = numbers.into_iter().chain([skipped("immature"), skipped("bad_value")]).collect();
        assert_eq!(json!(numbers), seen, "{name}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_hidden_folder_is_no_snapshot() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "2026-11-02", &data::cells()).await;
    for hidden in ["_staging", ".tmp"] {
        server.snapshot(&optimization, hidden, &[("cells/a.jsonl", "{".into())]).await;
    }
    let trained = server.train(&id).await;
    assert_eq!((trained.status, trained.text("/snapshot_id").as_str()), (200, "2026-11-02"), "{}", trained.body);
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_gone_from_the_bucket_is_told_from_a_store_that_fails() {
    let server = TestServer::start().await;
    let bucket = &server.app.bucket;
    bucket.put("short", b"1234".to_vec().into()).await.unwrap();
    assert_eq!(bucket.read("short", 2..9).await.unwrap(), "34");
    for (key, range) in [("short", 4..9), ("missing", 0..4)] {
        let read = bucket.read(key, range).await;
        assert!(matches!(read, Err(StoreError::Gone { .. })), "{key}: {read:?}");
    }
    server.shutdown().await;
}
