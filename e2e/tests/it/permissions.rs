//! Each function's policy in the template is what its calls need: nothing is missing, nothing is to spare.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fulcrum::local::gateway::invoke_event;
use fulcrum_core::App;
use fulcrum_core::notifications::{EventBridge, Notifications};
use fulcrum_core::prewarm::Prewarm;
use fulcrum_core::store::WAITING;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::events::{self, Event, logical_name};
use crate::recorder::{Need, Recorder};
use crate::stage::{BUCKET, Stage, TABLE};
use crate::yaml::{Grant, Template};

impl Grant {
    fn covers(&self, need: &Need) -> bool {
        let key = match (&self.pattern, &need.key) {
            (Some(pattern), Some(key)) => matches(pattern, key),
            (None, _) | (_, None) => true,
        };
        self.action == need.action && matches(&self.resource, &need.resource) && key
    }
}

/// Whether a text is of a pattern in which each `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(text) = text.strip_prefix(beginning) else { return false };
    rest.is_empty() || (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
}

/// An app like that of a fresh process, with an empty cache, and what writes down its calls.
fn recorded(stage: &Stage) -> (App, Recorder) {
    let sdk = stage.stores.sdk();
    let recorder = Recorder::new(sdk.http_client().unwrap());
    let recorded = sdk.to_builder().http_client(recorder.clone()).build();
    let app = App::new(&recorded, stage.stores.endpoints(), TABLE, BUCKET);
    let bus = EventBridge::through(recorder.bus(), sdk, "EventBus", None).unwrap();
    let notifications = Notifications::to(Arc::new(bus));
    // What a call does while it waits, it does from the first moment on.
    (App { wait: Duration::from_millis(200), notifications, ..app }, recorder)
}

/// What a function asks of the stores while it starts.
fn prewarm(function: &str) -> Prewarm {
    let main = std::fs::read_to_string(events::root().join("functions").join(function).join("src/main.rs")).unwrap();
    let all = [Prewarm::Nothing, Prewarm::Records, Prewarm::Posteriors, Prewarm::Snapshots, Prewarm::Serving];
    if main.contains("queue::run(") {
        return Prewarm::Runs;
    }
    if main.contains("schedule::run(") {
        return Prewarm::Nothing;
    }
    let named = all.into_iter().find(|prewarm| main.contains(&format!("Prewarm::{prewarm:?}")));
    named.unwrap_or_else(|| panic!("{function} does not say what it opens"))
}

/// What an event came to in a process that it started.
pub struct Ran {
    pub event: Event,
    /// The answer, with `statusCode`, `headers` and `body` where it is one of HTTP.
    pub answer: Value,
    needs: Vec<Need>,
}

/// All events, each run once for all tests.
pub async fn runs() -> &'static [Ran] {
    static RUNS: OnceCell<Vec<Ran>> = OnceCell::const_new();
    RUNS.get_or_init(run_all).await
}

async fn run_all() -> Vec<Ran> {
    let stage = Stage::set().await;
    let mut runs = Vec::new();
    for event in events::all() {
        let (app, recorder) = recorded(&stage);
        prewarm(event.function()).open(&app).await;
        // What is asked for then is never there, and nobody minds how that is answered.
        let mut needs = recorder.take();
        needs.retain(|need| need.action != "s3:ListBucket");
        let answer = answer(&app, &event).await;
        assert_eq!(Event::outcome_of(&answer), event.outcome, "{}: {answer}", event.name);
        needs.extend(recorder.take());
        runs.push(Ran { event, answer, needs });
    }
    let waiting = needs_of_a_run_that_waits(&stage).await;
    runs.iter_mut().find(|ran: &&mut Ran| ran.event.function() == "retrain").unwrap().needs.extend(waiting);
    stage.stores.shutdown().await;
    runs
}

/// What each function needed for its start and for all of its events.
async fn needs() -> BTreeMap<String, BTreeSet<Need>> {
    let mut needs: BTreeMap<String, BTreeSet<Need>> = BTreeMap::new();
    for ran in runs().await {
        needs.entry(ran.event.function().to_owned()).or_default().extend(ran.needs.iter().cloned());
    }
    needs
}

/// What Retrain needs where an organization has as many runs at work as it may, and when that is over.
async fn needs_of_a_run_that_waits(stage: &Stage) -> Vec<Need> {
    let (app, recorder) = recorded(stage);
    let app = App { organization_runs: NonZeroUsize::new(1), ..app };
    let event = |name: &str| events::all().into_iter().find(|event| event.name == name).unwrap();
    let request = "requests/org_example/00000009-0000-4000-8000-00000000000a/example.json";
    app.bucket.put(request, br#"{"ask": "train", "bias": {}}"#.to_vec().into()).await.unwrap();
    let slots = app.table.run_slots("org_example").await.unwrap();
    let until = (app.clock.now() + app.lease).timestamp_millis();
    app.table.change_run_slots("org_example", &slots, &[("run".to_owned(), until)].into()).await.unwrap();
    recorder.take();
    assert_eq!(answer(&app, &event("retrain.request")).await, json!({"batchItemFailures": []}));
    assert_eq!(app.bucket.list(WAITING).await.unwrap().len(), 1);
    let slots = app.table.run_slots("org_example").await.unwrap();
    app.table.change_run_slots("org_example", &slots, &[].into()).await.unwrap();
    assert_eq!(answer(&app, &event("retrain.scheduled")).await, json!({"batchItemFailures": []}));
    assert!(app.bucket.list(WAITING).await.unwrap().is_empty());
    assert_eq!(answer(&app, &event("retrain.request")).await, json!({"batchItemFailures": []}));
    recorder.take()
}

async fn answer(app: &App, event: &Event) -> Value {
    if event.function() == "retrain" {
        let batch = serde_json::from_str(&event.text).unwrap();
        let until = Instant::now() + Duration::from_mins(15);
        return serde_json::to_value(retrain::handle(app, batch, until).await).unwrap();
    }
    if event.function() == "compact-events" {
        let until = Instant::now() + Duration::from_mins(15);
        return compact_events::handle(app, event.json(), until).await.unwrap();
    }
    let response = invoke_event(app, event.function(), &event.text).await.unwrap();
    let (parts, body) = response.into_parts();
    let headers: BTreeMap<&str, &str> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    json!({"statusCode": parts.status.as_u16(), "headers": headers, "body": String::from_utf8(body.to_vec()).unwrap()})
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_allow_what_the_calls_need_and_no_more() {
    let template = Template::read();
    let mut wrong = Vec::new();
    for (function, needs) in needs().await {
        let grants = template.grants(&logical_name(&function));
        for need in needs.iter().filter(|need| !grants.iter().any(|grant| grant.covers(need))) {
            wrong.push(format!("{function} lacks {need:?}"));
        }
        for grant in grants.iter().filter(|grant| !needs.iter().any(|need| grant.covers(need))) {
            // The platform itself polls the queue, in the function's name; the next test has these.
            if !grant.action.starts_with("sqs:") {
                wrong.push(format!("{function} does not use {grant:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_queue_is_polled_in_the_name_of_retrain_alone() {
    let template = Template::read();
    let mut polled = Vec::new();
    for function in template.of_type("AWS::Serverless::Function") {
        let grants = template.grants(function).into_iter().filter(|grant| grant.action.starts_with("sqs:"));
        polled.extend(grants.map(|grant| (function.to_owned(), grant.action, grant.resource)));
    }
    let expected = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    assert_eq!(polled, expected.map(|action| ("Retrain".to_owned(), action.to_owned(), "Queue".to_owned())));
}

/// A process that dies in between leaves a request, and a lease that expires.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_written_before_the_hold_is_left_to_it() {
    let stage = Stage::set().await;
    let (app, recorder) = recorded(&stage);
    let event = events::all().into_iter().find(|event| event.name == "train-model.async").unwrap();
    assert_eq!(Event::outcome_of(&answer(&app, &event).await), "202");
    let calls: Vec<String> = recorder.take().into_iter().map(|need| need.action).collect();
    let expected = ["dynamodb:UpdateItem", "s3:PutObject", "dynamodb:UpdateItem"];
    assert!(calls.ends_with(&expected.map(str::to_owned)), "{calls:?}");
    stage.stores.shutdown().await;
}

#[test]
fn a_grant_covers_what_it_says() {
    let grant = |resource: &str, pattern: Option<&str>| Grant {
        action: "dynamodb:GetItem".into(),
        resource: resource.into(),
        pattern: pattern.map(str::to_owned),
    };
    let need = |resource: &str, key: &str| Need {
        action: "dynamodb:GetItem".into(),
        resource: resource.into(),
        key: Some(key.into()),
    };
    assert!(grant("Table", Some("ORG#*")).covers(&need("Table", "ORG#a")));
    assert!(!grant("Table", Some("ORG#*")).covers(&need("Table", "APIKEY#a")));
    assert!(!grant("Table", None).covers(&need("Table/index/by_update", "ORG#a")));
    assert!(matches("a/*/c/*", "a/b/c/d") && matches("a/*/c/*", "a/x/y/c/"));
    assert!(!matches("a/*/c/*", "a/b/d/e") && !matches("a/*/c", "a/b/cd"));
    assert!(grant("Table/index/*", None).covers(&need("Table/index/by_update", "ORG#a")));
    let other = Grant { action: "dynamodb:PutItem".into(), ..grant("Table", None) };
    assert!(!other.covers(&need("Table", "ORG#a")));
}

/// The actions that docs/permissions.md lists for each function; a row without a function goes on with the one above.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(events::root().join("docs/permissions.md")).unwrap();
    let mut actions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut functions = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if !cells[1].is_empty() {
            functions = cells[1].split(", ").map(str::to_owned).collect();
        }
        let listed = cells[2].split(", ").filter(|action| action.starts_with('`'));
        let listed: Vec<String> = listed.map(|action| action.trim_matches('`').to_owned()).collect();
        for function in &functions {
            actions.entry(function.clone()).or_default().extend(listed.iter().cloned());
        }
    }
    actions
}

#[test]
fn the_documentation_lists_the_actions_of_every_policy() {
    let (template, documented) = (Template::read(), documented());
    for function in template.of_type("AWS::Serverless::Function") {
        let granted: BTreeSet<String> = template.grants(function).into_iter().map(|grant| grant.action).collect();
        assert_eq!(documented.get(function), Some(&granted), "docs/permissions.md, {function}");
    }
}
