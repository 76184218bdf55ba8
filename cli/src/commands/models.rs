//! `fulcrum models`: a client of the API.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use lambda_http::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{state, versions};
use crate::answers::{assignment, facts, list, number, skipped, text, warnings};
use crate::args::{ModelsCommand, ServiceArgs};
use crate::client::Client;
use crate::error::CliError;
use crate::screen::{Screen, Table, print_json, print_note, print_text};

pub(crate) async fn run(command: ModelsCommand) -> Result<(), CliError> {
    let screen = Screen::stdout();
    match command {
        ModelsCommand::List { include_archived, service } => list_all(screen, include_archived, &service).await,
        ModelsCommand::Show { id, service } => {
            call(&service, Method::GET, &path(id, ""), None, |m| shown(screen, m)).await
        }
        ModelsCommand::State { id, service } => {
            let lists = ["variants", "contexts", "factors", "interactions"];
            print_answer(&service, &pages(&service, &path(id, "/state"), &lists, false).await?, |s| {
                state::shown(screen, s)
            });
            Ok(())
        }
        ModelsCommand::Create { file, service } => {
            create(&service, "/api/v2/models", read(&file)?, |m| shown(screen, m)).await
        }
        ModelsCommand::Train { id, bias, no_wait, service } => {
            let bias: Map<String, Value> = bias.into_iter().map(|(name, value)| (name, json!(value))).collect();
            let body = if bias.is_empty() { json!({}) } else { json!({"bias": bias}) };
            let answer = train(&service, id, &body, no_wait).await?;
            if service.json {
                print_json(&answer);
            } else if text(&answer, "/status") == "training" {
                print_text(&format!("Model {id} is training; `fulcrum models show {id}` tells when it is done.\n"));
            } else {
                print_text(&trained(screen, &answer));
            }
            Ok(())
        }
        ModelsCommand::Posteriors { id, service } => {
            let all = pages(&service, &path(id, "/posteriors"), &["posteriors"], false).await?;
            print_answer(&service, &all, |all| versions::shown(screen, all));
            Ok(())
        }
        ModelsCommand::Rollback { id, to, service } => {
            let body = Some(Bytes::from(json!({"posterior_version": to}).to_string()));
            call(&service, Method::POST, &path(id, "/rollback"), body, |m| shown(screen, m)).await
        }
        ModelsCommand::Delete { id, service } => {
            call(&service, Method::DELETE, &path(id, ""), None, |m| {
                format!("{} is {}.", text(m, "/id"), text(m, "/status"))
            })
            .await
        }
    }
}

/// Trains a model. The service itself waits for a run that it meets, such as that of a snapshot just completed, for as long as
/// a call may take; beyond that it is asked again under the same key.
async fn train(service: &ServiceArgs, id: Uuid, body: &Value, no_wait: bool) -> Result<Value, CliError> {
    let client = Client::from_args(service)?;
    let client = if no_wait { client.respond_async() } else { client };
    let waiting = format!("Model {id} is being trained already; waiting for that run to end.");
    let mut told = false;
    if !no_wait && client.send(Method::GET, &path(id, ""), None).await?["status"] == "training" {
        print_note(&waiting);
        told = true;
    }
    let again = |error: &CliError| {
        if !std::mem::replace(&mut told, true) {
            match error {
                CliError::Refused { status: 409, .. } => print_note(&waiting),
                lost => note_again(lost),
            }
        }
    };
    client.send_once(&path(id, "/train"), Bytes::from(body.to_string()), again).await
}

/// Says that a request is sent again.
fn note_again(error: &CliError) {
    print_note(&format!("{error}\nAsking again under the same Idempotency-Key, so that nothing is done twice."));
}

/// Creates something, once whatever happens on the way, and prints the answer, for people or as JSON.
pub(super) async fn create(
    service: &ServiceArgs,
    path: &str,
    body: Bytes,
    shown: impl FnOnce(&Value) -> String,
) -> Result<(), CliError> {
    let mut told = false;
    let again = |error: &CliError| {
        if !std::mem::replace(&mut told, true) {
            note_again(error);
        }
    };
    let answer = Client::from_args(service)?.send_once(path, body, again).await?;
    print_answer(service, &answer, shown);
    Ok(())
}

fn path(id: Uuid, rest: &str) -> String {
    format!("/api/v2/models/{id}{rest}")
}

/// Sends a request and prints the answer, for people or as JSON.
pub(super) async fn call(
    service: &ServiceArgs,
    method: Method,
    path: &str,
    body: Option<Bytes>,
    shown: impl FnOnce(&Value) -> String,
) -> Result<(), CliError> {
    let answer = Client::from_args(service)?.send(method, path, body).await?;
    print_answer(service, &answer, shown);
    Ok(())
}

/// Prints an answer, for people or as JSON.
fn print_answer(service: &ServiceArgs, answer: &Value, shown: impl FnOnce(&Value) -> String) {
    if service.json {
        print_json(answer);
    } else {
        print_text(&shown(answer));
    }
}

/// A file's bytes; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Bytes, CliError> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(|e| CliError::file("standard input", e))?;
    } else {
        bytes = std::fs::read(file).map_err(|e| CliError::file(file, e))?;
    }
    Ok(bytes.into())
}

/// All pages of an answer with these lists, in one: it alone can be too large for the gateway.
pub(super) async fn pages(
    service: &ServiceArgs,
    path: &str,
    lists: &[&str],
    include_archived: bool,
) -> Result<Value, CliError> {
    let client = Client::from_args(service)?;
    let mut all: Vec<Vec<Value>> = vec![Vec::new(); lists.len()];
    let mut cursor = String::new();
    loop {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if include_archived {
            query.append_pair("include_archived", "true");
        }
        if !cursor.is_empty() {
            query.append_pair("cursor", &cursor);
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut answer = client.send(Method::GET, &format!("{path}{mark}{query}"), None).await?;
        for (name, entries) in lists.iter().zip(&mut all) {
            entries.extend_from_slice(list(&answer, &format!("/{name}")));
        }
        cursor = answer.pointer("/meta/next_cursor").and_then(Value::as_str).unwrap_or_default().to_owned();
        if cursor.is_empty() {
            for (name, entries) in lists.iter().zip(all) {
                answer[*name] = Value::Array(entries);
            }
            return Ok(answer);
        }
    }
}

async fn list_all(screen: Screen, include_archived: bool, service: &ServiceArgs) -> Result<(), CliError> {
    let answer = pages(service, "/api/v2/models", &["models"], include_archived).await?;
    if service.json {
        print_json(&answer);
        return Ok(());
    }
    let mut table = Table::new(&["id", "type", "status", ">version", "reward", "factors", "updated"]);
    for model in list(&answer, "/models") {
        let factors = list(model, "/training_data_config/design_factors");
        table.row(vec![
            text(model, "/id"),
            text(model, "/model_type"),
            text(model, "/status"),
            text(model, "/posterior_version"),
            text(model, "/training_data_config/reward/name"),
            factors.iter().map(|f| text(f, "/name")).collect::<Vec<_>>().join(" "),
            text(model, "/updated_at"),
        ]);
    }
    print_text(&table.render(screen));
    Ok(())
}

fn shown(screen: Screen, model: &Value) -> String {
    let factors = |list_name: &str| {
        let one = |factor: &Value| {
            let levels =
                list(factor, "/levels").iter().map(|level| text(level, if level.is_object() { "/value" } else { "" }));
            format!("{} ({})", text(factor, "/name"), levels.collect::<Vec<_>>().join(", "))
        };
        let all = list(model, &format!("/training_data_config/{list_name}")).iter().map(one);
        all.collect::<Vec<_>>().join("; ")
    };
    let config = |name: &str| text(model, &format!("/training_data_config/{name}"));
    let error = match text(model, "/last_error/message") {
        message if message.is_empty() => message,
        message => format!("{} at {}: {message}", text(model, "/last_error/code"), text(model, "/last_error/at")),
    };
    let excluded = list(model, "/training_data_config/excluded_combinations");
    let mut pairs = vec![
        ("id", text(model, "/id")),
        ("optimization", text(model, "/optimization_id")),
        ("type", text(model, "/model_type")),
        ("status", text(model, "/status")),
        ("design", factors("design_factors")),
        ("context", factors("context_factors")),
        ("excluded", excluded.iter().map(|e| assignment(e, "")).collect::<Vec<_>>().join("; ")),
        ("reward", format!("{} ({})", config("reward/name"), config("reward/type"))),
        (
            "attribution",
            format!("{} within {} h", config("attribution/type"), config("attribution/conversion_window_hours")),
        ),
        ("learning", learning(model)),
        ("created", text(model, "/created_at")),
        ("updated", text(model, "/updated_at")),
        ("trained", text(model, "/trained_at")),
        ("version", text(model, "/posterior_version")),
        ("snapshot", text(model, "/snapshot_id")),
        ("manifest", text(model, "/snapshot_manifest")),
    ];
    pairs.extend(what_was_read(model));
    pairs.extend(metrics(model));
    pairs.push(("last error", error));
    facts(screen, &pairs)
}

/// What the configuration says of how the model learns and of how it serves, where it does not leave that open.
fn learning(model: &Value) -> String {
    let named = [
        ("distribution", "reward/distribution"),
        ("cap", "reward/cap"),
        ("immature", "attribution/immature"),
        ("unit", "unit"),
        ("strata", "time/strata"),
        ("half-life (days)", "time/half_life_days"),
        ("minimum share", "minimum_share"),
        ("burn-in", "burn_in"),
    ];
    let said = named.iter().filter_map(|(name, pointer)| {
        let value = match model.pointer(&format!("/training_data_config/{pointer}"))? {
            Value::Null => return None,
            Value::Object(parts) => {
                parts.iter().map(|(part, value)| format!("{part} {value}")).collect::<Vec<_>>().join(" ")
            }
            value => text(value, ""),
        };
        Some(format!("{name} {value}"))
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The in-sample metrics, where there are some.
fn metrics(answer: &Value) -> Vec<(&'static str, String)> {
    if answer.pointer("/in_sample_metrics/historic_reward").is_none() {
        return Vec::new();
    }
    let of = |name: &str| number(answer, &format!("/in_sample_metrics/{name}"));
    vec![
        ("historic reward", format!("{:.5}", of("historic_reward"))),
        (
            "expected reward",
            format!(
                "{:.5}  (95 %: {:.5} to {:.5})",
                of("expected_reward/mean"),
                of("expected_reward/ci_lower"),
                of("expected_reward/ci_upper")
            ),
        ),
    ]
}

/// What the last good run read, and what it warned of: a line for each.
fn what_was_read(answer: &Value) -> Vec<(&'static str, String)> {
    if answer.pointer("/observations/exposures").is_none() {
        return Vec::new();
    }
    let mut pairs = vec![
        ("exposures", text(answer, "/observations/exposures")),
        ("rewards", text(answer, "/observations/rewards")),
        ("attributed", text(answer, "/observations/attributed_rewards")),
        ("skipped", skipped(answer, "/observations/skipped")),
    ];
    pairs.extend(warnings(answer));
    pairs
}

fn trained(screen: Screen, answer: &Value) -> String {
    let mut pairs = vec![
        ("model", text(answer, "/model_id")),
        ("status", text(answer, "/status")),
        ("version", text(answer, "/posterior_version")),
        ("snapshot", text(answer, "/snapshot_id")),
    ];
    pairs.extend(what_was_read(answer));
    pairs.extend(metrics(answer));
    if answer["joined"] == true {
        pairs.push(("joined", "the run that was going on".to_owned()));
    }
    pairs.push(("took", format!("{} ms", text(answer, "/duration_ms"))));
    facts(screen, &pairs)
}
