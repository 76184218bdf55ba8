//! `fulcrum optimizations` and `fulcrum serve`: a client of the API.

use bytes::Bytes;
use lambda_http::http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::models::{call, create, pages, read};
use crate::answers::{assignment, facts, list, number, text};
use crate::args::{OptimizationsCommand, ServeArgs, ServiceArgs};
use crate::client::Client;
use crate::error::CliError;
use crate::screen::{Screen, Table, percent, print_json, print_text};

const PATH: &str = "/api/v2/optimizations";

pub(crate) async fn run(command: OptimizationsCommand) -> Result<(), CliError> {
    let screen = Screen::stdout();
    let one = |id: Uuid| format!("{PATH}/{id}");
    let answer = async |service: &ServiceArgs, method, path: &str, body: Option<Value>| {
        let body = body.map(|body| Bytes::from(body.to_string()));
        call(service, method, path, body, |o| shown(screen, o)).await
    };
    match command {
        OptimizationsCommand::List { include_archived, service } => {
            let all = pages(&service, PATH, &["optimizations"], include_archived).await?;
            if service.json {
                print_json(&all);
            } else {
                print_text(&table(screen, &all));
            }
            Ok(())
        }
        OptimizationsCommand::Show { id, service } => answer(&service, Method::GET, &one(id), None).await,
        OptimizationsCommand::History { id, service } => {
            let all = pages(&service, &format!("{}/history", one(id)), &["history"], false).await?;
            if service.json {
                print_json(&all);
            } else {
                print_text(&history(screen, &all));
            }
            Ok(())
        }
        OptimizationsCommand::Create { file, service } => {
            create(&service, PATH, read(&file)?, |o| shown(screen, o)).await
        }
        OptimizationsCommand::Update { id, name, status, service } => {
            let given = [("name", name), ("status", status)];
            let changes = given.into_iter().filter_map(|(field, value)| Some((field.to_owned(), json!(value?))));
            let body = Value::Object(changes.collect::<Map<_, _>>());
            answer(&service, Method::PATCH, &one(id), Some(body)).await
        }
    }
}

fn table(screen: Screen, answer: &Value) -> String {
    let mut table = Table::new(&[
        "id",
        "name",
        "status",
        ">holdout",
        "model",
        "model status",
        ">lift",
        ">confidence",
        ">exposures",
        "updated",
    ]);
    for optimization in list(answer, "/optimizations") {
        table.row(vec![
            text(optimization, "/id"),
            text(optimization, "/name"),
            text(optimization, "/status"),
            format!("{} %", number(optimization, "/holdout_percentage")),
            text(optimization, "/model_id"),
            text(optimization, "/model_status"),
            of_summary(optimization, "lift", |lift| format!("{lift:+.1} %")),
            of_summary(optimization, "confidence", percent),
            text(optimization, "/summary/exposures"),
            text(optimization, "/updated_at"),
        ]);
    }
    table.render(screen)
}

fn history(screen: Screen, answer: &Value) -> String {
    let mut table = Table::new(&["at", "what", "who", "before", "after"]);
    for change in list(answer, "/history") {
        let who = match text(change, "/who/kind").as_str() {
            "api_key" => format!("key {}", text(change, "/who/id")),
            "token" => {
                format!("token of {}", change.pointer("/who/subject").and_then(Value::as_str).unwrap_or("nobody"))
            }
            kind => kind.to_owned(),
        };
        let aspects = |side: &str| {
            let of = |path: &str| change.pointer(&format!("/{side}{path}")).and_then(Value::as_str);
            let served = change.pointer(&format!("/{side}/served")).map(|served| {
                if served["model_id"].is_null() {
                    return "no model".to_owned();
                }
                format!("version {} ({})", text(served, "/posterior_version"), text(served, "/allocation"))
            });
            let parts = [of("/name").map(|name| format!("{name:?}")), of("/status").map(str::to_owned), served];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        };
        table.row(vec![text(change, "/at"), text(change, "/what"), who, aspects("before"), aspects("after")]);
    }
    table.render(screen)
}

/// A number of the summary; empty where there is none yet.
fn of_summary(optimization: &Value, name: &str, shown: impl Fn(f64) -> String) -> String {
    optimization.pointer(&format!("/summary/{name}")).and_then(Value::as_f64).map(shown).unwrap_or_default()
}

fn shown(screen: Screen, optimization: &Value) -> String {
    facts(
        screen,
        &[
            ("id", text(optimization, "/id")),
            ("name", text(optimization, "/name")),
            ("status", text(optimization, "/status")),
            ("holdout", format!("{} %", number(optimization, "/holdout_percentage"))),
            ("model", text(optimization, "/model_id")),
            ("model status", text(optimization, "/model_status")),
            ("reward metric", text(optimization, "/reward_metric_id")),
            ("created", text(optimization, "/created_at")),
            ("updated", text(optimization, "/updated_at")),
        ],
    )
}

/// `fulcrum serve`.
pub(crate) async fn serve(args: ServeArgs) -> Result<(), CliError> {
    let context: Map<String, Value> = args.context.into_iter().map(|(name, level)| (name, json!(level))).collect();
    let body = json!({"anonymous_id": args.anonymous_id, "context": context});
    let path = format!("{PATH}/{}/serve", args.id);
    let decision =
        Client::without_token(&args.url)?.send(Method::POST, &path, Some(Bytes::from(body.to_string()))).await?;
    if args.json {
        print_json(&decision);
        return Ok(());
    }
    let holdout = if decision["holdout"] == json!(true) { "yes" } else { "no" };
    print_text(&facts(
        Screen::stdout(),
        &[
            ("variant", assignment(&decision, "/variant")),
            ("index", text(&decision, "/variant_index")),
            ("propensity", percent(number(&decision, "/propensity"))),
            ("holdout", holdout.to_owned()),
            ("version", text(&decision, "/posterior_version")),
            ("model", text(&decision, "/model_id")),
        ],
    ));
    Ok(())
}
