//! `fulcrum demo`: the whole way from events to a trained model, with the truth beside it.

mod evaluation;
mod events;
mod files;
mod ids;
mod live;
mod report;
mod serving;
mod truth;

use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use chrono::{TimeDelta, Timelike as _};
use fulcrum_core::config::Endpoints;
use fulcrum_core::domain::parse_uuid;
use fulcrum_core::store::snapshots_prefix;
use indicatif::{ProgressBar, ProgressStyle};
use lambda_http::http::Method;
use serde_json::{Value, json};

use crate::answers::text;
use crate::args::DemoArgs;
use crate::client::Client;
use crate::error::CliError;
use crate::local::command::shutdown;
use crate::local::{Local, Settings};
use crate::logging;
use crate::screen::{Screen, print_text};
use crate::signals::stop_signal;

/// The port where none is named and it is free.
const PORT: u16 = 3000;

/// Per cent of visitors who see the page as it was, so that there is something to measure against.
const HOLDOUT: f64 = 10.0;

/// Runs the demonstration.
///
/// # Errors
/// [`CliError`]; [`CliError::Stopped`] where a signal ends it before all is shown, and [`CliError::WrongBest`] where it is to
/// end and the model did not find the best variant.
pub(crate) async fn run(args: DemoArgs) -> Result<(), CliError> {
    logging::init(logging::warnings())?;
    let screen = Screen::stdout();
    let local = if args.live { live::start(args.port).await? } else { start(args.port).await? };
    let stop = stop_signal()?;
    let shown =
        async { if args.live { live::show(screen, &local, &args).await } else { show(screen, &local, &args).await } };
    let found = tokio::select! {
        found = shown => found,
        () = stop => Err(CliError::Stopped),
    };
    if found.is_ok() && !args.exit {
        // Listening begins before anybody is told to press it.
        let stop = stop_signal()?;
        print_text(&format!(
            "\n{}\n{}",
            screen.heading("In a browser; the link signs you in, once and within 10 minutes"),
            local.console()?
        ));
        print_text("\nThe service keeps running until you press Ctrl-C; then everything is gone.");
        stop.await;
    }
    shutdown(local).await?;
    if found? || !args.exit { Ok(()) } else { Err(CliError::WrongBest) }
}

/// What the service of a demonstration is.
fn settings(port: u16, events: bool) -> Settings {
    Settings {
        address: IpAddr::from([127, 0, 0, 1]),
        hosts: Vec::new(),
        port,
        data: None,
        organization: "org_demo".to_owned(),
        endpoints: Endpoints::default(),
        table: "fulcrum".to_owned(),
        bucket: "fulcrum".to_owned(),
        lease: TimeDelta::seconds(60),
        examples: false,
        events,
        issuer: None,
    }
}

async fn start(port: Option<u16>) -> Result<Local, CliError> {
    // This demonstration shows the call that trains; the event would train the same snapshot at the same moment.
    match (port, Local::start(settings(port.unwrap_or(PORT), false)).await) {
        (None, Err(CliError::Listen { .. })) => Local::start(settings(0, false)).await,
        (_, started) => started,
    }
}

/// Makes data and model, trains, and tells; whether the model's best variant is the true best.
async fn show(screen: Screen, local: &Local, args: &DemoArgs) -> Result<bool, CliError> {
    let client = Client::new(&local.env.url, &local.env.api_key)?;
    let body = json!({
        "name": "Landing page", "model_type": "cmab", "holdout_percentage": HOLDOUT, "training_data_config": truth::config(),
    });
    let made = send(&client, Method::POST, "/api/v2/optimizations", Some(&body)).await?;
    let (id, optimization) = (text(&made, "/model_id"), text(&made, "/id"));
    print_text(&format!(
        "A landing page with {} variants and {} kinds of visitors; model {id} at {}.",
        truth::variants(),
        truth::contexts(),
        local.env.url
    ));
    let (exposures, rewards) = upload(local, &optimization, args).await?;
    print_text(&format!("{exposures} exposures and {rewards} rewards of {} days are in S3 as Parquet.", events::DAYS));
    let trained = train(&client, &id).await?;
    print_text(&report::training(&trained));
    let state = send(&client, Method::GET, &format!("/api/v2/models/{id}/state"), None).await?;
    print_text(&report::variants(screen, &state));
    print_text(&report::contexts(screen, &state));
    print_text(&report::metrics(screen, &trained));
    print_text(&report::verdict(screen, &state));
    serve(screen, local, &optimization, args, &state).await?;
    if !args.exit {
        let command = std::env::current_exe().unwrap_or_else(|_| "fulcrum".into());
        print_text(&report::by_hand(screen, &local.env.url, [&local.env_file, &command], &id));
    }
    Ok(report::learned_best(&state) == Some(truth::best_overall()))
}

/// Serves visitors, and tells what the policy earns, in truth and as estimated from events that the model has not seen.
async fn serve(
    screen: Screen,
    local: &Local,
    optimization: &str,
    args: &DemoArgs,
    state: &Value,
) -> Result<(), CliError> {
    let id = parse_uuid("optimization_id", optimization)?;
    let served = serving::serve(local.app(), id, args.seed).await?;
    print_text(&serving::shares(screen, state, &served));
    let path = format!("/api/v2/optimizations/{id}/policy");
    let policy = Client::without_token(&local.env.url)?.send(Method::GET, &path, None).await?;
    let unseen = events::Traffic::draw(local.app().clock.now(), args.exposures, !args.seed);
    print_text(&serving::earnings(screen, &served, &evaluation::evaluate(&policy, &unseen)));
    Ok(())
}

async fn send(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
    client.send(method, path, body.map(|body| Bytes::from(body.to_string()))).await
}

/// Draws the traffic and uploads it day by day; the mark of completeness comes last. How many exposures and rewards there are.
async fn upload(local: &Local, optimization: &str, args: &DemoArgs) -> Result<(usize, usize), CliError> {
    let app = local.app();
    let now = app.clock.now();
    let midnight = now - TimeDelta::seconds(i64::from(now.num_seconds_from_midnight()));
    let midnight = midnight.with_nanosecond(0).unwrap_or(midnight);
    let beginning = midnight - TimeDelta::days(i64::from(events::DAYS));
    let traffic = events::Traffic::draw_with(beginning, args.exposures, args.seed, HOLDOUT / 100.0);
    // Ids are hashes: those are taken whose visitors the service shows what the traffic has, so that its checks find the data in order.
    let ids = ids::Untrained::new()?.ids(optimization, &traffic.visitors, HOLDOUT);
    let prefix = snapshots_prefix(&local.env.organization, optimization);
    let prefix = format!("{prefix}{}/", now.format("%Y-%m-%dT%H-%M-%SZ"));
    let bar = ProgressBar::new(u64::from(events::DAYS));
    bar.set_style(style("{msg:24} {wide_bar} {pos}/{len} days"));
    bar.set_message("Writing events to S3");
    for day in 0..events::DAYS {
        let date = (beginning + TimeDelta::days(i64::from(day))).format("%Y-%m-%d");
        let put = async |folder: &str, bytes: Bytes| {
            app.bucket.put(&format!("{prefix}{folder}/dt={date}/part-0.parquet"), ByteStream::from(bytes)).await
        };
        put("exposures", files::exposures(&traffic, &ids, day)?).await?;
        put("rewards", files::rewards(&traffic, &ids, day)?).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    app.bucket.put_new(&format!("{prefix}_SUCCESS"), Bytes::new()).await?;
    Ok((traffic.exposures.len(), traffic.rewards.len()))
}

async fn train(client: &Client, id: &str) -> Result<Value, CliError> {
    let bar = ProgressBar::new_spinner();
    bar.set_style(style("{spinner} {msg} {elapsed_precise}"));
    bar.set_message("Training");
    bar.enable_steady_tick(Duration::from_millis(100));
    let trained = send(client, Method::POST, &format!("/api/v2/models/{id}/train"), Some(&json!({}))).await;
    bar.finish_and_clear();
    trained
}

/// A bar's look. The bar itself shows only on a terminal.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
