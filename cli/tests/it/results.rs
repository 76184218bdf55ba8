//! Results: what happened, held against the events that were uploaded.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bandit::hold_out;
use serde_json::{Value, json};

use crate::data;
use crate::harness::TestServer;

/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;
const USERS: u32 = 4_000;

/// A visitor: what they see and whether they convert. Everybody has a day, every fifth comes back after an hour.
pub struct Visitor {
    id: String,
    held_out: bool,
    headline: &'static str,
    device: &'static str,
    day: u32,
    converts: bool,
}

fn visitors(optimization: &str) -> Vec<Visitor> {
    let visitor = |number: u32| {
        let id = format!("v{number}");
        let held_out = hold_out(optimization, &id, 10.0);
        let headline = if held_out || number.is_multiple_of(2) { "A" } else { "B" };
        let device = if number.is_multiple_of(3) { "mobile" } else { "desktop" };
        let converts = number % 20 < if headline == "A" { 2 } else { 5 };
        Visitor { id, held_out, headline, device, day: number % 4, converts }
    };
    (0..USERS).map(visitor).collect()
}

fn files(visitors: &[Visitor]) -> Vec<(&'static str, String)> {
    let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
    for (number, visitor) in (0_i64..).zip(visitors) {
        let first = START + i64::from(visitor.day) * 86_400 + number;
        for time in std::iter::once(first).chain((number % 5 == 0).then_some(first + 3_600)) {
            let row = json!({
                "anonymous_id": visitor.id, "timestamp": time,
                "variant": {"headline": visitor.headline}, "context": {"device": visitor.device},
            });
            writeln!(exposures, "{row}").unwrap();
        }
        if visitor.converts {
            writeln!(rewards, "{},{},signup", visitor.id, first + 60).unwrap();
        }
    }
    // One that belongs to nobody.
    writeln!(rewards, "stranger,{START},signup").unwrap();
    vec![("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]
}

fn close(found: &Value, wanted: f64) {
    let value = found.as_f64().unwrap_or(f64::NAN);
    assert!((value - wanted).abs() <= 1e-12 * wanted.abs(), "{found} where {wanted} is right");
}

/// Users and those of them who convert.
fn arm<'v>(visitors: impl Iterator<Item = &'v Visitor>) -> (f64, f64) {
    visitors.fold((0.0, 0.0), |(n, z), v| (n + 1.0, z + f64::from(u8::from(v.converts))))
}

/// The published estimator, written down once more.
fn assert_lift(found: &Value, visitors: &[&Visitor]) {
    let (n_m, z_m) = arm(visitors.iter().copied().filter(|v| !v.held_out));
    let (n_h, z_h) = arm(visitors.iter().copied().filter(|v| v.held_out));
    let (p_m, p_h) = (z_m / n_m, z_h / n_h);
    let variance = |p: f64, n: f64| p * (1.0 - p) / n;
    let lift = (p_m - p_h) / p_h;
    let error = (variance(p_m, n_m) / p_h.powi(2) + p_m.powi(2) * variance(p_h, n_h) / p_h.powi(4)).sqrt();
    close(&found["optimization_users"], n_m);
    close(&found["holdout_users"], n_h);
    close(&found["holdout_rate"], p_h);
    close(&found["optimization_rate"], p_m);
    close(&found["lift_percent"], 100.0 * lift);
    close(&found["lift_ci"][0], 100.0 * (lift - 1.96 * error));
    close(&found["lift_ci"][1], 100.0 * (lift + 1.96 * error));
    assert!(found["lift_ci_anytime"][0].as_f64() < found["lift_ci"][0].as_f64(), "{found}");
    assert_eq!(found["status"], "measured");
}

/// Leaves a snapshot and its results in the folder that `RESULTS_SQL` names, for the SQL of docs/results.md.
fn leave(visitors: &[Visitor], results: &Value) {
    let Some(folder) = std::env::var_os("RESULTS_SQL").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files(visitors) {
        fs::write(folder.join(name.replace("/a.", ".")), text).unwrap();
    }
    let held_out = visitors.iter().filter(|visitor| visitor.held_out).map(|visitor| visitor.id.as_str());
    let lines: Vec<&str> = std::iter::once("anonymous_id").chain(held_out).collect();
    fs::write(folder.join("holdout.csv"), lines.join("\n") + "\n").unwrap();
    fs::write(folder.join("results.json"), results.to_string()).unwrap();
}

/// A landing page with results: its optimization, its model, who came.
pub async fn trained(server: &TestServer) -> (String, String, Vec<Visitor>) {
    let mut body = data::cmab();
    body["name"] = json!("landing page");
    body["holdout_percentage"] = json!(10);
    let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    let visitors = visitors(&id);
    server.snapshot(&id, "2026-11-05", &files(&visitors)).await;
    let trained = server.train(&model).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
    (id, model, visitors)
}

#[tokio::test]
async fn results_are_what_the_events_say() {
    let server = TestServer::start().await;
    let (id, model, visitors) = trained(&server).await;
    let path = format!("/api/v2/optimizations/{id}/results");
    let reply = server.call("GET", &path, None).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let results = &reply.body;
    leave(&visitors, results);
    assert_eq!((&results["basis"], &results["snapshot_id"]), (&json!("users"), &json!("2026-11-05")));
    let all: Vec<&Visitor> = visitors.iter().collect();
    let primary = &results["primary_metric_vs_holdout"];
    assert_lift(primary, &all);
    assert_eq!(primary["metric_name"], "signup");
    // The list has it in short.
    let list = server.call("GET", "/api/v2/optimizations", None).await;
    let measured = &list.body["optimizations"][0]["measured"];
    assert_eq!(*measured, json!({"lift_percent": primary["lift_percent"], "lift_ci": primary["lift_ci"]}));
    let exposures = |held_out: bool| {
        let each = visitors.iter().enumerate().filter(|(_, v)| v.held_out == held_out);
        each.map(|(number, _)| if number % 5 == 0 { 2 } else { 1 }).sum::<u64>()
    };
    assert_eq!(primary["holdout_exposures"], exposures(true));
    assert_eq!(primary["optimization_exposures"], exposures(false));

    let device = &results["by_context"][0];
    assert_eq!(device["factor"], "device");
    for level in device["levels"].as_array().unwrap() {
        let of_level: Vec<&Visitor> = visitors.iter().filter(|v| level["level"] == v.device).collect();
        assert_lift(level, &of_level);
    }
    assert_eq!(device["heterogeneity"]["degrees_of_freedom"], 1);

    for (number, headline) in ["A", "B"].into_iter().enumerate() {
        let variant = &results["variants"][number];
        assert_eq!(variant["variant_key"], format!("headline={headline}"));
        let (users, converting) = arm(visitors.iter().filter(|v| v.headline == headline));
        close(&variant["users"], users);
        close(&variant["converting_users"], converting);
        close(&variant["user_rate"], converting / users);
        assert!(variant["rate"].as_f64() < variant["user_rate"].as_f64(), "who comes back converts once: {variant}");
    }

    // The last day's lift is that of all; each day has its own users.
    let series = results["time_series"].as_array().unwrap();
    assert_eq!(series.len(), 4);
    assert_eq!(series[3]["lift_ci"], primary["lift_ci"]);
    assert_eq!(series[0]["date"], "2026-11-01");
    for (day, of_day) in (0_u32..).zip(series) {
        let (users, converting) = arm(visitors.iter().filter(|v| v.day == day && v.held_out));
        close(&of_day["holdout"]["users"], users);
        close(&of_day["holdout"]["rate"], converting / users);
    }

    let quality = &results["quality"];
    assert_eq!(quality["sample_ratio"]["users"], USERS);
    assert_eq!(quality["sample_ratio"]["suspect"], false);
    assert_eq!(quality["holdout_saw_other"]["of_other_variants"], 0);
    assert_eq!(quality["unattributed_rewards"]["without_exposure"], 1);
    assert_eq!(quality["exposures_per_user"], json!({"mean": 1.2, "p99": 2, "max": 2}));
    // The exposures are older than the optimization: nothing was in force that could have decided them.
    assert_eq!((&quality["assignment"], &quality["balance"]), (&Value::Null, &json!([])));
    // One design factor has no pairs.
    assert_eq!(results["interactions"], json!([]));
    // The model has learned the holdout's rate from the same data.
    let check = &results["baseline_check"];
    assert_eq!(check["ok"], true, "{check}");
    let (modelled, measured) = (check["modelled"].as_f64().unwrap(), check["measured"].as_f64().unwrap());
    close(&check["difference"], modelled - measured);
    assert!((modelled / measured - 1.0).abs() < 0.5, "{check}");

    // What follows is said in the words of the rules, which have their own tests.
    let findings = &results["findings"];
    assert_eq!(findings["window"], json!({"from": "2026-11-01", "to": "2026-11-04"}));
    assert!(
        findings["sentence"].as_str().unwrap().contains("held-out users first seen 2026-11-01 to 2026-11-04 UTC"),
        "{findings}"
    );
    assert_eq!(findings["problems"], json!([]));

    // Some days.
    let days = server.call("GET", &format!("{path}?from=2026-11-02&to=2026-11-03"), None).await;
    let of_days: Vec<&Visitor> = visitors.iter().filter(|v| (1..=2).contains(&v.day)).collect();
    assert_lift(&days.body["primary_metric_vs_holdout"], &of_days);
    assert_eq!(days.body["time_series"].as_array().unwrap().len(), 2);

    // A rollback changes what is served, not what happened.
    server.train(&model).await;
    let rollback = Some(json!({"posterior_version": 1}));
    let rolled = server.call("POST", &format!("/api/v2/models/{model}/rollback"), rollback.as_ref()).await;
    assert_eq!(rolled.status, 200, "{}", rolled.body);
    let after = server.call("GET", &path, None).await;
    assert_eq!(after.body["posterior_version"], 2);
    assert_eq!(&after.body["primary_metric_vs_holdout"], primary);
    server.shutdown().await;
}

#[tokio::test]
async fn results_that_are_not_there_are_said_to_be_missing() {
    let server = TestServer::start().await;
    let (model, optimization) = server.model(&data::cmab()).await;
    let path = format!("/api/v2/optimizations/{optimization}/results");
    let before = server.call("GET", &path, None).await;
    assert_eq!(before.status, 404, "{}", before.body);
    // Cells have no ids: nothing is measured against a holdout, and the answer says so.
    server.snapshot(&optimization, "1", &data::cells()).await;
    assert_eq!(server.train(&model).await.status, 200);
    let results = server.call("GET", &path, None).await;
    assert_eq!(results.status, 200, "{}", results.body);
    assert_eq!(results.body["basis"], "exposures");
    assert_eq!(results.body["primary_metric_vs_holdout"], Value::Null);
    assert_eq!(results.body["variants"][1]["exposures"], 200);
    assert_eq!(results.body["variants"][1]["users"], Value::Null);
    for query in ["from=2026-13-01", "to=x", "from=2026-11-02&to=2026-11-01", "days=3"] {
        let refused = server.call("GET", &format!("{path}?{query}"), None).await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.body);
    }
    server.shutdown().await;
}
