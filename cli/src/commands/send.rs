//! `fulcrum events send`: a file of JSON lines, in batches.

use std::io::{BufRead, BufReader};
use std::path::Path;

use events::{EventKey, Kind};
use lambda_http::http::Method;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::delivery::{MOST_BYTES, MOST_EVENTS, deliver};
use crate::error::CliError;
use crate::screen::{print_json, print_note, print_text};
use crate::terminal;

/// Lines that are told one by one where they are not stored.
const TOLD: usize = 10;

/// Events of one kind that wait for others, each with its line.
struct Pending {
    kind: Kind,
    lines: Vec<u64>,
    batch: Vec<String>,
    bytes: usize,
    accepted: u64,
}

impl Pending {
    const fn new(kind: Kind) -> Self {
        Self { kind, lines: Vec::new(), batch: Vec::new(), bytes: 0, accepted: 0 }
    }

    fn is_full_with(&self, event: &str) -> bool {
        self.batch.len() == MOST_EVENTS || (!self.batch.is_empty() && self.bytes + event.len() + 1 > MOST_BYTES)
    }
}

/// What is told in the end.
#[derive(Default)]
struct Told {
    rejected: u64,
    first: Vec<(u64, String)>,
    warnings: u64,
}

impl Told {
    fn reject(&mut self, line: u64, why: String) {
        self.rejected += 1;
        if self.first.len() < TOLD {
            self.first.push((line, why));
        }
    }
}

pub(super) async fn run(client: &Client, file: &Path, flush: bool, as_json: bool) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::file(file, error);
    let mut reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(std::fs::File::open(file).map_err(failed)?))
    };
    let (mut exposures, mut rewards) = (Pending::new(Kind::Exposures), Pending::new(Kind::Rewards));
    let mut told = Told::default();
    let (mut text, mut line) = (String::new(), 0_u64);
    loop {
        text.clear();
        if reader.read_line(&mut text).map_err(failed)? == 0 {
            break;
        }
        line += 1;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            continue;
        }
        match event(trimmed, line) {
            Err(why) => told.reject(line, why),
            Ok((kind, event)) => {
                let pending = if kind == Kind::Exposures { &mut exposures } else { &mut rewards };
                if pending.is_full_with(&event) {
                    send(client, pending, &mut told).await?;
                }
                pending.bytes += event.len() + 1;
                pending.batch.push(event);
                pending.lines.push(line);
            }
        }
    }
    for pending in [&mut exposures, &mut rewards] {
        send(client, pending, &mut told).await?;
    }
    if flush {
        client.send(Method::POST, "/api/v2/ingest/flush", None).await?;
    }
    if as_json {
        print_json(&json!({
            "exposures": exposures.accepted, "rewards": rewards.accepted, "rejected": told.rejected, "warnings": told.warnings,
        }));
    } else {
        print_text(&format!("{} exposures and {} rewards are stored.", exposures.accepted, rewards.accepted));
    }
    let Told { rejected: count, first, .. } = told;
    if count == 0 { Ok(()) } else { Err(CliError::EventsRejected { count, first }) }
}

async fn send(client: &Client, pending: &mut Pending, told: &mut Told) -> Result<(), CliError> {
    if pending.batch.is_empty() {
        return Ok(());
    }
    let delivered = deliver(client, pending.kind, &pending.batch).await?;
    pending.accepted += delivered.accepted as u64;
    for (place, why) in delivered.rejected {
        told.reject(pending.lines.get(place).copied().unwrap_or_default(), why);
    }
    for warning in &delivered.warnings {
        told.warnings += 1;
        print_note(&format!("warning: {}", terminal::value(warning)));
    }
    pending.batch.clear();
    pending.lines.clear();
    pending.bytes = 0;
    Ok(())
}

/// An event of a line, with a key; what is wrong with it where it is none.
fn event(text: &str, line: u64) -> Result<(Kind, String), String> {
    let mut event: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| format!("it is no object of JSON: {e}"))?;
    let kind = match (event.contains_key("variant"), event.contains_key("name")) {
        (true, false) => Kind::Exposures,
        (false, true) => Kind::Rewards,
        (true, true) => return Err("it has a variant, as exposures have, and a name, as rewards have".to_owned()),
        (false, false) => {
            return Err("it has neither a variant, as exposures have, nor a name, as rewards have".to_owned());
        }
    };
    if event.get("idempotency_key").is_none_or(Value::is_null) {
        let key = EventKey::of_place(kind, text, usize::try_from(line).unwrap_or(usize::MAX)).hex();
        event.insert("idempotency_key".to_owned(), json!(format!("line-{key}")));
    }
    Ok((kind, Value::Object(event).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_exposure_or_a_reward_and_has_a_key_of_its_own() {
        let key = |text: &str, line| {
            let event: Value = serde_json::from_str(&event(text, line).unwrap().1).unwrap();
            event["idempotency_key"].as_str().unwrap().to_owned()
        };
        let reward = r#"{"anonymous_id": "v", "name": "signup"}"#;
        assert_eq!(event(reward, 1).unwrap().0, Kind::Rewards);
        assert_eq!(event(r#"{"variant": {}}"#, 1).unwrap().0, Kind::Exposures);
        assert_eq!(key(reward, 1), key(reward, 1));
        assert_ne!(key(reward, 1), key(reward, 2));
        assert_eq!(key(r#"{"name": "x", "idempotency_key": "mine"}"#, 1), "mine");
        for (text, why) in [
            ("{", "no object of JSON"),
            ("[1]", "no object of JSON"),
            ("{}", "neither a variant"),
            (r#"{"variant": {}, "name": "x"}"#, "and a name"),
        ] {
            assert!(event(text, 1).unwrap_err().contains(why), "{text}");
        }
    }
}
