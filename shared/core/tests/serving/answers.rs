//! 10,000 users' answers, in a file that the client in TypeScript is held against too.

use std::fmt::Write as _;
use std::path::Path;

use bandit::Policy;
use fulcrum_core::domain::{Checked, OptimizationStatus, Served, Serving, TrainingDataConfig, context_number};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::made::policy;
use crate::stage::{Stage, config};

const USERS: usize = 10_000;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x9e1c_0a2e_2f34_4a8f_9d7d_2a0e_2c0f_9b00 + n)
}

/// Counts that add up to 1,000, some of them 0.
fn counts(variants: usize, context: usize) -> Vec<u32> {
    let weight = |v: usize| u32::try_from((v * 7 + context * 13 + 3) % 11).unwrap().saturating_sub(2);
    let mut counts: Vec<u32> = (0..variants).map(|v| weight(v) * 9).collect();
    counts[context % variants] += 1_000 - counts.iter().sum::<u32>();
    counts
}

struct Case {
    number: u128,
    holdout_percentage: f64,
    config: Value,
    rows: Vec<(Option<u64>, Vec<u32>)>,
    contexts: Vec<Value>,
}

fn cases() -> Vec<Case> {
    let any = Case {
        number: 1,
        holdout_percentage: 12.5,
        config: config(&json!([["layout", ["grid", "list"]], ["cta", ["Buy", "Größe wählen", "試す"]]]), &json!([])),
        rows: vec![(None, vec![500, 0, 3_000, 1, 4_000, 2_499])],
        contexts: vec![json!({}), json!({"device": "mobile"})],
    };
    let context = json!([["device", ["mobile", "desktop"]], ["returning", [false, true]], ["day", ["1", "2", "3"]]]);
    let every = Case {
        number: 2,
        holdout_percentage: 0.0,
        config: config(&json!([["badge", [false, true]], ["colour", ["red", "green", "blue"]]]), &context),
        rows: (0..36).map(|c| (None, counts(6, c))).collect(),
        contexts: vec![
            json!({"device": "mobile", "returning": false, "day": "1"}),
            json!({"device": "desktop", "returning": "true", "day": 3}),
            json!({"device": "tablet", "returning": null, "day": ["1"], "browser": "x"}),
            json!({"returning": true}),
            json!({}),
        ],
    };
    // 51^10 contexts: their numbers pass 2^53, and neighbours are one number to a double.
    let levels: Vec<String> = (0..50).map(|l| format!("l{l}")).collect();
    let factors: Vec<Value> = (0..10).map(|k| json!([format!("f{k}"), levels])).collect();
    let with = |last: &str| {
        let name = |k: usize| (format!("f{k}"), json!(if k == 9 { last } else { "l49" }));
        Value::Object((0..10).map(name).collect())
    };
    let contexts = vec![with("l0"), with("l1"), with("l2"), with("other"), json!({"f9": "l7"}), json!({})];
    let observed = Case {
        number: 3,
        holdout_percentage: 50.0,
        config: config(&json!([["size", ["S", "L"]]]), &json!(factors)),
        rows: Vec::new(),
        contexts,
    };
    vec![any, every, observed]
}

async fn answers(stage: &Stage, mut case: Case) -> Value {
    let (optimization, model) = (id(case.number), id(case.number + 0x10));
    let config: TrainingDataConfig = serde_json::from_value(case.config).unwrap();
    let model_type = if config.context_factors.is_empty() { bandit::ModelType::Mab } else { bandit::ModelType::Cmab };
    let space = Checked::new(model_type, config.clone()).unwrap().space;
    let number = |context: &Value| context_number(&space, context.as_object().unwrap_or(&Map::new()));
    if case.rows.is_empty() {
        // All but the last two contexts have a row.
        let covered = &case.contexts[..case.contexts.len() - 2];
        case.rows = covered.iter().enumerate().map(|(i, c)| (Some(number(c)), counts(2, i))).collect();
        case.rows.sort_unstable_by_key(|row| row.0);
    }
    let policy: Policy = policy(&space, &case.rows);
    let serving = Serving {
        optimization_id: optimization,
        organization_id: "org_vectors".into(),
        status: OptimizationStatus::Live,
        holdout_percentage: case.holdout_percentage,
        served: Some(Served {
            posterior_version: 7,
            policy: Some(policy.to_bytes()),
            ..Served::untrained(model, model_type, config)
        }),
    };
    stage.put_serving(&serving).await;
    let (mut letters, mut sum) = (String::new(), 0.0);
    for user in 0..USERS {
        let context = &case.contexts[user % case.contexts.len()];
        if policy.row(number(context)).is_none() {
            letters.push('.');
            continue;
        }
        let decision = stage.serve(optimization, &format!("user-{user}"), context.clone()).await.unwrap();
        sum += decision.propensity;
        if decision.holdout {
            assert_eq!(decision.variant_index, 0);
            letters.push('*');
        } else {
            letters.push(char::from_digit(u32::try_from(decision.variant_index).unwrap(), 36).unwrap());
        }
    }
    let first = stage.serve(optimization, "user-0", case.contexts[0].clone()).await.unwrap();
    json!({
        "policy": stage.app.policy(optimization).await.unwrap(),
        "contexts": case.contexts,
        "first": first,
        "answers": letters,
        "propensity_sum": sum,
    })
}

#[tokio::test]
async fn the_published_answers_hold() {
    let stage = Stage::new().await;
    let mut text = String::from("[\n");
    let cases = cases();
    let last = cases.len() - 1;
    for (i, case) in cases.into_iter().enumerate() {
        let comma = if i < last { "," } else { "" };
        writeln!(text, "{}{comma}", answers(&stage, case).await).unwrap();
    }
    text.push_str("]\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/typescript/test/data/answers.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(published == text, "{} differs; UPDATE_VECTORS=1 writes it anew", path.display());
}
