//! What visitors of the demonstration's page saw and did, drawn from the truth.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::truth;

/// Days of traffic.
pub(super) const DAYS: u32 = 14;

pub(super) const DAY_MILLIS: u32 = 86_400_000;
const END_MILLIS: u32 = DAYS * DAY_MILLIS;
/// Chance of one more exposure after each.
const COMES_BACK: f64 = 0.2;
/// Chance that an exposure converts after the window of a day.
const CONVERTS_LATE: f64 = 0.004;
/// Chance that a visitor converted before the experiment showed anything.
const CONVERTED_BEFORE: f64 = 0.002;

/// One exposure: milliseconds since the beginning, visitor, variant, context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exposure {
    pub(super) at: u32,
    pub(super) visitor: u32,
    pub(super) variant: u16,
    pub(super) context: u16,
}

/// One reward: milliseconds since the beginning, visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reward {
    pub(super) at: u32,
    pub(super) visitor: u32,
}

/// All traffic, in the order of time. A row is 8 or 12 bytes; texts are made when a file is written.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) beginning: DateTime<Utc>,
    pub(super) exposures: Vec<Exposure>,
    pub(super) rewards: Vec<Reward>,
    /// By their numbers.
    pub(super) visitors: Vec<Visitor>,
}

/// What a visitor is shown, and whether that is because of being held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) variant: usize,
    pub(super) held_out: bool,
}

impl Traffic {
    /// Draws `count` exposures and their rewards over the days from `beginning` on; nobody is held out.
    pub(super) fn draw(beginning: DateTime<Utc>, count: usize, seed: u64) -> Self {
        Self::draw_with(beginning, count, seed, 0.0)
    }

    /// The same, with a share of visitors who see the page as it was.
    pub(super) fn draw_with(beginning: DateTime<Utc>, count: usize, seed: u64, holdout: f64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let shares: Vec<f64> = (0..truth::contexts()).map(truth::share).collect();
        let mut exposures = Vec::with_capacity(count);
        let mut rewards = Vec::new();
        let (mut visitor, mut visitors) = (0, Vec::new());
        while exposures.len() < count {
            let context = pick(&shares, rng.random());
            // A visitor sees the same page again.
            let held_out = holdout > 0.0 && rng.random_bool(holdout);
            let variant = if held_out { 0 } else { rng.random_range(0..truth::variants()) };
            visitors.push(Visitor { variant, held_out });
            let rate = truth::rate(variant, context);
            let mut at = arrival(&mut rng);
            if rng.random_bool(CONVERTED_BEFORE) {
                rewards.push(Reward { at: at.saturating_sub(minutes(rng.random_range(5.0..2880.0))), visitor });
            }
            loop {
                #[expect(clippy::cast_possible_truncation, reason = "there are 12 variants and 6 contexts")]
                exposures.push(Exposure { at, visitor, variant: variant as u16, context: context as u16 });
                let mut convert = |delay: u32| {
                    if at + delay < END_MILLIS {
                        rewards.push(Reward { at: at + delay, visitor });
                    }
                };
                if rng.random_bool(rate) {
                    convert(decision_time(&mut rng));
                } else if rng.random_bool(CONVERTS_LATE) {
                    convert(minutes(rng.random_range(1500.0..4320.0)));
                }
                let back = at + minutes(rng.random_range(1500.0..5760.0));
                if exposures.len() == count || back >= END_MILLIS || !rng.random_bool(COMES_BACK) {
                    break;
                }
                at = back;
            }
            visitor += 1;
        }
        exposures.sort_unstable();
        rewards.sort_unstable();
        Self { beginning, exposures, rewards, visitors }
    }

    /// The moment of a row.
    pub(super) fn moment(&self, at: u32) -> i64 {
        (self.beginning + TimeDelta::milliseconds(i64::from(at))).timestamp_millis()
    }

    /// The exposures of a day.
    pub(super) fn exposures_on(&self, day: u32) -> &[Exposure] {
        of_day(&self.exposures, day, |e| e.at)
    }

    /// The rewards of a day.
    pub(super) fn rewards_on(&self, day: u32) -> &[Reward] {
        of_day(&self.rewards, day, |r| r.at)
    }
}

fn of_day<T>(rows: &[T], day: u32, at: impl Fn(&T) -> u32) -> &[T] {
    let first = rows.partition_point(|row| at(row) < day * DAY_MILLIS);
    let end = rows.partition_point(|row| at(row) < (day + 1) * DAY_MILLIS);
    &rows[first..end]
}

/// The index into shares that a number in 0…1 falls on.
pub(super) fn pick(shares: &[f64], u: f64) -> usize {
    let mut sum = 0.0;
    let found = shares.iter().position(|share| {
        sum += share;
        u < sum
    });
    found.unwrap_or(shares.len() - 1)
}

/// A moment of the first visit: more by day than by night.
fn arrival(rng: &mut ChaCha12Rng) -> u32 {
    loop {
        let at = rng.random_range(0..END_MILLIS);
        let hour = f64::from(at % DAY_MILLIS) / 3_600_000.0;
        let traffic = 0.55 + 0.45 * ((hour - 15.0) * std::f64::consts::TAU / 24.0).cos();
        if rng.random_bool(traffic) {
            return at;
        }
    }
}

/// How long a visitor thinks: minutes for most, hours for some, within the window of a day.
fn decision_time(rng: &mut ChaCha12Rng) -> u32 {
    let u: f64 = rng.random_range(0.0..1.0);
    // A power of a uniform number: median 5 minutes, mean an hour and a half.
    minutes(0.5 + 1439.0 * u.powi(8))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most four days, not negative")]
fn minutes(count: f64) -> u32 {
    (count * 60_000.0) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn traffic() -> Traffic {
        Traffic::draw("2026-11-01T00:00:00Z".parse().unwrap(), 100_000, 7)
    }

    #[test]
    fn the_days_hold_all_rows_once() {
        let traffic = traffic();
        assert_eq!(traffic.exposures.len(), 100_000);
        let exposures: usize = (0..DAYS).map(|day| traffic.exposures_on(day).len()).sum();
        let rewards: usize = (0..DAYS).map(|day| traffic.rewards_on(day).len()).sum();
        assert_eq!((exposures, rewards), (traffic.exposures.len(), traffic.rewards.len()));
        assert!((0..DAYS).all(|day| traffic.exposures_on(day).len() > 1_000));
    }

    #[test]
    fn the_same_seed_is_the_same_traffic() {
        let (one, two) = (traffic(), traffic());
        assert_eq!((one.exposures, one.rewards), (two.exposures, two.rewards));
    }

    #[test]
    fn some_conversions_are_late_and_some_before_any_exposure() {
        let traffic = traffic();
        let mut seen: HashMap<u32, Vec<u32>> = HashMap::new();
        for exposure in &traffic.exposures {
            seen.entry(exposure.visitor).or_default().push(exposure.at);
        }
        let (mut before, mut late) = (0, 0);
        for reward in &traffic.rewards {
            match seen[&reward.visitor].iter().rev().find(|&&at| at <= reward.at) {
                None => before += 1,
                Some(&at) if reward.at - at > DAY_MILLIS => late += 1,
                Some(_) => {}
            }
        }
        assert!(before > 50 && late > 100, "{before} before, {late} late");
    }

    /// The credited rate of every variant is within five standard errors of its true rate. A right generator fails this
    /// for one seed in 100,000; the seed is fixed.
    #[test]
    fn rates_are_the_true_ones() {
        let traffic = traffic();
        let mut converted: HashMap<u32, Vec<u32>> = HashMap::new();
        for reward in &traffic.rewards {
            converted.entry(reward.visitor).or_default().push(reward.at);
        }
        let mut counts = vec![(0_u32, 0_u32); truth::variants()];
        for exposure in &traffic.exposures {
            let rewards = converted.get(&exposure.visitor).map_or(&[][..], Vec::as_slice);
            let credited = rewards.iter().any(|&at| (exposure.at..=exposure.at + DAY_MILLIS).contains(&at));
            let (n, s) = &mut counts[usize::from(exposure.variant)];
            *n += 1;
            *s += u32::from(credited);
        }
        for (variant, (n, s)) in counts.into_iter().enumerate() {
            let (rate, truth) = (f64::from(s) / f64::from(n), truth::overall(variant));
            let error = (truth * (1.0 - truth) / f64::from(n)).sqrt();
            assert!((rate - truth).abs() < 5.0 * error, "variant {variant}: {rate} against {truth}");
        }
    }
}
