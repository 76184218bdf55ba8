//! What other policies would have earned: held against the propensities that serving answered when it decided.

use std::fmt::Write as _;

use bandit::expected_rewards;
use chrono::TimeDelta;
use fulcrum_core::domain::Visitor;
use fulcrum_core::store::{log_key, posterior_key, results_key};
use serde_json::{Value, json};

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer};

/// The weight of an exposure, what it earned, and what the model expects: of the policy there, and of what was shown.
type Weighted = (f64, f64, [f64; 2]);

/// Who come in five hours, one each half a minute.
const IN_FIVE_HOURS: usize = 600;
const VISITORS: usize = 900;
const DEVICES: [&str; 2] = ["desktop", "mobile"];

/// An exposure as serving decided it.
struct Served {
    variant: usize,
    context: u64,
    /// Of who is not held out.
    propensity: f64,
    version: u64,
    rewarded: bool,
    /// Whether another version came into force in the two minutes before, or at once.
    stale: bool,
}

/// An optimization that was served untrained, by two versions, and by the first of them again, and trained on what was logged.
struct Life {
    server: TestServer,
    optimization: String,
    model: String,
    /// Without the holdout.
    served: Vec<Served>,
    held_out: usize,
}

/// Trials that say a little of which headline is the better one, and that this differs by device.
fn cells(trials: u32) -> Vec<(&'static str, String)> {
    let mut text = String::new();
    for (place, headline) in ["A", "B"].into_iter().enumerate() {
        for (number, device) in DEVICES.into_iter().enumerate() {
            let good = place == number;
            let cell = json!({
                "variant": {"headline": headline}, "context": {"device": device}, "n": trials,
                "reward_sum": if good { trials / 4 } else { trials / 5 },
            });
            writeln!(text, "{cell}").unwrap();
        }
    }
    vec![("cells/a.jsonl", text)]
}

impl Life {
    async fn live() -> Self {
        let (server, clock) = TestServer::start_at("2026-11-20T00:00:00Z").await;
        let mut body = data::cmab();
        body["name"] = json!("landing page");
        body["holdout_percentage"] = json!(10);
        body["training_data_config"]["minimum_share"] = json!(0.05);
        let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
        let (optimization, model) = (made.text("/id"), made.text("/model_id"));
        let mut life = Self { server, optimization, model, served: Vec::new(), held_out: 0 };
        let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
        for phase in 0..4 {
            match phase {
                1 | 2 => {
                    let snapshot = phase.to_string();
                    life.server.snapshot(&life.optimization, &snapshot, &cells(40 * phase)).await;
                    assert_eq!(life.server.train(&life.model).await.status, 200);
                }
                3 => {
                    let path = format!("/api/v2/models/{}/rollback", life.model);
                    let rolled = life.server.call("POST", &path, Some(&json!({"posterior_version": 1}))).await;
                    assert_eq!(rolled.status, 200, "{}", rolled.body);
                }
                _ => {}
            }
            for place in 0..IN_FIVE_HOURS {
                clock.advance(TimeDelta::seconds(30));
                let number = phase as usize * IN_FIVE_HOURS + place;
                let visitor = number * 7 % VISITORS;
                let context = u64::from(visitor.is_multiple_of(3));
                let device = DEVICES[usize::from(visitor.is_multiple_of(3))];
                let known = json!({"anonymous_id": format!("visitor-{visitor}"), "context": {"device": device}});
                let known: Visitor = serde_json::from_value(known).unwrap();
                let decision = life.server.app.serve(life.optimization.parse().unwrap(), &known).await.unwrap();
                let (id, at) = (known.anonymous_id, life.server.app.clock.now());
                let (headline, variant) = (&decision.variant["headline"], decision.variant_index);
                let exposure = json!({
                    "anonymous_id": id, "timestamp": at, "variant": {"headline": headline}, "context": {"device": device},
                });
                writeln!(exposures, "{exposure}").unwrap();
                let rewarded = number % 11
                    < [1, 2][usize::from(variant as u64 == context)] + usize::from(visitor.is_multiple_of(9));
                if rewarded {
                    writeln!(rewards, "{id},{},signup", (at + TimeDelta::seconds(5)).to_rfc3339()).unwrap();
                }
                if decision.holdout {
                    life.held_out += 1;
                    continue;
                }
                // The propensity that serving answers is of everybody: a tenth see the baseline whatever the policy.
                let propensity = (decision.propensity - if variant == 0 { 0.1 } else { 0.0 }) / 0.9;
                // The last of the five hours come in the moment of the change.
                let stale = (phase > 0 && place < 3) || (phase < 3 && place + 1 == IN_FIVE_HOURS);
                let version = decision.posterior_version;
                life.served.push(Served { variant, context, propensity, version, rewarded, stale });
            }
        }
        life.server
            .snapshot(&life.optimization, "3", &[("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)])
            .await;
        let trained = life.server.train(&life.model).await;
        assert_eq!(trained.status, 200, "{}", trained.body);
        life
    }

    fn used(&self) -> impl Iterator<Item = &Served> {
        self.served.iter().filter(|row| !row.stale)
    }

    async fn results(&self) -> Value {
        let reply =
            self.server.call("GET", &format!("/api/v2/optimizations/{}/results", self.optimization), None).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    async fn evaluate(&self, policies: Value) -> Reply {
        let path = format!("/api/v2/optimizations/{}/evaluate", self.optimization);
        self.server.call("POST", &path, Some(&json!({"policies": policies}))).await
    }

    /// What a version expects of each variant in a context, from its posterior.
    async fn expected(&self, version: u64) -> [Vec<f64>; 2] {
        let app = &self.server.app;
        let model = app.model(ORGANIZATION, self.model.parse().unwrap()).await.unwrap();
        let bytes = app.bucket.read_all(&posterior_key(ORGANIZATION, &self.model, version)).await.unwrap();
        let posterior = bandit::stored::decode(&bytes).unwrap().posterior;
        let space = model.checked().unwrap().space;
        [0, 1].map(|context| expected_rewards(&space, &posterior, &[context], 1).unwrap())
    }
}

fn close(found: &Value, wanted: f64, tolerance: f64, what: &str) {
    let value = found.as_f64().unwrap_or(f64::NAN);
    assert!((value - wanted).abs() <= tolerance * wanted.abs(), "{what}: {found} where {wanted} is right");
}

/// A mean with its standard error.
#[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n * (n - 1.0))).sqrt())
}

/// The estimators, written down once more, row by row: π of each row's variant, and q̂(π) and q̂ of it where that is known.
fn assert_values(
    life: &Life,
    found: &Value,
    effect: f64,
    policy: impl Fn(u64) -> [f64; 2],
    expected: &[[Vec<f64>; 2]; 2],
) {
    let rows: Vec<Weighted> = life
        .used()
        .map(|row| {
            let pi = policy(row.context);
            let q = match row.version {
                0 => [0.0, 0.0],
                version => {
                    let all = &expected[usize::try_from(version).unwrap() - 1][usize::try_from(row.context).unwrap()];
                    [pi[0] * all[0] + pi[1] * all[1], all[row.variant]]
                }
            };
            (pi[row.variant] / row.propensity, f64::from(u8::from(row.rewarded)), q)
        })
        .collect();
    let of = |each: &dyn Fn(&Weighted) -> f64| rows.iter().map(each).collect::<Vec<f64>>();
    let (ips, ips_error) = mean(&of(&|(w, r, _)| w * r));
    close(&found["ips"]["value"], ips, 1e-9, "IPS");
    close(&found["ips"]["error"], ips_error * effect.sqrt(), 1e-9, "its error");
    close(&found["ips"]["ci"][1], ips + 1.96 * ips_error * effect.sqrt(), 1e-9, "its interval");
    let weights = of(&|(w, ..)| *w);
    let all: f64 = weights.iter().sum();
    let snips = of(&|(w, r, _)| w * r).iter().sum::<f64>() / all;
    close(&found["snips"]["value"], snips, 1e-9, "SNIPS");
    let spread = of(&|(w, r, _)| (w * (r - snips)).powi(2)).iter().sum::<f64>().sqrt() / all;
    close(&found["snips"]["error"], spread * effect.sqrt(), 1e-9, "its error");
    // What a version expects is kept to one part in 2¹⁶.
    let (dr, dr_error) = mean(&of(&|(w, r, [direct, own])| direct + w * (r - own)));
    close(&found["dr"]["value"], dr, 1e-4, "DR");
    close(&found["dr"]["error"], dr_error * effect.sqrt(), 1e-4, "its error");
    close(&found["effective_events"], all * all / weights.iter().map(|w| w * w).sum::<f64>(), 1e-9, "effective");
    close(&found["largest_weight"], weights.iter().copied().fold(0.0, f64::max), 1e-9, "largest");
    let count = |wanted: &dyn Fn(&&Served) -> bool| life.used().filter(wanted).count();
    assert_eq!(found["events"], count(&|_| true));
    assert_eq!(found["modelled_events"], count(&|row| row.version > 0));
    assert_eq!(
        (&found["impossible_events"], &found["support"], &found["withheld"]),
        (&json!(0), &json!(0.0), &Value::Null)
    );
}

#[tokio::test]
async fn values_are_those_of_the_propensities_that_serving_answered() {
    let life = Life::live().await;
    let results = life.results().await;
    let found = &results["off_policy"];
    assert_eq!(found["unavailable"], Value::Null);
    let effect = results["quality"]["design_effect"]["optimized"].as_f64().unwrap().max(1.0);
    let (log, used) = (&found["log"], life.used().count());
    assert_eq!((&log["events"], &log["versions"], &log["design_effect"]), (&json!(used), &json!(3), &json!(effect)));
    assert_eq!(log["left_out"]["stale"], life.served.len() - used);
    assert_eq!(
        used + life.held_out + usize::try_from(log["left_out"]["stale"].as_u64().unwrap()).unwrap(),
        4 * IN_FIVE_HOURS
    );
    for reason in ["not_served", "not_explored", "not_known", "not_stored"] {
        assert_eq!(log["left_out"][reason], 0, "{reason}: {log}");
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
    close(&log["observed"], life.used().filter(|row| row.rewarded).count() as f64 / used as f64, 1e-12, "observed");

    let names: Vec<&str> =
        found["policies"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["newest_version", "uniform", "baseline", "best_variant"]);
    let expected = [life.expected(1).await, life.expected(2).await];
    assert_values(&life, &found["policies"][1], effect, |_| [0.5, 0.5], &expected);
    assert_values(&life, &found["policies"][2], effect, |_| [1.0, 0.0], &expected);
    assert_eq!(found["policies"][2]["policy"], json!({"variant": {"headline": "A"}}));
    let learned = |number: usize| found["policies"][number]["learned_from"].as_f64();
    assert_eq!([0, 1, 2, 3].map(learned), [Some(1.0), Some(0.0), Some(0.0), Some(1.0)]);

    // What is asked for gives the same, without the snapshot.
    let prefix = format!("snapshots/{ORGANIZATION}/{}/", life.optimization);
    for (key, _) in life.server.app.bucket.list(&prefix).await.unwrap() {
        life.server.app.bucket.delete(&format!("{prefix}{key}")).await.unwrap();
    }
    let row = |context: Value, headline: &str, probability: f64| {
        let mut row = json!({"variant": {"headline": headline}, "probability": probability});
        row.as_object_mut().unwrap().extend((!context.is_null()).then(|| ("context".to_owned(), context)));
        row
    };
    let mobile = json!({"device": "mobile"});
    let table = json!([row(Value::Null, "A", 1.0), row(mobile.clone(), "A", 0.25), row(mobile, "B", 0.75),]);
    let asked = json!([
        {"posterior_version": 3}, {"uniform": true}, {"variant": {"headline": "A"}}, {"table": table}, {"posterior_version": 2},
        {"posterior_version": 0},
    ]);
    let reply = life.evaluate(asked).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!((&reply.body["posterior_version"], &reply.body["log"]), (&json!(3), log));
    let policies = reply.body["policies"].as_array().unwrap();
    for (number, policy) in policies.iter().take(3).enumerate() {
        let mut stored = found["policies"][number].clone();
        stored.as_object_mut().unwrap().remove("name");
        assert_eq!(*policy, stored, "{number}");
    }
    let of_table = |context| if context == 1 { [0.25, 0.75] } else { [1.0, 0.0] };
    assert_values(&life, &policies[3], effect, of_table, &expected);
    assert_eq!(policies[3]["policy"], json!({"table": 3}));
    // The second version has learned from what the first and the untrained model decided, which is three of the four times five hours.
    let share = policies[4]["learned_from"].as_f64().unwrap();
    assert!((0.74..0.76).contains(&share), "{share}");
    assert_eq!(policies[5]["ips"], policies[1]["ips"]);
    life.server.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_valued_is_told() {
    let life = Life::live().await;
    let policies = json!([{"posterior_version": 9}, {"uniform": true}, {"posterior_version": 4}]);
    let unknown = life.evaluate(policies).await;
    assert_eq!(unknown.status, 400, "{}", unknown.body);
    let fields: Vec<Value> =
        unknown.body["error"]["details"].as_array().unwrap().iter().map(|detail| detail["field"].clone()).collect();
    assert_eq!(fields, ["policies[0].posterior_version", "policies[2].posterior_version"]);
    for bad in [json!([]), json!([{}]), json!([{"variant": {"headline": "C"}}]), json!([{"version": 1}]), json!(3)] {
        let reply = life.evaluate(bad.clone()).await;
        assert_eq!(
            (reply.status, reply.text("/error/code").as_str()),
            (400, "invalid_request"),
            "{bad}: {}",
            reply.body
        );
    }

    // A version whose policy is kept nowhere is left out with what it decided.
    let bucket = &life.server.app.bucket;
    let key = format!("posteriors/{ORGANIZATION}/{}/policies.bin", life.model);
    bucket.delete(&key).await.unwrap();
    let reply = life.evaluate(json!([{"uniform": true}])).await;
    assert_eq!(reply.body["log"]["events"], 0, "{}", reply.body);
    assert_eq!(reply.body["log"]["left_out"]["not_known"], life.used().count());
    assert_eq!(reply.body["policies"][0]["withheld"], json!({"reason": "no_events"}));
    assert_eq!(reply.body["policies"][0]["ips"], Value::Null);

    // Results of an older run are read, and say that they have nothing.
    let key = results_key(ORGANIZATION, &life.model, 3);
    let mut stored: Value = serde_json::from_slice(&bucket.read_all(&key).await.unwrap()).unwrap();
    stored.as_object_mut().unwrap().remove("off_policy").unwrap();
    bucket.put(&key, stored.to_string().into_bytes().into()).await.unwrap();
    bucket.delete(&log_key(ORGANIZATION, &life.model, 3)).await.unwrap();
    let results = life.results().await;
    assert_eq!(results["off_policy"]["unavailable"]["reason"], "not_measured");
    assert_eq!((&results["off_policy"]["log"], &results["off_policy"]["policies"]), (&Value::Null, &json!([])));
    let reply = life.evaluate(json!([{"uniform": true}])).await;
    assert_eq!((reply.status, reply.text("/error/code").as_str()), (409, "conflict"), "{}", reply.body);
    assert!(reply.text("/error/message").contains("the next training run does it"), "{}", reply.body);
    life.server.shutdown().await;
}

#[tokio::test]
async fn without_a_run_or_without_ids_there_is_nothing_to_value_policies_on() {
    let server = TestServer::start().await;
    let (model, optimization) = server.model(&data::cmab()).await;
    let path = format!("/api/v2/optimizations/{optimization}/evaluate");
    let body = Some(json!({"policies": [{"uniform": true}]}));
    assert_eq!(server.call("POST", &path, body.as_ref()).await.status, 404);
    server.snapshot(&optimization, "1", &data::cells()).await;
    assert_eq!(server.train(&model).await.status, 200);
    let reply = server.call("POST", &path, body.as_ref()).await;
    assert_eq!((reply.status, reply.text("/error/code").as_str()), (409, "conflict"), "{}", reply.body);
    assert!(reply.text("/error/message").contains("the snapshot has no ids"), "{}", reply.body);
    let results = server.call("GET", &format!("/api/v2/optimizations/{optimization}/results"), None).await;
    assert_eq!(results.body["off_policy"]["unavailable"]["reason"], "no_ids");
    server.shutdown().await;
}
