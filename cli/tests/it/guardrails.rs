//! Guardrails: counted beside the reward, held against the holdout, and able to have the baseline served to everybody.

use std::fmt::Write as _;
use std::sync::Arc;

use bandit::evaluation::{Arm, Lift};
use bandit::{RewardType, hold_out};
use chrono::TimeDelta;
use fulcrum_core::clock::ManualClock;
use fulcrum_core::{App, ServingCache};
use serde_json::{Value, json};

use crate::data;
use crate::harness::TestServer;

/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;
const USERS: i64 = 4_000;

/// A landing page with three guardrails; `on_violation` is that of the first.
fn body(on_violation: &str) -> Value {
    let mut body = data::cmab();
    body["name"] = json!("landing page");
    body["holdout_percentage"] = json!(20);
    body["training_data_config"]["guardrails"] = json!([
        {"name": "refund", "type": "bool", "worse_when": "up", "margin_percent": 10, "on_violation": on_violation},
        {"name": "spent", "type": "numeric", "worse_when": "down", "margin_percent": 50},
        {"name": "complaint", "type": "bool", "worse_when": "up", "margin_percent": 10, "on_violation": "baseline"},
    ]);
    body
}

struct User {
    id: String,
    held_out: bool,
    /// Seconds since the start.
    at: i64,
    /// One in five of the optimized and one in fifty of the held out want their money back, some of them twice.
    refunds: i64,
    spent: f64,
}

/// Users of some days from `first` on.
fn users(optimization: &str, first: i64, days: i64) -> Vec<User> {
    let user = |number: i64| {
        let id = format!("u{first}-{number}");
        let held_out = hold_out(optimization, &id, 20.0);
        let refunds = i64::from(number % if held_out { 50 } else { 5 } == 0) * (1 + number % 2);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let spent = (number % 7) as f64 / 4.0;
        User { id, held_out, at: (first + number % days) * 86_400 + number, refunds, spent }
    };
    (0..USERS).map(user).collect()
}

fn files(users: &[User]) -> Vec<(&'static str, String)> {
    let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name,value\n".to_owned());
    for (number, user) in users.iter().enumerate() {
        let headline = if user.held_out || number % 2 == 0 { "A" } else { "B" };
        let row = json!({
            "anonymous_id": user.id, "timestamp": START + user.at, "variant": {"headline": headline},
            "context": {"device": "mobile"},
        });
        writeln!(exposures, "{row}").unwrap();
        let mut reward = |after: i64, name: &str, value: f64| {
            writeln!(rewards, "{},{},{name},{value}", user.id, START + user.at + after).unwrap();
        };
        // Both headlines alike.
        if number % 10 < 2 {
            reward(60, "signup", 1.0);
        }
        for refund in 0..user.refunds {
            reward(120 + refund, "refund", 1.0);
        }
        if user.spent > 0.0 {
            // In two parts, and one more out of the window.
            reward(180, "spent", user.spent - 0.25);
            reward(240, "spent", 0.25);
            reward(25 * 3_600, "spent", 1_000.0);
        }
    }
    vec![("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]
}

/// A service that serves what is in force at once, at a time that stands still.
async fn start(at: &str) -> (TestServer, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at.parse().unwrap()));
    let of_app = Arc::clone(&clock);
    let change = |app| App { clock: of_app, serving: ServingCache::new(TimeDelta::zero()), ..app };
    (TestServer::start_with(None, change).await, clock)
}

async fn trained(server: &TestServer, model: &str) {
    let trained = server.train(model).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
}

/// What optimized users are served: the variants, and with which probabilities.
async fn served(server: &TestServer, optimization: &str) -> Vec<(u64, String)> {
    let mut served = Vec::new();
    for user in 0..60 {
        let visitor = json!({"anonymous_id": format!("visitor {user}"), "context": {"device": "mobile"}});
        let path = format!("/api/v2/optimizations/{optimization}/serve");
        let decision = server.call("POST", &path, Some(&visitor)).await;
        assert_eq!(decision.status, 200, "{}", decision.body);
        if decision.body["holdout"] == false {
            served.push((decision.body["variant_index"].as_u64().unwrap(), decision.body["propensity"].to_string()));
        }
    }
    served
}

/// Everybody sees the baseline, for sure.
fn assert_baseline(served: &[(u64, String)]) {
    assert!(served.len() > 30 && served.iter().all(|(variant, p)| *variant == 0 && p == "1.0"), "{served:?}");
}

fn close(found: &Value, wanted: f64) {
    let value = found.as_f64().unwrap_or(f64::NAN);
    assert!((value - wanted).abs() <= 1e-12 * wanted.abs(), "{found} where {wanted} is right");
}

/// The lift of what users came to.
fn lift(users: &[User], y: impl Fn(&User) -> f64, reward: RewardType) -> Lift {
    let arm = |held_out: bool| {
        let own = users.iter().filter(|user| user.held_out == held_out);
        own.fold(Arm::default(), |arm, user| {
            let y = y(user);
            arm.plus(Arm { users: 1, sum: y, sum_sq: y * y })
        })
    };
    Lift::of(&arm(false), &arm(true), reward).unwrap()
}

#[tokio::test]
async fn a_violated_guardrail_has_the_baseline_served_until_somebody_sets_it_live_again() {
    let (server, clock) = start("2026-11-10T00:00:00Z").await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&body("baseline"))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    assert_eq!(made.body["status_reason"], Value::Null);
    let first = users(&id, 0, 4);
    server.snapshot(&id, "2026-11-05", &files(&first)).await;
    trained(&server, &model).await;

    let path = format!("/api/v2/optimizations/{id}");
    let results = server.call("GET", &format!("{path}/results"), None).await;
    let guardrails = &results.body["guardrails"];
    let refunds = lift(&first, |user| f64::from(u8::from(user.refunds > 0)), RewardType::Bool);
    let spent = lift(&first, |user| user.spent, RewardType::Numeric);
    for (guardrail, wanted, name, status) in
        [(&guardrails[0], refunds, "refund", "violated"), (&guardrails[1], spent, "spent", "ok")]
    {
        assert_eq!((&guardrail["name"], &guardrail["status"]), (&json!(name), &json!(status)), "{guardrails}");
        close(&guardrail["lift_percent"], wanted.lift_percent.unwrap());
        close(&guardrail["holdout_rate"], wanted.holdout_rate.unwrap());
        close(&guardrail["optimization_rate"], wanted.optimization_rate.unwrap());
        close(&guardrail["lift_ci_anytime"][0], wanted.lift_ci_anytime.unwrap()[0]);
        assert_eq!(guardrail["optimization_users"], wanted.optimization_users);
    }
    assert_eq!(guardrails[1]["on_violation"], "report");
    // Of the third there is no reward, which the run says.
    assert_eq!((&guardrails[2]["status"], &guardrails[2]["holdout_rate"]), (&json!("pending"), &json!(0.0)));
    let warned = server.call("GET", &format!("/api/v2/models/{model}"), None).await;
    let warning = &warned.body["warnings"][0];
    assert_eq!(warning["code"], "no_guardrail_rewards", "{}", warned.body);
    assert!(warning["message"].as_str().unwrap().contains("\"complaint\""), "{warning}");
    // The model learned from its own reward alone.
    assert_eq!(warned.body["observations"]["rewards"], 800);
    assert_eq!(results.body["findings"]["verdict"]["kind"], "do_not_ship");

    let shown = server.call("GET", &path, None).await;
    let reason = &shown.body["status_reason"];
    assert_eq!((&shown.body["status"], &reason["code"]), (&json!("live"), &json!("guardrail_violated")));
    assert_eq!((&reason["guardrails"], &reason["posterior_version"]), (&json!(["refund"]), &json!(1)));
    assert!(reason["message"].as_str().unwrap().contains("\"refund\" is violated"), "{reason}");
    assert_baseline(&served(&server, &id).await);
    let policy = server.call("GET", &format!("{path}/policy"), None).await;
    assert_eq!(policy.body["frozen"], true, "{}", policy.body);
    assert_eq!(policy.body["rows"], json!([{"variants": [0], "counts": [1]}]));
    let history = server.call("GET", &format!("{path}/history"), None).await;
    let change = &history.body["history"][0];
    assert_eq!(change["what"], "guardrail_violated", "{}", history.body);
    assert_eq!(change["before"]["served"]["allocation"], "exploring");
    assert_eq!(change["after"]["served"]["allocation"], "baseline");
    assert_eq!(change["after"]["violated_guardrails"], json!(["refund"]));

    // Training goes on, and so does the baseline; a rollback changes which version waits.
    clock.advance(TimeDelta::minutes(1));
    trained(&server, &model).await;
    assert_baseline(&served(&server, &id).await);
    let rollback = Some(json!({"posterior_version": 1}));
    let rolled = server.call("POST", &format!("/api/v2/models/{model}/rollback"), rollback.as_ref()).await;
    assert_eq!(rolled.status, 200, "{}", rolled.body);
    assert_baseline(&served(&server, &id).await);
    let before = server.call("GET", &format!("{path}/policy"), None).await;

    // Set live again, it serves the model, and the same users do not bring the baseline back.
    let live = server.call("PATCH", &path, Some(&json!({"status": "live"}))).await;
    assert_eq!((live.status, &live.body["status_reason"]), (200, &Value::Null), "{}", live.body);
    assert!(served(&server, &id).await.iter().any(|(variant, _)| *variant == 1));
    let after = server.call("GET", &format!("{path}/policy"), None).await;
    assert_ne!(before.header("etag"), after.header("etag"));
    trained(&server, &model).await;
    let shown = server.call("GET", &path, None).await;
    assert_eq!(shown.body["status_reason"], Value::Null, "{}", shown.body);
    assert!(served(&server, &id).await.iter().any(|(variant, _)| *variant == 1));
    let history = server.call("GET", &format!("{path}/history"), None).await;
    let release = &history.body["history"][1];
    assert_eq!(release["before"]["violated_guardrails"], json!(["refund"]), "{}", history.body);
    assert_eq!(release["after"]["served"]["allocation"], "exploring");
    server.shutdown().await;
}

#[tokio::test]
async fn users_who_come_after_it_was_set_live_again_may_have_the_baseline_served_once_more() {
    // The clock stands on the second of November; what comes in later is of the days after it.
    let (server, clock) = start("2026-11-02T12:00:00Z").await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&body("baseline"))).await;
    let (id, model) = (made.text("/id"), made.text("/model_id"));
    let path = format!("/api/v2/optimizations/{id}");
    let early = users(&id, 0, 1);
    server.snapshot(&id, "1", &files(&early)).await;
    trained(&server, &model).await;
    assert_baseline(&served(&server, &id).await);
    // Completed is an answer of somebody too: it serves the winners from then on.
    let completed = server.call("PATCH", &path, Some(&json!({"status": "completed"}))).await;
    assert_eq!((completed.status, &completed.body["status_reason"]), (200, &Value::Null), "{}", completed.body);
    let policy = server.call("GET", &format!("{path}/policy"), None).await;
    assert_eq!(policy.body["frozen"], true);
    server.call("PATCH", &path, Some(&json!({"status": "live"}))).await;

    clock.advance(TimeDelta::days(3));
    let both: Vec<User> = early.into_iter().chain(users(&id, 2, 2)).collect();
    server.snapshot(&id, "2", &files(&both)).await;
    trained(&server, &model).await;
    let shown = server.call("GET", &path, None).await;
    assert_eq!(shown.body["status_reason"]["posterior_version"], 2, "{}", shown.body);
    assert_baseline(&served(&server, &id).await);
    // A new model begins without what was found of the old one.
    let deleted = server.call("DELETE", &format!("/api/v2/models/{model}"), None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    let mut new = body("report");
    new["optimization_id"] = json!(id);
    new.as_object_mut()
        .unwrap()
        .retain(|name, _| ["optimization_id", "model_type", "training_data_config"].contains(&name.as_str()));
    let new = server.call("POST", "/api/v2/models", Some(&new)).await;
    assert_eq!(new.status, 201, "{}", new.body);
    // One that only reports has nothing else done about it.
    trained(&server, &new.text("/id")).await;
    let shown = server.call("GET", &path, None).await;
    assert_eq!(shown.body["status_reason"], Value::Null, "{}", shown.body);
    let results = server.call("GET", &format!("{path}/results"), None).await;
    assert_eq!(results.body["guardrails"][0]["status"], "violated");
    assert!(served(&server, &id).await.iter().any(|(variant, _)| *variant == 1));
    server.shutdown().await;
}

#[tokio::test]
async fn a_guardrail_that_is_none_is_refused_with_its_place() {
    let server = TestServer::start().await;
    let mut body = body("baseline");
    body["training_data_config"]["guardrails"][1]["name"] = json!("signup");
    body["training_data_config"]["guardrails"][2]["margin_percent"] = json!(-1);
    let refused = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let details = &refused.body["error"]["details"];
    assert_eq!(details[0]["field"], "training_data_config.guardrails[1].name", "{details}");
    assert_eq!(details[1]["field"], "training_data_config.guardrails[2].margin_percent", "{details}");
    server.shutdown().await;
}

#[tokio::test]
async fn cells_have_no_users_and_every_guardrail_is_pending() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&body("baseline"))).await;
    let id = made.text("/id");
    server.snapshot(&id, "1", &data::cells()).await;
    trained(&server, &made.text("/model_id")).await;
    let results = server.call("GET", &format!("/api/v2/optimizations/{id}/results"), None).await;
    for guardrail in results.body["guardrails"].as_array().unwrap() {
        assert_eq!((&guardrail["status"], &guardrail["holdout_rate"]), (&json!("pending"), &Value::Null));
    }
    server.shutdown().await;
}
