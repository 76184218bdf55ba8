//! A model's first weeks: what it believes and what it serves, day by day.

use std::collections::BTreeMap;

use bandit::{
    Cell, CellTable, Coverage, Distribution, ModelType, Policy, Prior, Report, RewardType, Seed, Settings, Training,
    TrainingOptions, VariantKeys, choose, fit,
};

use super::panel::{Panel, round_ticks};
use super::svg::{Anchor, COLOURS, GREY, INK, Svg};
use crate::error::Error;
use crate::regret::{Truth, WORLDS};

/// Days that are simulated.
const DAYS: usize = 28;
/// Users a day.
const USERS: usize = 1_000;
/// The id that users are hashed with.
const OPTIMIZATION: &str = "days";

/// What a training at the end of each day reports, and what is true.
pub struct Days {
    reports: Vec<Report>,
    /// Rate of each variant, averaged over contexts.
    rates: Vec<f64>,
}

/// Simulates the world `weak`, in which variants differ little: 10 variants, 12 contexts, about 5 % conversion, trained once a day.
///
/// # Errors
/// [`Error`] of the fits and of the decisions.
pub fn simulate(seed: u64) -> Result<Days, Error> {
    let truth = Truth::draw(&WORLDS[3], DAYS * USERS, seed)?;
    let space = &truth.space;
    let (variants, keys) = (space.variants(), VariantKeys::of(space)?);
    let settings = Settings {
        model_type: ModelType::Cmab,
        reward: RewardType::Bool,
        distribution: Distribution::Auto,
        prior: Prior::default(),
        exploration: 1.0,
    };
    let mut counts: BTreeMap<(u64, usize), (u64, f64)> = BTreeMap::new();
    let mut policy = Policy::uniform(space).ok_or(Error::NoRow { context: 0 })?;
    let mut reports = Vec::with_capacity(DAYS);
    for day in 0..DAYS {
        for round in day * USERS..(day + 1) * USERS {
            let user = truth.users[round];
            let context = truth.contexts[user.context];
            let row = policy.row(context).ok_or(Error::NoRow { context })?;
            let variant = choose(OPTIMIZATION, &round.to_string(), row, &keys);
            let cell = counts.entry((context, variant)).or_default();
            cell.0 += 1;
            cell.1 += if user.threshold < truth.rates(round, user.context)[variant] { 1.0 } else { 0.0 };
        }
        let cells =
            counts.iter().map(|(&(context, variant), &(n, sum))| Cell { variant, context, n, sum, sum_sq: sum });
        let cells = CellTable::new(cells)?;
        let origin = Seed::derive(&[OPTIMIZATION, &seed.to_string(), &day.to_string()]);
        let posterior = fit(space, &cells, &settings, &origin)?;
        let training = Training::from_posterior(space, &cells, posterior, &TrainingOptions::default())?;
        policy = training.policy;
        reports.push(training.report);
    }
    debug_assert_eq!(policy.coverage(), Coverage::EveryContext);
    #[expect(clippy::cast_precision_loss, reason = "a handful of contexts")]
    let contexts = truth.contexts.len() as f64;
    let rate = |v: usize| (0..truth.contexts.len()).map(|c| truth.rates(0, c)[v]).sum::<f64>() / contexts;
    Ok(Days { rates: (0..variants).map(rate).collect(), reports })
}

impl Days {
    /// Variants in the order of what they are served at the end, the most first.
    fn ranked(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rates.len()).collect();
        if let Some(last) = self.reports.last() {
            order.sort_by(|&a, &b| last.variants[b].weight.total_cmp(&last.variants[a].weight));
        }
        order
    }

    /// The three variants that are shown: the baseline, the one that is served most at the end, and one that is
    /// served little.
    fn shown(&self) -> Vec<(usize, String)> {
        let ranked: Vec<usize> = self.ranked().into_iter().filter(|&v| v != 0).collect();
        let mut shown = vec![(0, "variant 0, the baseline".to_owned())];
        shown.extend(ranked.first().map(|&v| (v, format!("variant {v}, served most in the end"))));
        shown.extend(ranked.last().map(|&v| (v, format!("variant {v}, served least in the end"))));
        shown
    }

    /// The posterior of three variants' rates, tightening.
    #[must_use]
    pub fn posterior(&self) -> String {
        let mut svg = Svg::new(880.0, 350.0);
        let shown = self.shown();
        let top = shown
            .iter()
            .flat_map(|&(v, _)| self.reports.iter().skip(1).map(move |r| r.variants[v].expected_reward_hi))
            .fold(0.0, f64::max);
        for (k, (&(v, ref name), colour)) in shown.iter().zip([GREY, COLOURS[0], COLOURS[1]]).enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "three panels")]
            let left = 62.0 + 275.0 * k as f64;
            let panel =
                Panel { origin: (left, 58.0), size: (245.0, 225.0), x: (1.0, last_day()), y: (0.0, 1.04 * top) };
            panel.y_axis(&mut svg, &round_ticks(top, 4.0), |rate| {
                if k == 0 { format!("{:.0} %", 100.0 * rate) } else { String::new() }
            });
            panel.x_axis(&mut svg, &[1.0, 7.0, 14.0, 21.0, 28.0], |day| format!("{day:.0}"));
            panel.labels(&mut svg, "day", if k == 0 { "conversion rate" } else { "" });
            panel.title(&mut svg, name);
            let band: Vec<(f64, f64, f64)> = self
                .daily(|r| (r.variants[v].expected_reward_lo, r.variants[v].expected_reward_hi))
                .map(|(day, (low, high))| (day, low, high.min(1.04 * top)))
                .collect();
            panel.band(&mut svg, &band, colour, 0.22);
            let mean: Vec<(f64, f64)> = self.daily(|r| r.variants[v].expected_reward_mean).collect();
            panel.curve(&mut svg, &mean, colour, 2.0);
            let (a, b) = (panel.at(1.0, self.rates[v]), panel.at(last_day(), self.rates[v]));
            svg.line(a, b, INK, 1.2, "5 4");
        }
        legend(&mut svg, 24.0, &[("posterior mean", COLOURS[0], ""), ("truth", INK, "5 4")]);
        svg.rect((310.0, 14.0), (26.0, 12.0), "#c5dff0");
        svg.text((342.0, 24.0), "95 % interval", 12.0, INK, Anchor::Start);
        let title = "The posterior of the conversion rates of three variants over 28 days, tightening about the truth";
        svg.finish(title)
    }

    /// What is served, day by day, as shares stacked up.
    #[must_use]
    pub fn weights(&self) -> String {
        let mut svg = Svg::new(880.0, 400.0);
        let panel = Panel { origin: (70.0, 24.0), size: (600.0, 310.0), x: (1.0, last_day()), y: (0.0, 1.0) };
        let ranked = self.ranked();
        let mut below = vec![0.0; self.reports.len()];
        let mut next_label: f64 = f64::INFINITY;
        for (place, &v) in ranked.iter().enumerate() {
            let colour = COLOURS.get(place).copied().filter(|_| place < 4).unwrap_or(["#cbd2d9", "#9aa5b1"][place % 2]);
            let band: Vec<(f64, f64, f64)> = self
                .daily(|r| r.variants[v].weight)
                .zip(&below)
                .map(|((day, weight), &from)| (day, from, from + weight))
                .collect();
            panel.band(&mut svg, &band, colour, 0.9);
            // Shares that round to nothing have no label.
            if let Some(&(day, low, high)) = band.last().filter(|(_, low, high)| high - low >= 0.005) {
                let (x, y) = panel.at(day, 0.5 * (low + high));
                let y = (y + 4.0).min(next_label - 15.0);
                next_label = y;
                let baseline = if v == 0 { " (baseline)" } else { "" };
                let label = format!("variant {v}{baseline}: {:.0} %", 100.0 * (high - low));
                svg.text((x + 10.0, y), &label, 12.0, if place < 4 { colour } else { GREY }, Anchor::Start);
            }
            for (sum, (_, _, high)) in below.iter_mut().zip(&band) {
                *sum = *high;
            }
        }
        panel.y_axis(&mut svg, &[0.0, 0.25, 0.5, 0.75, 1.0], |share| format!("{:.0} %", 100.0 * share));
        panel.x_axis(&mut svg, &[1.0, 7.0, 14.0, 21.0, 28.0], |day| format!("{day:.0}"));
        panel.labels(&mut svg, "day", "weight: share of the users served");
        svg.finish("The share of users that each of ten variants is served to over 28 days")
    }

    #[expect(clippy::cast_precision_loss, reason = "days")]
    fn daily<T>(&self, of: impl Fn(&Report) -> T) -> impl Iterator<Item = (f64, T)> {
        self.reports.iter().enumerate().map(move |(day, report)| ((day + 1) as f64, of(report)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "days")]
fn last_day() -> f64 {
    DAYS as f64
}

/// Lines with their names, side by side.
pub fn legend(svg: &mut Svg, y: f64, entries: &[(&str, &str, &str)]) {
    let mut x = 62.0;
    for &(name, colour, dash) in entries {
        svg.line((x, y - 4.0), (x + 26.0, y - 4.0), colour, 2.0, dash);
        svg.text((x + 32.0, y), name, 12.0, INK, Anchor::Start);
        #[expect(clippy::cast_precision_loss, reason = "a short name")]
        let width = name.chars().count() as f64;
        x += 56.0 + 6.6 * width;
    }
}
