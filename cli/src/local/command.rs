//! `fulcrum local`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use fulcrum_core::App;
use fulcrum_core::auth::Issuer;
use fulcrum_core::config::{Endpoints, visitor_ids};
use fulcrum_core::notifications::Notifications;
use tracing::Level;

use super::service::{Local, Settings, default_data_folder};
use super::webhook::Webhook;
use crate::args::LocalArgs;
use crate::error::CliError;
use crate::logging;
use crate::screen::{Screen, print_note, print_text};
use crate::signals::stop_signal;

pub(crate) async fn run(args: LocalArgs) -> Result<(), CliError> {
    // One line per request, and whatever is worth a warning.
    let ours = ["fulcrum", "fulcrum_core", "retrain"].map(|name| (name, Level::INFO));
    logging::init(logging::warnings().with_targets(ours))?;
    keep_files_private();
    let data = match (args.ephemeral, args.data) {
        (true, _) => None,
        (false, Some(folder)) => Some(folder),
        (false, None) => Some(default_data_folder().ok_or_else(|| {
            CliError::file(
                PathBuf::from("~/.local/share/fulcrum"),
                "there is no home folder; choose a folder with --data, or use --ephemeral",
            )
        })?),
    };
    let kept = data.is_some();
    let visitor_ids = visitor_ids(std::env::var("HASH_IDS").ok().as_deref())?;
    let settings = Settings {
        address: args.address,
        hosts: args.allow_host,
        port: args.port,
        data,
        organization: args.organization,
        endpoints: Endpoints::from_env(),
        table: args.table,
        bucket: args.bucket,
        lease: TimeDelta::seconds(args.training_lease),
        examples: args.with_examples,
        // An example that waits to be trained has to go on waiting.
        events: !args.with_examples,
        issuer: Issuer::from_env()?,
    };
    let notifications = match args.webhook {
        Some(url) => Notifications::to(Arc::new(Webhook::new(&url)?)),
        None => Notifications::default(),
    };
    let local = Local::start_with(settings, |app| App { visitor_ids, notifications, ..app }).await?;
    // Listening for signals begins before anybody is told that the service is up.
    let stop = stop_signal()?;
    print_text(&greeting(&local, &local.console()?, kept));
    if !args.address.is_loopback() {
        print_note(&opened(args.address));
    }
    stop.await;
    tracing::info!("stopping");
    shutdown(local).await
}

/// From here on only the owner may read what this process writes.
#[cfg(unix)]
fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

#[cfg(not(unix))]
fn keep_files_private() {}

/// Stops a service. Whoever asks for that a second time does not want to wait.
pub(crate) async fn shutdown(local: Local) -> Result<(), CliError> {
    tokio::select! {
        () = local.shutdown() => Ok(()),
        () = stop_signal()? => Ok(()),
    }
}

/// What an address that others can reach opens to them.
fn opened(address: IpAddr) -> String {
    format!(
        "warning: listening on {address}: everyone who can reach this machine there can reach the API and both stores. Serving \
         takes no token; everything else takes an API key or the key pair in local.env, sent unencrypted."
    )
}

fn greeting(local: &Local, console: &str, kept: bool) -> String {
    let screen = Screen::stdout();
    let env = &local.env;
    let line = |name: &str, value: &str| format!("{}  {value}\n", screen.heading(&format!("{name:12}")));
    let mut text = screen.heading("Fulcrum is up.");
    text.push('\n');
    text.push_str(&line("URL", &env.url));
    text.push_str(&line("Console", console));
    text.push_str(&line("API key", &env.api_key));
    text.push_str(&line("Organization", &env.organization));
    text.push_str(&line("DynamoDB", &env.store.dynamodb));
    text.push_str(&line("S3", &env.store.s3));
    text.push_str(&line("Environment", &local.env_file.display().to_string()));
    text.push_str(if kept { "" } else { "No data is kept: everything is gone when this process ends.\n" });
    text.push_str("Ctrl-C stops it.\n");
    text
}
