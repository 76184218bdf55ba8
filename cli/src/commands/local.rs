//! `fulcrum local`.

use std::path::PathBuf;

use chrono::TimeDelta;
use fulcrum_core::auth::Issuer;
use fulcrum_core::config::Endpoints;
use tokio::signal;
use tracing::Level;

use crate::args::LocalArgs;
use crate::error::CliError;
use crate::local::{Local, Settings, default_data_folder};
use crate::logging;
use crate::screen::{Screen, say};

pub(crate) async fn run(args: LocalArgs) -> Result<(), CliError> {
    // One line per request, and whatever is worth a warning.
    let ours = ["fulcrum", "fulcrum_core", "retrain"].map(|name| (name, Level::INFO));
    logging::init(logging::warnings().with_targets(ours))?;
    let data = match (args.ephemeral, args.data) {
        (true, _) => None,
        (false, Some(folder)) => Some(folder),
        (false, None) => Some(default_data_folder().ok_or_else(|| {
            CliError::file(
                PathBuf::from("~/.local/share/fulcrum"),
                "there is no home folder; name one with --data, or use --ephemeral",
            )
        })?),
    };
    let kept = data.is_some();
    let local = Local::start(Settings {
        address: args.address,
        port: args.port,
        data,
        organization: args.organization,
        endpoints: Endpoints::from_env(),
        table: args.table,
        bucket: args.bucket,
        lease: TimeDelta::seconds(args.training_lease),
        examples: args.with_examples,
        // An example that waits to be trained shall wait.
        events: !args.with_examples,
        issuer: Issuer::from_env()?,
    })
    .await?;
    // Listening for signals begins before anybody is told that the service is up.
    let stop = stop_signal()?;
    say(&greeting(&local, kept));
    stop.await;
    tracing::info!("stopping");
    shutdown(local).await
}

/// Stops a service. Whoever asks for that a second time does not want to wait.
pub(crate) async fn shutdown(local: Local) -> Result<(), CliError> {
    tokio::select! {
        () = local.shutdown() => Ok(()),
        () = stop_signal()? => Ok(()),
    }
}

fn greeting(local: &Local, kept: bool) -> String {
    let screen = Screen::stdout();
    let env = &local.env;
    let line = |name: &str, value: &str| format!("{}  {value}\n", screen.heading(&format!("{name:12}")));
    let mut text = screen.heading("Fulcrum is up.");
    text.push('\n');
    text.push_str(&line("URL", &env.url));
    text.push_str(&line("API key", &env.api_key));
    text.push_str(&line("Organization", &env.organization));
    text.push_str(&line("DynamoDB", &env.store.dynamodb));
    text.push_str(&line("S3", &env.store.s3));
    text.push_str(&line("Environment", &local.env_file.display().to_string()));
    text.push_str(if kept { "" } else { "Nothing is kept: all data ends with this process.\n" });
    text.push_str("Ctrl-C stops it.\n");
    text
}

/// Ends with Ctrl-C, or with SIGTERM where there is such a thing.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, CliError> {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate()).map_err(CliError::Signal)?;
    #[cfg(unix)]
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt()).map_err(CliError::Signal)?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = signal::ctrl_c().await;
    })
}
