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

/// All worlds that there are runs of as a table in Markdown: mean over seeds of regret / regret of uniform serving, beside
/// the bounds of `exploration` 1 and 0.5 where there are any.
#[must_use]
pub fn markdown(runs: &[Run]) -> String {
    let learners: Vec<&str> = CONTENDERS.iter().map(|c| c.name).filter(|&name| name != UNIFORM).collect();
    let head = ["world", "bound at 1 / 0.5"].into_iter().chain(learners.iter().copied());
    let rows = WORLDS.iter().filter_map(|world| {
        let lines = lines(runs, world.name, None);
        let bound = world.bounds.map_or(String::new(), |(one, half)| format!("{one} / {half}"));
        let cells = learners.iter().map(|&name| {
            let line = lines.iter().find(|l| l.policy == name);
            line.map_or(String::new(), |l| decimals(&l.mean_of_ratios, 3))
        });
        let row = [format!("{}: {}", world.name, world.about), bound].into_iter().chain(cells).collect();
        (!lines.is_empty()).then_some(row)
    });
    table(head.map(str::to_owned).collect(), rows)
}

/// What `exploration` trades, as a table in Markdown: conversions lost and how often the last policy is locked in a worse
/// variant, at 1 and at 0.5, in every world with runs of both.
#[must_use]
pub fn trade_off(runs: &[Run]) -> String {
    let head = [
        "world",
        "conversions lost at 1",
        "at 0.5",
        "contexts locked at 1",
        "at 0.5",
        "runs with one or more at 1",
        "at 0.5",
    ];
    let rows = WORLDS.iter().filter_map(|world| {
        let lines = lines(runs, world.name, None);
        let of = |name: &str| lines.iter().find(|l| l.policy == name);
        let both = [of("cmab-1")?, of("cmab-0.5")?];
        let mut row = vec![world.name.to_owned()];
        row.extend(both.iter().map(|l| decimals(&l.regret, 0)));
        row.extend(both.iter().map(|l| format!("{:.1} %", 100.0 * l.locked.mean)));
        row.extend(both.iter().map(|l| format!("{:.0} %", 100.0 * l.runs_locked)));
        Some(row)
    });
    table(head.map(str::to_owned).to_vec(), rows)
}

fn decimals(at: &Estimate, places: usize) -> String {
    format!("{:.places$} ± {:.places$}", at.mean, at.error)
}

fn table(head: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let rule = vec!["---".to_owned(); head.len()];
    let lines: Vec<String> =
        [head, rule].into_iter().chain(rows).map(|row| format!("| {} |", row.join(" | "))).collect();
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
        assert!(detailed(&runs).contains("bound 0.21: within"));
    }

    #[test]
    fn tables_have_a_line_for_each_world_that_was_run() {
        let mut runs = vec![run("uniform", 1, 100.0), run("cmab-1", 1, 20.0), run("uniform", 2, 300.0)];
        runs.push(Run { locked: 0.25, ..run("cmab-1", 2, 90.0) });
        // Ratios .2 and .3: mean .25, standard error .1/√2/√2.
        let text = markdown(&runs);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("| world | bound at 1 / 0.5 | cmab-1 | cmab-0.5 |"));
        let expected = "| full: mains 0.5, pairs 0.25, base rate 5 % | 0.21 / 0.17 | 0.250 ± 0.050 |  |";
        assert!(lines[2].starts_with(expected), "{}", lines[2]);
        // A world without bounds, and a trade-off only where there are both.
        runs.extend(runs.clone().into_iter().map(|r| Run { world: "sparse".to_owned(), ..r }));
        assert!(markdown(&runs).contains("| sparse: as full, base rate 1 % |  | 0.250 ± 0.050 |"));
        assert_eq!(trade_off(&runs).lines().count(), 2);
        runs.extend([run("cmab-0.5", 1, 10.0), run("cmab-0.5", 2, 50.0)]);
        let text = trade_off(&runs);
        let line = text.lines().nth(2).unwrap();
        assert_eq!(line, "| full | 55 ± 35 | 30 ± 20 | 12.5 % | 0.0 % | 50 % | 0 % |");
    }
}
