//! The picture of the calibration.

use super::panel::Panel;
use super::svg::{COLOURS, GREY, INK, PALE, Svg};
use crate::calibration::{BINS, LEVELS, Summary};

const LEFT: f64 = 72.0;
const STEP: f64 = 204.0;
const WIDTH: f64 = 180.0;

/// For each model: how far coverage is from what intervals promise, and where the truth ranks among draws, of one cell per
/// data set and of all cells.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a handful of panels and bins")]
pub fn picture(summaries: &[Summary]) -> String {
    let mut svg = Svg::new(880.0, 700.0);
    let ranks = |s: &Summary| s.ranks.iter().copied().max().unwrap_or(0) as f64;
    let tallest = summaries.iter().map(|s| ranks(s) * BINS as f64 / s.data_sets as f64).fold(2.0, f64::max);
    for (k, summary) in summaries.iter().enumerate() {
        let left = LEFT + STEP * k as f64;
        coverage(&mut svg, left, k == 0, summary);
        histogram(&mut svg, left, k == 0, tallest, summary);
        all_cells(&mut svg, left, k == 0, tallest, summary);
    }
    svg.finish("Coverage of 50, 80 and 95 % intervals and rank histograms of the four models over simulated data sets")
}

fn coverage(svg: &mut Svg, left: f64, first: bool, summary: &Summary) {
    let panel = Panel { origin: (left, 34.0), size: (WIDTH, 150.0), x: (0.0, 3.0), y: (40.0, 100.0) };
    panel.y_axis(svg, &[40.0, 60.0, 80.0, 100.0], |share| if first { format!("{share:.0} %") } else { String::new() });
    panel.title(svg, &summary.estimator);
    for (k, (level, at)) in LEVELS.iter().zip(&summary.coverage).enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "three intervals")]
        let x = k as f64 + 0.5;
        let (a, b) = (panel.at(x - 0.35, 100.0 * level), panel.at(x + 0.35, 100.0 * level));
        svg.line(a, b, GREY, 1.5, "4 3");
        let bar = |sign: f64| panel.at(x, 100.0 * (at.mean + sign * 2.0 * at.error));
        svg.line(bar(-1.0), bar(1.0), COLOURS[0], 2.0, "");
        svg.dot(panel.at(x, 100.0 * at.mean), 4.0, COLOURS[0]);
    }
    panel.x_axis(svg, &[0.5, 1.5, 2.5], |x| {
        let place = if x < 1.0 {
            0
        } else if x < 2.0 {
            1
        } else {
            2
        };
        format!("{:.0} %", 100.0 * LEVELS[place])
    });
    panel.labels(svg, "interval", if first { "cells whose truth it holds" } else { "" });
}

#[expect(clippy::cast_precision_loss, reason = "counts of data sets")]
fn histogram(svg: &mut Svg, left: f64, first: bool, tallest: f64, summary: &Summary) {
    let panel = Panel { origin: (left, 258.0), size: (WIDTH, 150.0), x: (0.0, 1.0), y: (0.0, 1.05 * tallest) };
    let bins = BINS as f64;
    let expected = summary.data_sets as f64 / bins;
    // Two standard deviations of a binomial count, relative to its mean.
    let noise = (2.0 * ((1.0 - 1.0 / bins) / expected).sqrt()).min(1.0);
    let ticks: Vec<f64> = (0..20).map(f64::from).take_while(|&t| t <= tallest).collect();
    panel.y_axis(svg, &ticks, |density| if first { format!("{density:.0}") } else { String::new() });
    panel.band(svg, &[(0.0, 1.0 - noise, 1.0 + noise), (1.0, 1.0 - noise, 1.0 + noise)], PALE, 1.0);
    for (bin, &count) in summary.ranks.iter().enumerate() {
        let (x, y) = panel.at(bin as f64 / bins, count as f64 / expected);
        let (_, bottom) = panel.at(0.0, 0.0);
        svg.rect((x + 1.0, y), (WIDTH / bins - 2.0, bottom - y), COLOURS[5]);
    }
    svg.line(panel.at(0.0, 1.0), panel.at(1.0, 1.0), INK, 1.2, "4 3");
    panel.x_axis(svg, &[0.0, 0.5, 1.0], |x| format!("{x}"));
    panel.title(svg, &format!("one cell: p of χ² = {:.2}", summary.p_value));
    panel.labels(svg, "", if first { "data sets, relative to even" } else { "" });
}

/// The ranks of all cells, each bin with two standard errors over data sets.
#[expect(clippy::cast_precision_loss, reason = "a handful of bins")]
fn all_cells(svg: &mut Svg, left: f64, first: bool, tallest: f64, summary: &Summary) {
    let panel = Panel { origin: (left, 478.0), size: (WIDTH, 150.0), x: (0.0, 1.0), y: (0.0, 1.05 * tallest) };
    let bins = BINS as f64;
    let ticks: Vec<f64> = (0..20).map(f64::from).take_while(|&t| t <= tallest).collect();
    panel.y_axis(svg, &ticks, |density| if first { format!("{density:.0}") } else { String::new() });
    for (bin, at) in summary.all_ranks.iter().enumerate() {
        let (x, y) = panel.at(bin as f64 / bins, bins * at.mean);
        let (_, bottom) = panel.at(0.0, 0.0);
        svg.rect((x + 1.0, y), (WIDTH / bins - 2.0, bottom - y), COLOURS[5]);
        let end = |sign: f64| panel.at((bin as f64 + 0.5) / bins, bins * (at.mean + sign * 2.0 * at.error));
        svg.line(end(-1.0), end(1.0), COLOURS[0], 1.5, "");
    }
    svg.line(panel.at(0.0, 1.0), panel.at(1.0, 1.0), INK, 1.2, "4 3");
    panel.x_axis(svg, &[0.0, 0.5, 1.0], |x| format!("{x}"));
    panel.title(svg, "all cells");
    panel.labels(svg, "rank of the truth", if first { "cells, relative to even" } else { "" });
}
