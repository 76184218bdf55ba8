//! `fulcrum events tail`: what came in and waits for compaction.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use events::Kind;
use events::incoming::decompress;
use events::layout::{incoming_prefix, root};
use fulcrum_core::App;
use serde_json::{Value, json};

use crate::answers::{assignment, text};
use crate::error::CliError;
use crate::screen::{print_note, write_text};
use crate::terminal;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Shows what waits, and what comes where it is to follow.
pub(super) async fn run(app: &App, organization: &str, follow: bool, as_json: bool) -> Result<(), CliError> {
    // Of what was shown only what still waits is remembered.
    let mut seen = BTreeSet::new();
    loop {
        let mut waiting = BTreeSet::new();
        for kind in Kind::ALL {
            let prefix = format!("{}{}", root(organization), incoming_prefix(kind));
            let mut names: Vec<String> = app.bucket.list(&prefix).await?.into_iter().map(|(name, _)| name).collect();
            names.sort();
            for key in names.into_iter().map(|name| format!("{prefix}{name}")) {
                if !seen.contains(&key) && !show(app, kind, &key, as_json).await? {
                    // Nobody reads this any more.
                    return Ok(());
                }
                waiting.insert(key);
            }
        }
        seen = waiting;
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows the events of an object; whether anybody reads them.
async fn show(app: &App, kind: Kind, key: &str, as_json: bool) -> Result<bool, CliError> {
    let Some(object) = app.bucket.read_if_there(key).await? else {
        print_note(&format!("{} was compacted before it could be read", terminal::value(key)));
        return Ok(true);
    };
    let lines = match decompress(&object) {
        Ok(lines) => lines,
        Err(error) => {
            print_note(&format!("{} cannot be read: {error}", terminal::value(key)));
            return Ok(true);
        }
    };
    let mut shown = String::new();
    for line in lines.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(event) => shown.push_str(&if as_json { as_line(kind, event) } else { for_people(kind, &event) }),
            Err(error) => print_note(&format!("{} has a line that is no event: {error}", terminal::value(key))),
        }
    }
    Ok(write_text(&shown))
}

fn time(event: &Value) -> String {
    let time = event["timestamp"].as_i64().and_then(DateTime::from_timestamp_micros);
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}

/// As it was sent, but for the key, of which only the hash is kept.
fn as_line(kind: Kind, mut event: Value) -> String {
    event["timestamp"] = json!(time(&event));
    event["kind"] = json!(kind.as_str());
    format!("{}\n", terminal::json(&event.to_string()))
}

fn for_people(kind: Kind, event: &Value) -> String {
    let what = match kind {
        Kind::Exposures => format!("exposure  {}  {}", text(event, "/anonymous_id"), assignment(event, "/variant")),
        Kind::Rewards => {
            format!("reward    {}  {} {}", text(event, "/anonymous_id"), text(event, "/name"), text(event, "/value"))
        }
    };
    let optimization = text(event, "/optimization_id");
    let of = if optimization.is_empty() { String::new() } else { format!("  ({optimization})") };
    format!("{}  {what}{of}\n", time(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_that_no_terminal_obeys() {
        let reward = json!({"anonymous_id": "v\u{1b}[2J", "timestamp": 1_000_000, "name": "signup", "value": 2.5});
        assert_eq!(for_people(Kind::Rewards, &reward), "1970-01-01T00:00:01Z  reward    v\\u{1b}[2J  signup 2.5\n");
        let exposure = json!({"anonymous_id": "v", "timestamp": 1, "variant": {"a": "x"}, "optimization_id": "o"});
        assert_eq!(for_people(Kind::Exposures, &exposure), "1970-01-01T00:00:00.000001Z  exposure  v  a=x  (o)\n");
        let line: Value = serde_json::from_str(&as_line(Kind::Rewards, reward)).unwrap();
        assert_eq!((&line["kind"], &line["anonymous_id"]), (&json!("rewards"), &json!("v\u{1b}[2J")));
    }
}
