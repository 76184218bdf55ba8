//! What the data sets of one model add up to.

use std::fmt::Write;

use bandit::{RewardType, Settings, Step};
use serde::{Deserialize, Serialize};

use super::coverage::{Estimate, LEVELS, uniformity};

/// Bins of the rank histograms.
pub const BINS: usize = 20;

/// Kinds of cells that coverage is told for separately. Conversions of a bool reward, trials of a numeric one.
pub const STRATA: [&str; 4] = ["no trial", "none", "1 to 9", "10 and more"];

/// The place in [`STRATA`] of a cell with n trials and that sum of rewards.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn stratum(settings: &Settings, n: u64, sum: f64) -> usize {
    let evidence = if settings.reward == RewardType::Bool { sum } else { n as f64 };
    match (n, evidence) {
        (0, _) => 0,
        (_, e) if e < 1.0 => 1,
        (_, e) if e < 10.0 => 2,
        _ => 3,
    }
}

/// One cell, compared.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Whether each of [`LEVELS`] holds the truth.
    pub covered: [bool; 3],
    /// Bin of the truth's rank.
    pub bin: usize,
    /// Place in [`STRATA`].
    pub stratum: usize,
    /// Whether this is the one cell of its data set whose rank is tested.
    pub tested: bool,
}

/// One data set, compared.
#[derive(Clone, Debug)]
pub struct Outcome {
    cpu_seconds: f64,
    step: Step,
    cells: u32,
    covered: [u32; 3],
    bins: [u32; BINS],
    tested: usize,
    strata: [(u32, u32); 4],
}

impl Outcome {
    /// A data set without cells yet.
    #[must_use]
    pub fn new(cpu_seconds: f64, step: Step) -> Self {
        Self { cpu_seconds, step, cells: 0, covered: [0; 3], bins: [0; BINS], tested: 0, strata: [(0, 0); 4] }
    }

    /// Adds a cell.
    pub fn add(&mut self, found: &Found) {
        self.cells += 1;
        for (count, &covered) in self.covered.iter_mut().zip(&found.covered) {
            *count += u32::from(covered);
        }
        self.bins[found.bin] += 1;
        self.strata[found.stratum].0 += u32::from(found.covered[2]);
        self.strata[found.stratum].1 += 1;
        if found.tested {
            self.tested = found.bin;
        }
    }
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the model.
    pub estimator: String,
    /// Seed of the simulation.
    pub seed: u64,
    /// Data sets that were fitted.
    pub data_sets: usize,
    /// Data sets whose fit ended in an error; they are in no other figure.
    pub refused: usize,
    /// Cells in all of them.
    pub cells: u64,
    /// Share of cells that each of the intervals holds.
    pub coverage: [Estimate; 3],
    /// The same of the 95 % interval for each of [`STRATA`]; `None` without such cells.
    pub by_evidence: Vec<Option<Estimate>>,
    /// Cells in each of [`STRATA`].
    pub cells_by_evidence: Vec<u64>,
    /// Ranks of one random cell per data set, [`BINS`].
    pub ranks: Vec<u64>,
    /// χ² of these against uniform ranks.
    pub chi_square: f64,
    /// Its p-value at [`BINS`] − 1 degrees of freedom.
    pub p_value: f64,
    /// Share of all cells in each bin, with standard errors over data sets: a data set's cells are not independent.
    pub all_ranks: Vec<Estimate>,
    /// Median seconds of processor time of a fit.
    pub cpu_seconds: f64,
    /// Data sets by the step of the inference that their draws come from.
    pub steps: Vec<(Step, usize)>,
}

impl Summary {
    /// Adds the data sets up.
    #[must_use]
    pub fn of(estimator: &str, seed: u64, refused: usize, outcomes: &[Outcome]) -> Self {
        let share = |of: &dyn Fn(&Outcome) -> u32| -> Estimate {
            Estimate::of(&outcomes.iter().map(|o| f64::from(of(o)) / f64::from(o.cells)).collect::<Vec<_>>())
        };
        let mut ranks = vec![0; BINS];
        for outcome in outcomes {
            ranks[outcome.tested] += 1;
        }
        let (chi_square, p_value) = uniformity(&ranks);
        let by_evidence = (0..STRATA.len())
            .map(|k| {
                let (parts, wholes): (Vec<f64>, Vec<f64>) = outcomes
                    .iter()
                    .filter(|o| o.strata[k].1 > 0)
                    .map(|o| (f64::from(o.strata[k].0), f64::from(o.strata[k].1)))
                    .unzip();
                (parts.len() > 1).then(|| Estimate::ratio(&parts, &wholes))
            })
            .collect();
        let mut steps: Vec<(Step, usize)> = Vec::new();
        for step in [Step::Exact, Step::Importance, Step::Nuts] {
            let count = outcomes.iter().filter(|o| o.step == step).count();
            if count > 0 {
                steps.push((step, count));
            }
        }
        Self {
            estimator: estimator.to_owned(),
            seed,
            data_sets: outcomes.len(),
            refused,
            cells: outcomes.iter().map(|o| u64::from(o.cells)).sum(),
            coverage: std::array::from_fn(|k| share(&|o| o.covered[k])),
            by_evidence,
            cells_by_evidence: (0..STRATA.len())
                .map(|k| outcomes.iter().map(|o| u64::from(o.strata[k].1)).sum())
                .collect(),
            ranks,
            chi_square,
            p_value,
            all_ranks: (0..BINS).map(|b| share(&|o| o.bins[b])).collect(),
            cpu_seconds: crate::clock::median(&outcomes.iter().map(|o| o.cpu_seconds).collect::<Vec<_>>()),
            steps,
        }
    }

    /// The model's figures for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}: {} data sets, {} cells, {} refused, seed {}\n",
            self.estimator, self.data_sets, self.cells, self.refused, self.seed
        );
        let mut line = |what: &str, at: &Estimate| {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {what:<30} {:6.2} % ± {:.2}", 100.0 * at.mean, 100.0 * at.error);
        };
        for (level, at) in LEVELS.iter().zip(&self.coverage) {
            line(&format!("{:.0} % interval", 100.0 * level), at);
        }
        for ((name, at), cells) in STRATA.iter().zip(&self.by_evidence).zip(&self.cells_by_evidence) {
            if let Some(at) = at {
                line(&format!("95 %: {name} ({cells} cells)"), at);
            }
        }
        let steps: Vec<String> = self.steps.iter().map(|(step, n)| format!("{step:?} {n}")).collect();
        let _ = write!(
            text,
            "  ranks: chi-square {:.1}, p {:.3}; a fit takes {:.3} s of CPU; {}\n  {:?}",
            self.chi_square,
            self.p_value,
            self.cpu_seconds,
            steps.join(", "),
            self.ranks
        );
        text
    }
}

/// All models as a table in Markdown. The last columns are of all cells: the share of them whose truth is in the lowest and
/// in the highest [`BINS`]th of the draws.
#[must_use]
pub fn markdown(summaries: &[Summary]) -> String {
    let head = "| model | data sets | 50 % | 80 % | 95 % | one cell: p of χ² | all cells: lowest 5 % | highest 5 % |";
    let mut text = format!("{head}\n|{}\n", " --- |".repeat(8));
    for s in summaries {
        let percent =
            |at: &Estimate, places: usize| format!("{:.places$} ± {:.places$}", 100.0 * at.mean, 100.0 * at.error);
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} | {} | {} |",
            s.estimator,
            s.data_sets,
            percent(&s.coverage[0], 1),
            percent(&s.coverage[1], 1),
            percent(&s.coverage[2], 1),
            s.p_value,
            s.all_ranks.first().map_or(String::new(), |at| percent(at, 2)),
            s.all_ranks.last().map_or(String::new(), |at| percent(at, 2)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two data sets of two cells: one whose truths are both lowest, one with one lowest and one highest.
    #[test]
    fn errors_of_the_ranks_of_all_cells_are_of_data_sets() {
        let outcome = |bins: [usize; 2]| {
            let mut outcome = Outcome::new(0.1, Step::Exact);
            for (place, bin) in bins.into_iter().enumerate() {
                outcome.add(&Found { covered: [true; 3], bin, stratum: 0, tested: place == 0 });
            }
            outcome
        };
        let summary = Summary::of("m", 1, 0, &[outcome([0, 0]), outcome([0, BINS - 1])]);
        let (low, high) = (summary.all_ranks[0], summary.all_ranks[BINS - 1]);
        assert!((low.mean - 0.75).abs() < 1e-12 && (low.error - 0.25).abs() < 1e-12, "{low:?}");
        assert!((high.mean - 0.25).abs() < 1e-12 && (high.error - 0.25).abs() < 1e-12, "{high:?}");
        let text = markdown(&[summary]);
        assert!(text.ends_with("| 75.00 ± 25.00 | 25.00 ± 25.00 |\n"), "{text}");
    }
}
