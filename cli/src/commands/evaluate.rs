//! `fulcrum evaluate`: what another policy would have earned.

use bytes::Bytes;
use lambda_http::http::Method;
use serde_json::{Map, Value, json};

use super::models::{call, read};
use super::off_policy;
use crate::args::EvaluateArgs;
use crate::error::CliError;
use crate::screen::Screen;

pub(crate) async fn run(args: EvaluateArgs) -> Result<(), CliError> {
    let screen = Screen::stdout();
    let path = format!("/api/v2/optimizations/{}/evaluate", args.id);
    let body = match &args.file {
        Some(file) => read(file)?,
        None => Bytes::from(json!({"policies": policies(&args)}).to_string()),
    };
    call(&args.service, Method::POST, &path, Some(body), |answer| shown(screen, answer)).await
}

/// The policies that the options name, in the order in which they are listed in the help.
fn policies(args: &EvaluateArgs) -> Vec<Value> {
    let mut policies: Vec<Value> =
        args.posterior_version.iter().map(|version| json!({"posterior_version": version})).collect();
    policies.extend(args.uniform.then(|| json!({"uniform": true})));
    let variant: Map<String, Value> = args.variant.iter().map(|(name, level)| (name.clone(), json!(level))).collect();
    policies.extend((!variant.is_empty()).then(|| json!({"variant": variant})));
    policies
}

fn shown(screen: Screen, answer: &Value) -> String {
    let log = answer.get("log").map(|log| off_policy::log(screen, log)).unwrap_or_default();
    let table = off_policy::table(off_policy::policies(answer)).map(|table| table.render(screen)).unwrap_or_default();
    format!("{log}\n{table}")
}
