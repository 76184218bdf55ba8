//! The command `fulcrum`: the service on this machine, a demonstration of it, and a client of its API.

mod answers;
mod api_keys;
pub mod args;
pub mod client;
mod commands;
mod delivery;
mod demo;
pub mod error;
pub mod local;
mod logging;
mod screen;
mod shell;
mod signals;
mod terminal;

use std::process::ExitCode;

use args::{Args, Command};

pub use error::CliError;

/// Runs the command. Errors go to standard error, with exit status 1.
pub async fn run(args: Args) -> ExitCode {
    let ended = match args.command {
        Command::Demo(demo) => Box::pin(demo::run(demo)).await,
        Command::Local(local) => Box::pin(local::command::run(local)).await,
        Command::Models(models) => commands::models::run(models).await,
        Command::Optimizations(optimizations) => commands::optimizations::run(optimizations).await,
        Command::Results(results) => commands::results::run(results).await,
        Command::Evaluate(evaluate) => commands::evaluate::run(evaluate).await,
        Command::Report(report) => commands::report::run(report).await,
        Command::Serve(serve) => commands::optimizations::serve(serve).await,
        Command::Snapshots(snapshots) => commands::snapshots::run(snapshots).await,
        Command::Events(events) => commands::events::run(events).await,
        Command::Keys(keys) => commands::keys::run(keys).await,
        Command::Openapi => {
            screen::print_text(&fulcrum_core::openapi::text());
            Ok(())
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::print_error(&error);
            ExitCode::FAILURE
        }
    }
}
