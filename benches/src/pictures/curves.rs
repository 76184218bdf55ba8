//! The picture of the regret.

use super::days::legend;
use super::panel::{Panel, round_ticks};
use super::svg::{COLOURS, Svg};
use crate::regret::{CONTENDERS, Run, Schedule, UNIFORM, WORLDS, World, lines};

/// Cumulative regret of every policy in the worlds with bounds: means over seeds in bands of ± one standard error.
#[must_use]
pub fn picture(runs: &[Run], schedule: &Schedule) -> String {
    let worlds: Vec<&World> =
        WORLDS.iter().filter(|w| w.bounds.is_some() && runs.iter().any(|r| r.world == w.name)).collect();
    let mut svg = Svg::new(880.0, 690.0);
    let colours = || CONTENDERS.iter().zip([6, 0, 5, 2, 4, 3, 1]).map(|(c, k)| (c.name, COLOURS[k]));
    let entries: Vec<(&str, &str, &str)> = colours().map(|(name, colour)| (name, colour, "")).collect();
    legend(&mut svg, 24.0, &entries);
    for (k, world) in worlds.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "four panels")]
        let (column, row) = ((k % 2) as f64, (k / 2) as f64);
        let curves = curves(runs, world, schedule);
        // Uniform serving leaves the panel: the rest would be a thin strip below it.
        let learners = || curves.iter().filter(|(name, _)| *name != UNIFORM);
        let top = learners().flat_map(|(_, points)| points.iter().map(|p| p.1 + p.2)).fold(1.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "rounds")]
        let rounds = schedule.rounds as f64;
        let panel = Panel {
            origin: (70.0 + 430.0 * column, 70.0 + 320.0 * row),
            size: (360.0, 230.0),
            x: (0.0, rounds),
            y: (0.0, 1.03 * top),
        };
        panel.y_axis(&mut svg, &round_ticks(top, 4.0), |lost| format!("{lost:.0}"));
        panel.x_axis(&mut svg, &round_ticks(rounds, 4.0), |round| format!("{round:.0}"));
        panel.title(&mut svg, &format!("{}: {}", world.name, world.about));
        panel.labels(
            &mut svg,
            if row > 0.0 { "users served" } else { "" },
            if column > 0.0 { "" } else { "conversions lost so far" },
        );
        let colour =
            |name: &str| colours().find(|(policy, _)| *policy == name).map_or(COLOURS[6], |(_, colour)| colour);
        // All bands lie below all lines.
        for (name, points) in &curves {
            let at = |sign: f64| below(points.iter().map(|&(x, mean, error)| (x, mean + sign * error)), panel.y.1);
            panel.between(&mut svg, &at(1.0), &at(-1.0), colour(name), 0.15);
        }
        for (name, points) in &curves {
            let line = below(points.iter().map(|&(x, mean, _)| (x, mean)), panel.y.1);
            panel.curve(&mut svg, &line, colour(name), if name.starts_with("cmab") { 2.6 } else { 1.6 });
        }
    }
    svg.finish(
        "Cumulative regret of our model and of yardsticks in four simulated worlds, with bands of one standard error",
    )
}

/// A rising curve up to where it leaves the panel.
fn below(points: impl Iterator<Item = (f64, f64)>, top: f64) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = points.collect();
    let mut kept: Vec<(f64, f64)> = points.iter().copied().take_while(|p| p.1 <= top).collect();
    if let (Some(&(x0, y0)), Some(&(x1, y1))) = (kept.last(), points.get(kept.len())) {
        kept.push((x0 + (x1 - x0) * (top - y0) / (y1 - y0), top));
    }
    kept
}

/// A policy's name with (round, mean, standard error) from the start on.
type Curve = (&'static str, Vec<(f64, f64, f64)>);

#[expect(clippy::cast_precision_loss, reason = "rounds")]
fn curves(runs: &[Run], world: &World, schedule: &Schedule) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for (checkpoint, round) in schedule.checkpoints().into_iter().enumerate() {
        for line in lines(runs, world.name, Some(checkpoint)) {
            // One seed alone has no standard error.
            let error = if line.seeds > 1 { line.regret.error } else { 0.0 };
            let point = (round as f64, line.regret.mean, error);
            match curves.iter_mut().find(|(name, _)| *name == line.policy) {
                Some((_, points)) => points.push(point),
                None => curves.push((line.policy, vec![(0.0, 0.0, 0.0), point])),
            }
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_ends_where_the_panel_does() {
        let below = |points: &[(f64, f64)]| below(points.iter().copied(), 4.0);
        assert_eq!(below(&[(0.0, 0.0), (1.0, 2.0), (2.0, 6.0)]), [(0.0, 0.0), (1.0, 2.0), (1.5, 4.0)]);
        assert_eq!(below(&[(0.0, 0.0), (1.0, 2.0)]), [(0.0, 0.0), (1.0, 2.0)]);
    }

    #[test]
    fn a_curve_has_every_checkpoint() {
        let schedule = Schedule { rounds: 2_000, every: 1_000, later: 1_000 };
        let run = |policy: &str, seed: u64, curve: &[f64]| Run {
            curve: curve.to_vec(),
            ..Run::new("full", policy, seed, 2_000)
        };
        let mut runs = vec![run("uniform", 1, &[10.0, 20.0]), run("cmab-1", 1, &[10.0, 14.0])];
        assert_eq!(
            curves(&runs, &WORLDS[0], &schedule)[1],
            ("cmab-1", vec![(0.0, 0.0, 0.0), (1_000.0, 10.0, 0.0), (2_000.0, 14.0, 0.0)])
        );
        // Two seeds, 2 apart: a standard error of 1.
        runs.extend([run("uniform", 2, &[10.0, 20.0]), run("cmab-1", 2, &[10.0, 16.0])]);
        assert_eq!(curves(&runs, &WORLDS[0], &schedule)[1].1[2], (2_000.0, 15.0, 1.0));
        let picture = picture(&runs, &schedule);
        // A band and a line for each of the policies, and their names.
        assert!(picture.contains("conversions lost") && picture.matches("<polygon").count() == 2);
    }
}
