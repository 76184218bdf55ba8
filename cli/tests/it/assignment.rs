//! Whether logged exposures are what serving decided: logs of our own serving, through version changes and rollbacks, as they are and with
//! a fault each.

use std::fmt::Write as _;
use std::sync::Arc;

use bandit::{choose, hold_out};
use chrono::{DateTime, TimeDelta, Utc};
use fulcrum_core::clock::ManualClock;
use fulcrum_core::domain::Visitor;
use fulcrum_core::{App, ServingCache};
use serde_json::{Map, Value, json};

use crate::data;
use crate::harness::TestServer;

const BEGINNING: &str = "2026-11-20T00:00:00Z";
/// Who come, again and again.
const VISITORS: u32 = 1_500;
/// Those who come in a quarter of an hour.
const IN_A_QUARTER: u32 = 30;
const DEVICES: [&str; 2] = ["desktop", "mobile"];

/// An exposure as it is logged.
#[derive(Clone, Debug)]
struct Logged {
    id: String,
    at: DateTime<Utc>,
    headline: Value,
    device: &'static str,
}

/// An optimization that has served for 30 hours: untrained, by a first version, by a second one that believes the contrary, and by
/// each of them once more.
struct Life {
    server: TestServer,
    clock: Arc<ManualClock>,
    optimization: String,
    model: String,
    log: Vec<Logged>,
}

/// Cells in which one headline is far better on desktops, and the other one on mobiles: how sure that is depends on the trials of each.
fn cells(better_on_desktops: &str, trials: u32) -> Vec<(&'static str, String)> {
    let mut text = String::new();
    for headline in ["A", "B"] {
        for device in DEVICES {
            let good = (headline == better_on_desktops) == (device == "desktop");
            let cell = json!({
                "variant": {"headline": headline}, "context": {"device": device}, "n": trials,
                "reward_sum": if good { trials * 3 / 10 } else { trials / 10 },
            });
            writeln!(text, "{cell}").unwrap();
        }
    }
    vec![("cells/a.jsonl", text)]
}

impl Life {
    /// The life, in which the visitors of `is_behind` are served what was in force until two hours ago.
    async fn live(trials: u32, is_behind: impl Fn(u32) -> bool) -> Self {
        let (server, clock) = TestServer::start_at(BEGINNING).await;
        let mut body = data::cmab();
        body["name"] = json!("landing page");
        body["holdout_percentage"] = json!(10);
        let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
        let (optimization, model) = (made.text("/id"), made.text("/model_id"));
        let mut life = Self { server, clock, optimization, model, log: Vec::new() };
        let mut behind = forgetting_nothing(&life.server.app);
        life.six_hours(&mut behind, &is_behind).await;
        for (snapshot, better) in [("1", "A"), ("2", "B")] {
            life.server.snapshot(&life.optimization, snapshot, &cells(better, trials)).await;
            assert_eq!(life.server.train(&life.model).await.status, 200);
            life.six_hours(&mut behind, &is_behind).await;
        }
        for version in [1, 2] {
            let path = format!("/api/v2/models/{}/rollback", life.model);
            let rolled = life.server.call("POST", &path, Some(&json!({"posterior_version": version}))).await;
            assert_eq!(rolled.status, 200, "{}", rolled.body);
            life.six_hours(&mut behind, &is_behind).await;
        }
        life
    }

    async fn honest() -> Self {
        Self::live(600, |_| false).await
    }

    async fn six_hours(&mut self, behind: &mut App, is_behind: impl Fn(u32) -> bool) {
        let id = self.optimization.parse().unwrap();
        for quarter in 0..24 {
            if quarter == 8 {
                *behind = forgetting_nothing(&self.server.app);
            }
            for _ in 0..IN_A_QUARTER {
                // Within a quarter of an hour they come one after the other, the first of them before serving knows of a change.
                self.clock.advance(TimeDelta::seconds(30));
                let visitor = u32::try_from(self.log.len()).unwrap() * 7 % VISITORS;
                let device = DEVICES[usize::from(visitor.is_multiple_of(3))];
                let context = Map::from_iter([("device".to_owned(), json!(device))]);
                let anonymous_id = format!("visitor-{visitor}");
                let app = if is_behind(visitor) { &*behind } else { &self.server.app };
                let known = Visitor { anonymous_id: anonymous_id.clone(), context, dry_run: false };
                let decision = app.serve(id, &known).await.unwrap();
                let headline = decision.variant["headline"].clone();
                self.log.push(Logged { id: anonymous_id, at: app.clock.now(), headline, device });
            }
        }
    }

    /// The results of a run over the log as `fault` writes it.
    async fn results(&self, fault: impl Fn(usize, &Logged) -> Logged) -> Value {
        let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
        for (place, seen) in self.log.iter().enumerate() {
            let row = fault(place, seen);
            let exposure = json!({
                "anonymous_id": row.id, "timestamp": row.at, "variant": {"headline": row.headline}, "context": {"device": row.device},
            });
            writeln!(exposures, "{exposure}").unwrap();
            if place % 8 == 0 {
                writeln!(rewards, "{},{},signup", row.id, (row.at + TimeDelta::seconds(5)).to_rfc3339()).unwrap();
            }
        }
        let files = [("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)];
        self.server.snapshot(&self.optimization, "3", &files).await;
        let trained = self.server.train(&self.model).await;
        assert_eq!(trained.status, 200, "{}", trained.body);
        let path = format!("/api/v2/optimizations/{}/results", self.optimization);
        self.server.call("GET", &path, None).await.body
    }
}

/// A client that goes on with what it has read.
fn forgetting_nothing(app: &App) -> App {
    App { serving: ServingCache::new(TimeDelta::days(10)), ..app.clone() }
}

/// The mismatches by reason: `holdout_saw_other`, `older_version`, `excluded_variant`, `other`.
fn mismatches(results: &Value) -> [u64; 4] {
    let of = &results["quality"]["assignment"]["mismatches"];
    ["holdout_saw_other", "older_version", "excluded_variant", "other"].map(|reason| of[reason].as_u64().unwrap())
}

/// The message of a problem.
fn problem(results: &Value, code: &str) -> Option<String> {
    let problems = results["findings"]["problems"].as_array().unwrap();
    problems
        .iter()
        .find(|problem| problem["code"] == code)
        .map(|problem| problem["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_exposure_of_our_own_serving_matches_through_version_changes_and_rollbacks() {
    let life = Life::honest().await;
    let results = life.results(|_, row| row.clone()).await;
    let assignment = &results["quality"]["assignment"];
    assert_eq!((&assignment["match"], &assignment["exposures"]), (&json!(1.0), &json!(life.log.len())), "{assignment}");
    assert_eq!((&assignment["of"], &assignment["suspect"]), (&json!(life.log.len()), &json!(false)));
    assert_eq!((&assignment["not_served"], &assignment["not_known"]), (&json!(0), &json!(0)));
    assert_eq!((&assignment["from"], &assignment["to"]), (&json!("2026-11-20"), &json!("2026-11-21")));
    assert_eq!((&assignment["holds_from"], &assignment["concentrates_in"]), (&Value::Null, &Value::Null));
    // Many saw two headlines, and a version explains each of them.
    let several = &results["quality"]["multiple_variants"];
    assert!(several["share"].as_f64().unwrap() > 0.2, "{several}");
    assert_eq!(several["unexplained"]["users"], 0);
    assert_eq!(several["unexplained"]["several_variants"], several["users"]);
    // An honest p is below 1e-6 once in a million runs.
    let balance = &results["quality"]["balance_test"];
    assert!(balance["p_value"].as_f64().unwrap() > 1e-6, "{balance}");
    assert_eq!(balance["impossible"], 0.0);
    assert_eq!(problem(&results, "assignment"), None);
    // The holdout agrees with the model: z of its check is beyond 4.5 once in 100,000.
    let check = &results["baseline_check"];
    assert!(check["z"].as_f64().unwrap().abs() < 4.5, "{check}");
    life.server.shutdown().await;
}

#[tokio::test]
async fn one_per_cent_of_replaced_ids_is_shown_and_named_and_not_yet_suspect() {
    let life = Life::honest().await;
    let replaced = |row: &Logged| row.id.strip_prefix("visitor-").unwrap().parse::<u32>().unwrap() % 100 == 1;
    let results =
        life.results(|_, row| {
            if replaced(row) { Logged { id: format!("other-{}", row.id), ..row.clone() } } else { row.clone() }
        })
        .await;
    let assignment = &results["quality"]["assignment"];
    let matching = assignment["match"].as_f64().unwrap();
    // An id decides by chance as the other one in about half of the cases.
    assert!((0.99..1.0).contains(&matching), "{assignment}");
    let [held_out, _, excluded, other] = mismatches(&results);
    assert!(other > 0 && excluded == 0 && held_out <= other, "{assignment}");
    assert_eq!(assignment["suspect"], false);
    life.server.shutdown().await;
}

#[tokio::test]
async fn ids_of_another_space_are_explained_by_no_version() {
    // Versions that are not sure: where all but one variant are served to nobody, whoever asks is served the same.
    let life = Life::live(10, |_| false).await;
    let replaced = |row: &Logged| row.id.strip_prefix("visitor-").unwrap().parse::<u32>().unwrap() % 20 == 1;
    let results =
        life.results(|_, row| {
            if replaced(row) { Logged { id: format!("cookie:{}", row.id), ..row.clone() } } else { row.clone() }
        })
        .await;
    let assignment = &results["quality"]["assignment"];
    let [held_out, older, excluded, other] = mismatches(&results);
    assert_eq!((&assignment["suspect"], excluded), (&json!(true), 0), "{assignment}");
    assert!(held_out + other > older, "{assignment}");
    assert_eq!(assignment["concentrates_in"], Value::Null);
    let message = problem(&results, "assignment").unwrap();
    assert!(message.contains("that no version explains"), "{message}");
    life.server.shutdown().await;
}

/// Of 60,000 users 6,000 are held out; without a tenth of these the test is suspect in all but one of 30,000 cases.
#[tokio::test]
async fn logging_that_drops_a_tenth_of_the_holdout_is_a_wrong_sample_ratio_and_nothing_else() {
    let (server, clock) = TestServer::start_at(BEGINNING).await;
    let mut body = data::cmab();
    body["name"] = json!("landing page");
    body["holdout_percentage"] = json!(10);
    let made = server.call("POST", "/api/v2/optimizations", Some(&body)).await;
    let (optimization, model) = (made.text("/id"), made.text("/model_id"));
    let headlines = bandit::Factor::new("headline", bandit::Dtype::Str, vec!["A".into(), "B".into()]).unwrap();
    let space = bandit::Space::new(vec![headlines], vec![]).unwrap();
    let (policy, keys) = (bandit::Policy::uniform(&space).unwrap(), bandit::VariantKeys::of(&space).unwrap());
    let (mut exposures, mut rewards) = (String::new(), "anonymous_id,timestamp,name\n".to_owned());
    for visitor in 0..60_000_u32 {
        let id = format!("visitor-{visitor}");
        let held_out = hold_out(&optimization, &id, 10.0);
        if held_out && visitor % 10 == 0 {
            continue;
        }
        let variant = if held_out { 0 } else { choose(&optimization, &id, policy.row(0).unwrap(), &keys) };
        let headline = ["A", "B"][variant];
        let at = clock_time() + TimeDelta::seconds(i64::from(visitor));
        let exposure = json!({
            "anonymous_id": id, "timestamp": at, "variant": {"headline": headline}, "context": {"device": "mobile"},
        });
        writeln!(exposures, "{exposure}").unwrap();
        if visitor % 9 == 0 {
            writeln!(rewards, "{id},{},signup", at.to_rfc3339()).unwrap();
        }
    }
    clock.advance(TimeDelta::hours(20));
    server.snapshot(&optimization, "1", &[("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]).await;
    assert_eq!(server.train(&model).await.status, 200);
    let results = server.call("GET", &format!("/api/v2/optimizations/{optimization}/results"), None).await.body;
    assert_eq!(results["quality"]["sample_ratio"]["suspect"], true, "{}", results["quality"]["sample_ratio"]);
    assert!(problem(&results, "sample_ratio").unwrap().contains("Logging loses users of one arm"));
    assert_eq!(results["quality"]["assignment"]["match"], 1.0);
    server.shutdown().await;
}

fn clock_time() -> DateTime<Utc> {
    BEGINNING.parse().unwrap()
}

#[tokio::test]
async fn a_client_that_caches_for_two_hours_shows_older_versions_and_how_old_they_are() {
    let life = Life::live(600, |visitor| visitor % 4 == 1).await;
    let results = life.results(|_, row| row.clone()).await;
    let assignment = &results["quality"]["assignment"];
    assert_eq!(assignment["suspect"], true, "{assignment}");
    let [held_out, older, excluded, other] = mismatches(&results);
    assert!(older > 0 && [held_out, excluded, other] == [0; 3], "{assignment}");
    // Between no time and two hours after a change.
    let age = assignment["age_seconds"].as_u64().unwrap();
    assert!((1_800..5_400).contains(&age), "{assignment}");
    let message = problem(&results, "assignment").unwrap();
    assert!(message.contains("of an older version"), "{message}");
    life.server.shutdown().await;
}

#[tokio::test]
async fn a_context_that_is_logged_in_other_case_is_where_mismatches_concentrate() {
    let life = Life::honest().await;
    let results = life
        .results(|_, row| Logged { device: if row.device == "mobile" { "Mobile" } else { row.device }, ..row.clone() })
        .await;
    let assignment = &results["quality"]["assignment"];
    assert_eq!(assignment["suspect"], true, "{assignment}");
    let place = &assignment["concentrates_in"];
    assert_eq!((&place["factor"], &place["level"], &place["elsewhere"]), (&json!("device"), &Value::Null, &json!(1.0)));
    let message = problem(&results, "assignment").unwrap();
    assert!(message.contains("They concentrate in device = (unknown)"), "{message}");
    life.server.shutdown().await;
}

#[tokio::test]
async fn a_second_service_that_serves_half_of_the_traffic_is_explained_by_no_version() {
    let life = Life::honest().await;
    let results = life
        .results(|place, row| {
            // It shows whoever comes back something else.
            let headline = if place % 8 < 4 { json!("A") } else { json!("B") };
            if place % 2 == 1 { Logged { headline, ..row.clone() } } else { row.clone() }
        })
        .await;
    let assignment = &results["quality"]["assignment"];
    assert_eq!((&assignment["suspect"], &assignment["concentrates_in"]), (&json!(true), &Value::Null), "{assignment}");
    let [held_out, older, excluded, other] = mismatches(&results);
    assert!(other > older && excluded == 0 && held_out > 0, "{assignment}");
    assert!(assignment["match"].as_f64().unwrap() < 0.9, "{assignment}");
    let several = &results["quality"]["multiple_variants"]["unexplained"];
    assert!(several["share"].as_f64().unwrap() > 0.1, "{several}");
    life.server.shutdown().await;
}

#[tokio::test]
async fn what_served_under_a_version_that_is_gone_is_not_known_and_the_answer_says_until_when() {
    let life = Life::honest().await;
    let objects = life.server.app.bucket.list("posteriors/").await.unwrap();
    let is_gone = |key: &&String| key.ends_with("/1.safetensors") || key.ends_with("/policies.bin");
    let gone: Vec<&String> = objects.iter().map(|(key, _)| key).filter(is_gone).collect();
    assert_eq!(gone.len(), 2, "{objects:?}");
    for key in gone {
        life.server.app.bucket.delete(&format!("posteriors/{key}")).await.unwrap();
    }
    let results = life.results(|_, row| row.clone()).await;
    let assignment = &results["quality"]["assignment"];
    // The first version served for two of the five periods of six hours, to whom is not held out.
    let (known, unknown) = (assignment["exposures"].as_u64().unwrap(), assignment["not_known"].as_u64().unwrap());
    assert_eq!(known + unknown, life.log.len() as u64);
    let share = |n: u64| f64::from(u32::try_from(n).unwrap()) / f64::from(u32::try_from(life.log.len()).unwrap());
    assert!((0.3..0.4).contains(&share(unknown)), "{assignment}");
    assert_eq!((&assignment["match"], &assignment["holds_from"]), (&json!(1.0), &json!("2026-11-21T00:02:00Z")));
    life.server.shutdown().await;
}
