//! Regret relative to uniform serving, over paired seeds.
//!
//! The ratio is taken within each seed and then averaged, so that every drawn world counts alike; the ratio of the sums,
//! in which worlds with more to lose count more, is told beside it.

use std::fmt::Write;

use super::policy::{CONTENDERS, UNIFORM};
use super::results::Run;
use super::world::{WORLDS, World};
use crate::calibration::Estimate;

/// One policy in one world.
#[derive(Clone, Debug)]
pub struct Line {
    /// Name of the policy.
    pub policy: &'static str,
    /// Seeds.
    pub seeds: usize,
    /// Σ regret / Σ regret of uniform serving over the seeds, with its standard error over seeds.
    pub ratio: Estimate,
    /// Mean over seeds of regret / regret of uniform serving.
    pub mean_of_ratios: Estimate,
    /// Regret in conversions.
    pub regret: Estimate,
    /// Share of contexts locked in a worse variant.
    pub locked: Estimate,
    /// Share of runs with at least one such context.
    pub runs_locked: f64,
    /// Trainings that failed, of all.
    pub failures: u32,
    /// Processor seconds of a training, on average.
    pub cpu_seconds: f64,
}

/// The lines of a world, policies in the order of [`CONTENDERS`], from runs that uniform serving has been paired with.
/// `checkpoint`: place in the curves; `None` for the last.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
pub fn lines(runs: &[Run], world: &str, checkpoint: Option<usize>) -> Vec<Line> {
    let regret = |run: &Run| checkpoint.and_then(|k| run.curve.get(k).copied()).unwrap_or_else(|| run.regret());
    let mut lines = Vec::new();
    for contender in &CONTENDERS {
        let mut pairs: Vec<(&Run, &Run)> = Vec::new();
        for run in runs.iter().filter(|r| r.world == world && r.policy == contender.name) {
            let uniform = runs.iter().find(|r| r.world == world && r.policy == UNIFORM && r.seed == run.seed);
            pairs.extend(uniform.map(|uniform| (run, uniform)));
        }
        if pairs.is_empty() {
            continue;
        }
        let parts: Vec<f64> = pairs.iter().map(|(run, _)| regret(run)).collect();
        let wholes: Vec<f64> = pairs.iter().map(|(_, uniform)| regret(uniform)).collect();
        let ratios: Vec<f64> = parts.iter().zip(&wholes).map(|(p, w)| p / w).collect();
        let locked: Vec<f64> = pairs.iter().map(|(run, _)| run.locked).collect();
        let trainings: usize = pairs.iter().map(|(run, _)| run.curve.len()).sum();
        lines.push(Line {
            policy: contender.name,
            seeds: pairs.len(),
            ratio: Estimate::ratio(&parts, &wholes),
            mean_of_ratios: Estimate::of(&ratios),
            regret: Estimate::of(&parts),
            runs_locked: locked.iter().filter(|&&share| share > 0.0).count() as f64 / locked.len() as f64,
            locked: Estimate::of(&locked),
            failures: pairs.iter().map(|(run, _)| run.failures).sum(),
            cpu_seconds: pairs.iter().map(|(run, _)| run.cpu_seconds).sum::<f64>() / trainings as f64,
        });
    }
    lines
}

/// The bound of a policy in a world, where there is one.
#[must_use]
pub fn bound(world: &World, policy: &str) -> Option<f64> {
    let (one, half) = world.bounds?;
    match policy {
        "cmab-1" => Some(one),
        "cmab-0.5" => Some(half),
        _ => None,
    }
}

/// All worlds that there are runs of, in detail.
#[must_use]
pub fn detailed(runs: &[Run]) -> String {
    let mut text = String::new();
    for world in &WORLDS {
        let lines = lines(runs, world.name, None);
        let Some(first) = lines.first() else { continue };
        // Writing to a text does not fail.
        let _ = writeln!(text, "{} ({}), {} seeds", world.name, world.about, first.seeds);
        for line in &lines {
            let _ = write!(
                text,
                "  {:<14} {:.3} ± {:.3}  of sums {:.3} ± {:.3}  regret {:7.1} ± {:5.1}  \
                 locked {:4.1} % of contexts, {:3.0} % of runs  {:.3} s  {} failed",
                line.policy,
                line.mean_of_ratios.mean,
                line.mean_of_ratios.error,
                line.ratio.mean,
                line.ratio.error,
                line.regret.mean,
                line.regret.error,
                100.0 * line.locked.mean,
                100.0 * line.runs_locked,
                line.cpu_seconds,
                line.failures
            );
            if let Some(bound) = bound(world, line.policy) {
                let within = line.mean_of_ratios.mean <= bound + 2.0 * line.mean_of_ratios.error;
                let _ = write!(text, "  bound {bound}: {}", if within { "within" } else { "ABOVE" });
            }
            text.push('\n');
        }
    }
    text
}

/// All worlds as a table in Markdown: mean over seeds of regret / regret of uniform serving.
#[must_use]
pub fn markdown(runs: &[Run]) -> String {
    let learners: Vec<&str> = CONTENDERS.iter().map(|c| c.name).filter(|&name| name != UNIFORM).collect();
    let mut rows = vec![["world", "seeds"].into_iter().chain(learners.iter().copied()).map(str::to_owned).collect()];
    rows.push(vec!["---".to_owned(); 2 + learners.len()]);
    for world in &WORLDS {
        let lines = lines(runs, world.name, None);
        let Some(first) = lines.first() else { continue };
        let mut row = vec![world.name.to_owned(), first.seeds.to_string()];
        for name in &learners {
            let line = lines.iter().find(|l| l.policy == *name);
            row.push(
                line.map_or(String::new(), |l| format!("{:.3} ± {:.3}", l.mean_of_ratios.mean, l.mean_of_ratios.error)),
            );
        }
        rows.push(row);
    }
    let lines: Vec<String> = rows.iter().map(|row: &Vec<String>| format!("| {} |", row.join(" | "))).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(policy: &str, seed: u64, regret: f64) -> Run {
        Run { curve: vec![0.5 * regret, regret], ..Run::new("full", policy, seed, 2_000) }
    }

    #[test]
    fn relative_regret_is_paired_by_seed() {
        let runs = [
            run("uniform", 1, 100.0),
            run("cmab-1", 1, 20.0),
            run("uniform", 2, 300.0),
            run("cmab-1", 2, 90.0),
            run("cmab-1", 3, 1e6),
        ];
        let lines = lines(&runs, "full", None);
        let ours = lines.iter().find(|l| l.policy == "cmab-1").unwrap();
        assert_eq!(ours.seeds, 2);
        assert!((ours.ratio.mean - 0.275).abs() < 1e-12 && (ours.mean_of_ratios.mean - 0.25).abs() < 1e-12);
        assert!((super::lines(&runs, "full", Some(0))[1].regret.mean - 27.5).abs() < 1e-12);
        assert!(detailed(&runs).contains("bound 0.21: within") && markdown(&runs).contains("| full | 2 | 0.250"));
    }
}
