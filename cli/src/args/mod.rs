//! The command line.

mod events;
mod local;
mod models;
mod optimizations;
mod service;
mod stores;

use clap::{Parser, Subcommand};

pub use events::EventsCommand;
pub use local::{DemoArgs, LocalArgs};
pub use models::ModelsCommand;
pub use optimizations::{EvaluateArgs, OptimizationsCommand, ReportArgs, ResultsArgs, ServeArgs};
pub use service::{OrganizationArgs, ServiceArgs};
pub use stores::{KeysCommand, SnapshotsCommand};

/// Bandit models that learn which variant converts best, in which context.
#[derive(Debug, Parser)]
#[command(name = "fulcrum", version, about, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work: a model trained on simulated traffic of a landing page, shown beside the truth.
    Demo(DemoArgs),
    /// Run the whole service on this machine, including its stores.
    Local(LocalArgs),
    /// Create, show, train and delete models through the API.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Create, show and update optimizations through the API.
    #[command(subcommand)]
    Optimizations(OptimizationsCommand),
    /// Show what happened in an optimization: measured lift, by context and by variant.
    Results(ResultsArgs),
    /// Ask what another policy would have earned on what was logged.
    Evaluate(EvaluateArgs),
    /// Write a report of an optimization: a page that needs nothing else, Markdown, or JSON.
    Report(ReportArgs),
    /// Ask which variant a visitor is served.
    Serve(ServeArgs),
    /// Upload observation snapshots to the bucket, and list them.
    #[command(subcommand)]
    Snapshots(SnapshotsCommand),
    /// Send exposures and rewards, and watch them come in.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Create, list and revoke API keys in the table.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the description of the API, OpenAPI 3.1.
    Openapi,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
