//! What the figures of the documentation are made with: `cargo run --release -p benches -- <bench>`.
//!
//! Every bench is a function of its options; figures that take long are kept under `benches/results/` and pictures under
//! `docs/pictures/`, both below the directory it is run in.

mod batches;
mod calibration;
mod clock;
mod cold;
mod compaction;
mod costs;
mod draw;
mod error;
mod files;
mod ingest;
mod pictures;
mod pool;
mod regret;
mod serve;

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
        /// Instead: fixed effects of sd 0 to 0.4 under ten batches of which the bandit decides, of a bool mab.
        #[arg(long)]
        adaptive: bool,
    },
    /// A mab where base rates move, and of revenue: regret and coverage, pooled and by strata.
    Drift {
        /// Runs of each world.
        #[arg(long, default_value_t = 200)]
        runs: u64,
        /// Batches between two trainings.
        #[arg(long, default_value_t = 1)]
        every: usize,
    },
    /// What the coverage of a bool mab owes to each of the numbers that it takes from the data.
    Arms {
        /// Data sets.
        #[arg(long, default_value_t = 500)]
        data_sets: usize,
    },
    /// Online simulation: what learning costs, beside yardsticks. Runs that are in the results are not run again.
    Regret {
        /// Only these worlds; all ten by default, of which the first four have bounds.
        #[arg(long, value_delimiter = ',')]
        world: Vec<String>,
        /// Only these policies, and uniform serving; all by default.
        #[arg(long, value_delimiter = ',')]
        policy: Vec<String>,
        /// Seeds, from `--seed` on.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// Rounds.
        #[arg(long, default_value_t = 20_000)]
        rounds: usize,
        /// Rounds between two trainings, up to 20,000.
        #[arg(long, default_value_t = 1_000)]
        every: usize,
        /// Rounds between two trainings after that.
        #[arg(long, default_value_t = 4_000)]
        later: usize,
    },
    /// What a fit costs, from 24 to 1,999 columns.
    Fit {
        /// Only the cases of this name: small, hundred or largest.
        #[arg(long)]
        only: Option<String>,
    },
    /// What a decision costs, against the hash of the ids alone.
    Decide,
    /// What serving costs end to end over loopback, against a handler that returns a constant. Fails where it costs too much.
    Serve {
        /// Requests for each path and number of connections.
        #[arg(long, default_value_t = 40_000)]
        requests: usize,
    },
    /// What ingestion costs: batches of 500 exposures end to end, and requests at a steady rate beside S3 puts of their bytes.
    Ingest {
        /// Requests of 500 exposures.
        #[arg(long, default_value_t = 6_000)]
        requests: usize,
        /// Seconds at 100 requests a second.
        #[arg(long, default_value_t = 30)]
        seconds: u32,
    },
    /// What compaction costs on one core, and the most memory that it takes.
    Compaction {
        /// Events that wait.
        #[arg(long, default_value_t = 10_000_000)]
        events: usize,
    },
    /// What a cold start of each built function costs, under AWS's emulator, beside a function that only says hello.
    ColdStart {
        /// The emulator: aws-lambda-rie, out of the PyPI package aws-sam-cli.
        #[arg(long, env = "AWS_LAMBDA_RIE")]
        emulator: PathBuf,
        /// Where `cargo lambda build` puts functions.
        #[arg(long, default_value = "target/lambda")]
        functions: PathBuf,
        /// Starts of each function.
        #[arg(long, default_value_t = 20)]
        starts: usize,
        /// Fail where the median of a function is so many milliseconds over that of hello-world.
        #[arg(long)]
        at_most_over: Option<f64>,
    },
    /// Draws the pictures of the documentation from the results, and from a simulation of four weeks.
    Pictures {
        /// Where they go.
        #[arg(long, default_value = "docs/pictures")]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let Arguments { bench, results, seed, threads } = Arguments::parse();
    let done: Result<(), Error> = match bench {
        Bench::Calibration { data_sets, adaptive: true, .. } => {
            batches::adaptive(&batches::Options { seed, runs: data_sets as u64, every: 1, threads })
        }
        Bench::Drift { runs, every } => batches::drift(&batches::Options { seed, runs, every, threads }),
        Bench::Calibration { data_sets, only, .. } => {
            calibration::run(&calibration::Options { data_sets, seed, threads, only }, &results)
        }
        Bench::Arms { data_sets } => calibration::explain(data_sets, seed),
        Bench::Regret { world, policy, seeds, rounds, every, later } => {
            let schedule = regret::Schedule { rounds, every, later };
            let options = regret::Options { worlds: world, policies: policy, first: seed, seeds, schedule, threads };
            regret::run(&options, &results)
        }
        Bench::Fit { only } => costs::fits(seed, only.as_deref()),
        Bench::Decide => costs::decisions(seed),
        Bench::Ingest { requests, seconds } => ingest::run(requests, seconds),
        Bench::Compaction { events } => compaction::run(events),
        Bench::Serve { requests } => serve::run(requests),
        Bench::ColdStart { emulator, functions, starts, at_most_over } => {
            let events = PathBuf::from("events");
            cold::run(&cold::Options { emulator, functions, events, starts, at_most_over })
        }
        Bench::Pictures { folder } => pictures::draw(&results, &folder),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
