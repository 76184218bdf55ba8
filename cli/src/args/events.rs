//! The command line of events.

use std::path::PathBuf;

use clap::Subcommand;

use super::service::{OrganizationArgs, ServiceArgs};

/// `fulcrum events`.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Send a file of JSON lines, exposures (with a variant) and rewards (with a name), in batches and again until they are taken.
    ///
    /// A line without an idempotency_key gets one of its number and text, so that the same file sent twice counts once. Status 1 where a
    /// line is not stored.
    Send {
        /// The file; - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Then have the events compacted and published at once.
        #[arg(long)]
        flush: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show the events that came in and wait for compaction, and then those that come.
    ///
    /// It looks into the bucket four times a second. What is compacted between two looks is not shown.
    Tail {
        /// Show what waits now, and end.
        #[arg(long)]
        no_follow: bool,
        /// The bucket.
        #[arg(long, env = "BUCKET_NAME")]
        bucket: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
}
