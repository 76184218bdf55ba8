//! The pictures of the documentation.

mod calibrated;
mod curves;
mod days;
mod panel;
mod svg;

use std::path::Path;

use crate::error::Error;
use crate::regret::{self, Schedule};
use crate::{calibration, files};

/// Seed of the world whose first weeks are shown.
const DAYS_SEED: u64 = 2;

/// Draws all pictures into `folder`: two from a simulation of 28 days, two from the figures in `results`. Those whose
/// figures are not there are left out, with a word.
///
/// # Errors
/// [`Error`].
pub fn draw(results: &Path, folder: &Path) -> Result<(), Error> {
    let save = |name: &str, picture: &str| {
        let path = folder.join(name);
        println!("{}", path.display());
        files::write(&path, picture)
    };
    let calibrated = results.join(calibration::RESULTS);
    if files::read(&calibrated)?.is_some() {
        save("calibration.svg", &calibrated::picture(&files::read_json::<Vec<calibration::Summary>>(&calibrated)?))?;
    } else {
        println!("no {}: run `calibration` first", calibrated.display());
    }
    let schedule = Schedule { rounds: 20_000, every: 1_000, later: 1_000 };
    let kept = results.join(regret::results_file(schedule.rounds));
    let runs = regret::read(&kept)?;
    if runs.is_empty() {
        println!("no {}: run `regret` first", kept.display());
    } else {
        save("regret.svg", &curves::picture(&runs, &schedule))?;
    }
    let days = days::simulate(DAYS_SEED)?;
    save("posterior.svg", &days.posterior())?;
    save("weights.svg", &days.weights())
}
