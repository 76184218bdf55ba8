//! `fulcrum report`: what happened in an optimization, as a page that needs nothing else, as Markdown, or as JSON. Sentences and
//! verdict are the service's own findings; nothing is claimed here that is not there.

mod content;
mod document;
mod figures;
mod html;
mod markdown;
mod svg;

use std::path::Path;

use lambda_http::http::Method;
use serde_json::{Value, json};

use crate::args::ReportArgs;
use crate::client::Client;
use crate::error::CliError;
use crate::screen::{print_note, print_text};

/// Everything that a report is made of; what does not exist yet is null.
struct Sources {
    optimization: Value,
    model: Value,
    results: Value,
    state: Value,
    posteriors: Value,
}

pub(crate) async fn run(args: ReportArgs) -> Result<(), CliError> {
    let client = Client::from_args(&args.service)?;
    let sources = Sources::load(&client, &format!("/api/v2/optimizations/{}", args.id)).await?;
    let text = if args.service.json {
        format!("{:#}\n", sources.json())
    } else {
        let document = content::document(&sources);
        if args.markdown { markdown::render(&document) } else { html::render(&document) }
    };
    if let Some(path) = args.out {
        return write(&path, &text);
    }
    print_text(&text);
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|error| CliError::file(path, error))?;
    print_note(&format!("Written to {}.", path.display()));
    Ok(())
}

impl Sources {
    async fn load(client: &Client, path: &str) -> Result<Self, CliError> {
        let get = async |path: &str| client.send(Method::GET, path, None).await;
        // 404 and 409 say that there is none yet.
        let or_null = async |path: String| match get(&path).await {
            Err(CliError::Refused { status: 404 | 409, .. }) => Ok(Value::Null),
            answer => answer,
        };
        let optimization = get(path).await?;
        let results = or_null(format!("{path}/results")).await?;
        let [mut model, mut state, mut posteriors] = [Value::Null, Value::Null, Value::Null];
        if let Some(id) = optimization["model_id"].as_str() {
            model = or_null(format!("/api/v2/models/{id}")).await?;
            state = or_null(format!("/api/v2/models/{id}/state")).await?;
            posteriors = or_null(format!("/api/v2/models/{id}/posteriors")).await?;
        }
        Ok(Self { optimization, model, results, state, posteriors })
    }

    fn json(&self) -> Value {
        let mut all = json!({
            "optimization": self.optimization, "findings": self.results.get("findings"), "model": self.model,
            "results": self.results, "state": self.state, "posteriors": self.posteriors.get("posteriors"),
        });
        for part in ["optimization", "model", "results", "state"] {
            if let Some(part) = all[part].as_object_mut() {
                part.remove("meta");
            }
        }
        all
    }
}
