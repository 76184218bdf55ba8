//! The files of `events/`, and what its README says of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fulcrum_core::http::ROUTES;
use serde_json::Value;

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// One file.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name without `.json`.
    pub name: String,
    pub text: String,
    /// What the README says it comes to: a status, or how many messages of a batch fail.
    pub outcome: String,
}

impl Event {
    /// The function that it is for: the name up to the first dot.
    pub fn function(&self) -> &str {
        self.name.split('.').next().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// What an answer to it came to, in the README's words.
    pub fn outcome_of(answer: &Value) -> String {
        match (answer.get("statusCode"), answer.get("batchItemFailures")) {
            (Some(status), None) => status.to_string(),
            (None, Some(Value::Array(failures))) => format!("{} fail", failures.len()),
            (None, None) if answer["failed"].is_u64() => format!("{} fail", answer["failed"]),
            _ => answer.to_string(),
        }
    }
}

/// All events, in the order of their names.
pub fn all() -> Vec<Event> {
    let outcomes = outcomes();
    let mut events = Vec::new();
    for entry in fs::read_dir(root().join("events")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let outcome = outcomes.get(&name).unwrap_or_else(|| panic!("events/README.md does not say what {name} is"));
            events.push(Event { outcome: outcome.clone(), text: fs::read_to_string(&path).unwrap(), name });
        }
    }
    events.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(events.len(), outcomes.len(), "events/README.md names events that are not there: {:?}", outcomes.keys());
    events
}

/// The logical name of a function in the template.
pub fn logical_name(function: &str) -> String {
    let part = |part: &str| part[..1].to_uppercase() + &part[1..];
    function.split('-').map(part).collect()
}

/// Name and outcome of each row of the README: `sam local invoke NAME -e events/FILE` and what it comes to.
fn outcomes() -> BTreeMap<String, String> {
    let readme = fs::read_to_string(root().join("events/README.md")).unwrap();
    let mut outcomes = BTreeMap::new();
    for row in readme.lines().filter_map(|line| line.strip_prefix("| `sam local invoke ")) {
        let (command, rest) = row.split_once("` | ").unwrap();
        let (logical, file) = command.split_once(" -e events/").unwrap();
        let name = file.strip_suffix(".json").unwrap();
        assert_eq!(logical, logical_name(name.split('.').next().unwrap()), "{row}");
        outcomes.insert(name.to_owned(), rest.split_once(" |").unwrap().0.to_owned());
    }
    outcomes
}

#[test]
fn every_endpoint_has_an_event_that_succeeds_and_one_that_does_not() {
    let events = all();
    for route in ROUTES {
        let outcomes: Vec<&str> =
            events.iter().filter(|e| e.function() == route.function).map(|e| e.outcome.as_str()).collect();
        assert!(outcomes.iter().any(|o| o.starts_with('2')), "{}: {outcomes:?}", route.function);
        assert!(outcomes.iter().any(|o| o.starts_with('4')), "{}: {outcomes:?}", route.function);
    }
    assert!(events.iter().any(|e| e.function() == "compact-events" && e.outcome == "0 fail"));
    let retrain: Vec<&str> = events.iter().filter(|e| e.function() == "retrain").map(|e| e.outcome.as_str()).collect();
    assert!(retrain.contains(&"0 fail") && retrain.contains(&"1 fail"), "{retrain:?}");
}

#[test]
fn events_are_what_the_gateway_makes_of_their_own_request_lines() {
    for event in all().iter().filter(|event| !["compact-events", "retrain"].contains(&event.function())) {
        let json = event.json();
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (method, path) = (text("/requestContext/http/method"), text("/rawPath"));
        let (function, key) = match fulcrum_core::http::find(&method, &path) {
            fulcrum_core::http::Match::Found { route, .. } => {
                (route.function, format!("{} {}", route.method, route.path))
            }
            _ => ("default-route", "$default".to_owned()),
        };
        assert_eq!((event.function(), text("/routeKey")), (function, key), "{}", event.name);
        assert_eq!(text("/version"), "2.0", "{}", event.name);
    }
}
