//! Simulation-based calibration: do intervals hold the truth as often as they say?
//!
//! Parameters are drawn from the prior, data from the parameters, and the model is fitted to the data. If the fit is the
//! posterior, the truth is to it as one more draw: a 95 % interval holds it 95 % of the time, and its rank among draws is
//! uniform (Talts et al. 2018; Cook, Gelman and Rubin 2006).

mod arms;
mod coverage;
mod summary;
mod truth;

use std::path::Path;

use bandit::{Seed, fit};
use rand::RngExt;

pub use arms::explain;
pub use coverage::{Estimate, LEVELS};
pub use summary::{BINS, Outcome, Summary};
pub use truth::{ESTIMATORS, Estimator};

use crate::clock::Stopwatch;
use crate::draw::generator;
use crate::error::Error;
use crate::{files, pool};

/// Draws that a truth is ranked among: with one more, the ranks fill [`BINS`] alike.
const RANKED: usize = 99;

/// How much is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data sets per model.
    pub data_sets: usize,
    /// Origin of the randomness.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// Only the model of this name.
    pub only: Option<String>,
}

/// The file that the figures are kept in.
pub const RESULTS: &str = "calibration.json";

/// Runs the simulation, prints its table, and puts the figures into `results`; models that are not run keep what is
/// there.
///
/// # Errors
/// [`Error`]. A fit that fails is counted, not an error.
pub fn run(options: &Options, results: &Path) -> Result<(), Error> {
    let path = results.join(RESULTS);
    let mut summaries: Vec<Summary> = if files::read(&path)?.is_some() { files::read_json(&path)? } else { Vec::new() };
    if let Some(name) = options.only.as_ref().filter(|name| ESTIMATORS.iter().all(|e| e.name != name.as_str())) {
        let known = ESTIMATORS.map(|e| e.name).join(", ");
        return Err(Error::Unknown { what: "model", name: name.clone(), known });
    }
    for estimator in ESTIMATORS.iter().filter(|e| options.only.as_ref().is_none_or(|name| name == e.name)) {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; options.data_sets];
        let mut refused = Vec::new();
        pool::run(
            options.data_sets,
            options.threads,
            |i| one(estimator, options.seed, i),
            |i, result| {
                match result {
                    Ok(outcome) => outcomes[i] = Some(outcome),
                    Err(cause) => refused.push(format!("data set {i}: {cause}")),
                }
                Ok(())
            },
        )?;
        for cause in &refused {
            eprintln!("{}: {cause}", estimator.name);
        }
        let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
        let summary = Summary::of(estimator.name, options.seed, refused.len(), &outcomes);
        println!("{}", summary.table());
        summaries.retain(|s| s.estimator != estimator.name);
        summaries.push(summary);
    }
    summaries.sort_by_key(|s| ESTIMATORS.iter().position(|e| e.name == s.estimator));
    println!("{}", summary::markdown(&summaries));
    files::write_json(&path, &summaries)
}

/// Data set number `i`: simulated, fitted and compared.
fn one(estimator: &Estimator, seed: u64, i: usize) -> Result<Result<Outcome, bandit::FitError>, Error> {
    let number = i.to_string();
    let mut rng = generator(seed, &["calibration", estimator.name, &number]);
    let mut data = estimator.simulate(&mut rng)?;
    while data.cells.trials() == 0 {
        data = estimator.simulate(&mut rng)?;
    }
    let origin = Seed::derive(&["calibration", estimator.name, &seed.to_string(), &number]);
    let watch = Stopwatch::start();
    let posterior = match fit(&data.space, &data.cells, &data.settings, &origin) {
        Ok(posterior) => posterior,
        Err(cause) => return Ok(Err(cause)),
    };
    let mut outcome = Outcome::new(watch.spent().cpu, posterior.diagnostics.step);
    // The cell whose rank goes into the test of uniformity: ranks of one data set's cells are not independent.
    let tested = rng.random_range(0..data.truth.len());
    for (place, cell) in data.truth.iter().enumerate() {
        let draws = coverage::cell_draws(&posterior, &data.space, cell.variant, cell.context);
        let rank = (0..RANKED).filter(|_| draws[rng.random_range(0..draws.len())] < cell.mean).count();
        let observed = data.cells.cells().iter().find(|c| (c.variant, c.context) == (cell.variant, cell.context));
        let found = summary::Found {
            covered: coverage::covered(&draws, cell.mean),
            bin: rank * BINS / (RANKED + 1),
            stratum: summary::stratum(&data.settings, cell.n, observed.map_or(0.0, |c| c.sum)),
            tested: place == tested,
        };
        outcome.add(&found);
    }
    Ok(Ok(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two hundred arms-and-data sets of the conjugate model: 95 % intervals of 10 arms each. The standard error of the
    // coverage is below √(.95·.05/200) = 0.016 whatever the dependence; five of them.
    #[test]
    fn a_conjugate_model_covers() {
        let outcomes: Vec<Outcome> = (0..200).map(|i| one(&ESTIMATORS[1], 11, i).unwrap().unwrap()).collect();
        let summary = Summary::of("mab-numeric", 11, 0, &outcomes);
        assert!((summary.coverage[2].mean - 0.95).abs() < 0.08, "{:?}", summary.coverage);
        assert_eq!(summary.cells, 2_000);
    }
}
