//! The command `fulcrum`; see the library of this package.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(fulcrum::run(fulcrum::args::Args::parse())).await
}
