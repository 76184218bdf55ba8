//! Weighted outcomes, from the configuration to the results.

use std::fmt::Write as _;

use bandit::hold_out;
use serde_json::{Value, json};

use crate::data;
use crate::harness::TestServer;

/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;
const USERS: u32 = 600;

/// What a user comes to, by number: a yearly plan, a monthly one, a trial, a trial and then a monthly plan, or nothing.
fn rewards_of(number: u32) -> &'static [(&'static str, &'static str)] {
    match number % 10 {
        0 => &[("subscribed", "2")],
        1 => &[("subscribed", "1")],
        2 => &[("trial", "")],
        3 => &[("trial", ""), ("subscribed", "1")],
        4 => &[("subscribed", "3"), ("pageview", "")],
        _ => &[],
    }
}

fn weight_of(number: u32) -> f64 {
    [12.0, 1.0, 0.5, 1.0].get(number as usize % 10).copied().unwrap_or_default()
}

fn body() -> Value {
    let outcome = |key: &str, weight: f64, by: &str, value: Value| json!({"key": key, "weight": weight, "match": {"by": by, "value": value}});
    let mut body = data::mab();
    body["name"] = json!("Plans");
    body["holdout_percentage"] = json!(20);
    body["training_data_config"]["reward"] = json!({"name": "subscribed", "type": "bool", "outcomes": [
        outcome("yearly", 12.0, "value", json!(2)),
        outcome("monthly", 1.0, "value", json!(1)),
        outcome("trial", 0.5, "name", json!("trial")),
    ]});
    body
}

#[tokio::test]
async fn exposures_are_worth_their_outcomes_and_the_results_count_them() {
    let server = TestServer::start().await;
    let made = server.call("POST", "/api/v2/optimizations", Some(&body())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let (optimization, id) = (made.text("/id"), made.text("/model_id"));
    let shown = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!(shown.body["training_data_config"]["reward"], body()["training_data_config"]["reward"]);

    let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name,value\n".to_owned());
    for number in 0..USERS {
        let headline = if number % 3 == 0 { "B" } else { "A" };
        writeln!(
            exposures,
            "{}",
            json!({"anonymous_id": format!("v{number}"), "timestamp": START, "variant": {"headline": headline}})
        )
        .unwrap();
        for (name, value) in rewards_of(number) {
            writeln!(rewards, "v{number},{},{name},{value}", START + 60).unwrap();
        }
    }
    server.snapshot(&optimization, "1", &[("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]).await;
    let trained = server.train(&id).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
    let earned: f64 = (0..USERS).map(weight_of).sum();
    let historic = trained.body["in_sample_metrics"]["historic_reward"].as_f64().unwrap();
    assert!((historic - earned / f64::from(USERS)).abs() < 1e-12, "{historic}");
    // Of every ten users two rewards are no outcome: another value, another name.
    assert_eq!(trained.body["observations"]["skipped"]["other_reward"], USERS / 10 * 2, "{}", trained.body);

    let results = server.call("GET", &format!("/api/v2/optimizations/{optimization}/results"), None).await;
    let held_out = |number: &u32| hold_out(&optimization, &format!("v{number}"), 20.0);
    let share = |held: bool, of: &dyn Fn(u32) -> bool| {
        let arm: Vec<u32> = (0..USERS).filter(|number| held_out(number) == held).collect();
        let n = arm.iter().filter(|&&number| of(number)).count();
        json!({"exposures": n, "share": f64::from(u32::try_from(n).unwrap()) / f64::from(u32::try_from(arm.len()).unwrap())})
    };
    let row = |key: &str, weight: f64, of: &dyn Fn(u32) -> bool| json!({"key": key, "weight": weight, "optimized": share(false, of), "holdout": share(true, of)});
    let expected = json!([
        row("yearly", 12.0, &|n| n % 10 == 0),
        row("monthly", 1.0, &|n| [1, 3].contains(&(n % 10))),
        row("trial", 0.5, &|n| n % 10 == 2),
        row("failure", 0.0, &|n| n % 10 > 3),
    ]);
    assert_eq!(results.body["outcome_mix"], expected, "{}", results.body);
    // Without outcomes there is no mix.
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
    assert_eq!(server.train(&id).await.status, 200);
    let results = server.call("GET", &format!("/api/v2/optimizations/{optimization}/results"), None).await;
    assert_eq!((results.status, results.body.get("outcome_mix")), (200, None), "{}", results.body);
    server.shutdown().await;
}
