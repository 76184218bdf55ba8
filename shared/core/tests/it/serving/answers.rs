//! 10,000 random users' answers, in a file that the client in TypeScript is held against too.
//!
//! Users are drawn by the same few lines on both sides, from the lists in the file. It keeps the answers to the first 50
//! of each policy as they are, and of all a running SHA-256 over a line each, written down every 1,000 users.

use std::fmt::Write as _;
use std::path::Path;

use bandit::variant_uniform;
use fulcrum_core::ApiError;
use fulcrum_core::domain::context_number;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::made::{fixed_id, policy, serving, space};
use super::stage::{Stage, config};

const USERS: usize = 10_000;
/// Users whose answers the file has in full.
const SHOWN: usize = 50;

/// What ids are made of: one to four bytes of UTF-8, characters of several code points, and what JSON has to escape.
const PIECES: [&str; 20] = [
    "a",
    "Z",
    "7",
    "-",
    "_",
    " ",
    "user-",
    "é",
    "e\u{301}",
    "ß",
    "Ω",
    "試",
    "💡",
    "👩\u{200d}💻",
    "\u{1d11e}",
    "\0",
    "\n",
    "\"",
    "\\",
    "\u{2028}",
];

/// Random numbers that the test in TypeScript draws alike.
struct Draws {
    seed: u64,
    drawn: usize,
}

impl Draws {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    fn below(&mut self, n: usize) -> usize {
        let u = variant_uniform(self.seed, self.drawn as u64);
        self.drawn += 1;
        (u * n as f64).ceil() as usize - 1
    }

    /// Up to 16 pieces; one id of 250 has as much of one piece as the service takes.
    fn id(&mut self) -> String {
        if self.below(250) == 0 {
            let piece = PIECES[self.below(PIECES.len())];
            return piece.repeat(1_024 / piece.len());
        }
        (0..=self.below(16)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    /// One of the values of each name, or none.
    fn context(&mut self, values: &[(String, Vec<Value>)]) -> Map<String, Value> {
        let value = |(name, values): &(String, Vec<Value>)| {
            Some((name.clone(), values.get(self.below(values.len() + 1))?.clone()))
        };
        values.iter().filter_map(value).collect()
    }
}

/// Counts that add up to 1,000, some of them 0.
fn counts(variants: usize, context: usize) -> Vec<u32> {
    let weight = |v: usize| u32::try_from((v * 7 + context * 13 + 3) % 11).unwrap().saturating_sub(2);
    let mut counts: Vec<u32> = (0..variants).map(|v| weight(v) * 9).collect();
    counts[context % variants] += 1_000 - counts.iter().sum::<u32>();
    counts
}

struct Case {
    holdout_percentage: f64,
    config: Value,
    rows: Vec<(Option<u64>, Vec<u32>)>,
    /// What a context is drawn from: levels, levels of another type, what is none, and names that the model does not know.
    values: Vec<(String, Vec<Value>)>,
}

fn values(of: &[(&str, Value)]) -> Vec<(String, Vec<Value>)> {
    of.iter().map(|(name, values)| ((*name).to_owned(), values.as_array().unwrap().clone())).collect()
}

fn any_context() -> Case {
    Case {
        holdout_percentage: 12.5,
        config: config(&json!([["layout", ["grid", "list"]], ["cta", ["Buy", "Größe wählen", "試す"]]]), &json!([])),
        rows: vec![(None, vec![500, 0, 3_000, 1, 4_000, 2_499])],
        values: values(&[("device", json!(["mobile", null, {"a": [1]}]))]),
    }
}

fn every_context() -> Case {
    let context = json!([["device", ["mobile", "desktop"]], ["returning", [false, true]], ["day", ["1", "2", "3"]]]);
    Case {
        holdout_percentage: 0.0,
        config: config(&json!([["badge", [false, true]], ["colour", ["red", "green", "blue"]]]), &context),
        rows: (0..36).map(|c| (None, counts(6, c))).collect(),
        values: values(&[
            ("device", json!(["mobile", "desktop", "tablet", "", "mobile ", null, ["mobile"], {"mobile": true}, 7])),
            ("returning", json!([true, false, "true", "false", "yes", null, 1.5, [true]])),
            ("day", json!([1, 2, 3, "1", "2", "3", "4", -1, 2.5, "one", true, ["1"]])),
            ("constructor", json!(["mobile", "1"])),
        ]),
    }
}

/// 51^10 contexts: their numbers pass 2^53, and neighbours are one number to a double. Four of them have a row, the last
/// one with an unknown level.
fn observed_contexts() -> Case {
    let levels: Vec<String> = (0..50).map(|l| format!("l{l}")).collect();
    let factors: Vec<Value> = (0..10).map(|k| json!([format!("f{k}"), levels])).collect();
    let config = config(&json!([["size", ["S", "L"]]]), &json!(factors));
    let (_, _, space) = space(&config);
    let number = |last| space.encode_context(&[49, 49, 49, 49, 49, 49, 49, 49, 49, last]);
    let mut values: Vec<(String, Vec<Value>)> =
        (0..9).map(|k| (format!("f{k}"), [vec![json!("l49"); 20], vec![json!("l7")]].concat())).collect();
    values.push(("f9".into(), vec![json!("l0"), json!("l1"), json!("l2"), json!("l3"), json!("other"), json!(["l0"])]));
    Case {
        holdout_percentage: 50.0,
        config,
        rows: [0, 1, 2, 50].map(|last| (Some(number(last)), counts(2, last))).to_vec(),
        values,
    }
}

async fn answers(stage: &Stage, number: u128, case: Case) -> Value {
    let (_, _, space) = space(&case.config);
    let policy = policy(&space, &case.rows);
    stage.put_serving(&serving(number, case.holdout_percentage, &case.config, 7, policy.to_bytes())).await;
    let seed = u64::try_from(number).unwrap();
    let (mut draws, mut digest) = (Draws { seed, drawn: 0 }, Sha256::new());
    let (mut shown, mut digests) = (Vec::new(), Vec::new());
    for user in 1..=USERS {
        let (id, context) = (draws.id(), draws.context(&case.values));
        let served = stage.serve(fixed_id(number), &id, Value::Object(context.clone())).await;
        if policy.row(context_number(&space, &context)).is_none() {
            // The service would draw the row, were there a posterior.
            let no_row = matches!(&served, Err(ApiError::Internal { cause, .. }) if cause.contains("no posterior"));
            assert!(no_row, "{context:?} has no row, and yet {served:?}");
            digest.update(format!("{id}\tnone\n"));
        } else {
            let decision = served.as_ref().unwrap();
            let bits = decision.propensity.to_bits();
            digest.update(format!("{id}\t{}\t{}\t{bits:016x}\n", decision.variant_index, decision.holdout));
        }
        if user <= SHOWN {
            shown.push(json!({"id": id, "context": context, "decision": served.ok()}));
        }
        if user % 1_000 == 0 {
            let so_far: [u8; 32] = digest.clone().finalize().into();
            digests.push(so_far.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}")));
        }
    }
    let document = stage.app.policy(fixed_id(number)).await.unwrap().document();
    json!({"seed": seed, "policy": document, "values": case.values, "users": shown, "digests": digests})
}

#[tokio::test]
async fn the_published_answers_hold() {
    let stage = Stage::new().await;
    let mut text = format!("{{\"pieces\": {},\n\"cases\": [\n", json!(PIECES));
    for (number, case) in (1..).zip([any_context(), every_context(), observed_contexts()]) {
        let comma = if number < 3 { "," } else { "" };
        writeln!(text, "{}{comma}", answers(&stage, number, case).await).unwrap();
    }
    text.push_str("]}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/typescript/test/data/answers.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(published == text, "{} differs; UPDATE_VECTORS=1 writes it anew", path.display());
}
