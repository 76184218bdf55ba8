//! What the figures of the documentation are made with: `cargo run --release -p benches -- <bench>`.
//!
//! Every bench is a function of its options; figures that take long are kept under `benches/results/` and pictures under
//! `docs/pictures/`, both below the directory it is run in.

mod calibration;
mod clock;
mod draw;
mod error;
mod files;
mod pool;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::Error;

/// The benches of Fulcrum.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
    /// Where figures are kept.
    #[arg(long, global = true, default_value = "benches/results")]
    results: PathBuf,
    /// Origin of all randomness.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Threads of the simulations.
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
}

#[derive(Subcommand)]
enum Bench {
    /// Simulation-based calibration: how often intervals hold the truth.
    Calibration {
        /// Data sets per model.
        #[arg(long, default_value_t = 500)]
        data_sets: usize,
        /// Only this model: mab-bool, mab-numeric, cmab-bool or cmab-numeric.
        #[arg(long)]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    let Arguments { bench, results, seed, threads } = Arguments::parse();
    let done: Result<(), Error> = match bench {
        Bench::Calibration { data_sets, only } => {
            calibration::run(&calibration::Options { data_sets, seed, threads, only }, &results)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
