//! One run: one policy in one world.

use bandit::{Cell, CellTable, VariantKeys, choose};

use super::policy::Contender;
use super::results::Run;
use super::world::{Truth, World};
use crate::clock::Stopwatch;
use crate::error::Error;

/// When a policy is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Rounds in all.
    pub rounds: usize,
    /// Rounds between two trainings within the first [`Schedule::EARLY`] rounds.
    pub every: usize,
    /// The same after them.
    pub later: usize,
}

impl Schedule {
    /// Rounds that `every` holds for.
    pub const EARLY: usize = 20_000;

    /// The rounds after which a policy is trained, and the last one.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<usize> {
        let mut points = Vec::new();
        let mut at = 0;
        while at < self.rounds {
            at = (at + if at < Self::EARLY { self.every } else { self.later }).min(self.rounds);
            points.push(at);
        }
        points
    }
}

/// A run is locked in a worse variant, in a context, if its last policy serves a variant there with at least this
/// probability…
const LOCKED: f64 = 0.95;
/// …whose rate is below this share of the best one's.
const WORSE: f64 = 0.95;

/// Serves the truth's users, trained as the schedule says, and keeps the expected regret: per round, the best variant's
/// rate in the user's context less that of the variant served.
///
/// # Errors
/// [`Error`]. A fit that fails is counted and leaves the policy as it was.
pub fn simulate(
    world: &World,
    contender: &Contender,
    truth: &Truth,
    schedule: &Schedule,
    seed: u64,
) -> Result<Run, Error> {
    let (variants, keys) = (truth.space.variants(), VariantKeys::of(&truth.space)?);
    let mut counts = vec![(0_u64, 0_u64); truth.contexts.len() * variants];
    let mut served = Contender::start(&truth.space)?;
    let mut run = Run::new(world.name, contender.name, seed, schedule.rounds);
    let (mut regret, mut from) = (0.0, 0);
    for until in schedule.checkpoints() {
        for (round, user) in truth.users.iter().enumerate().take(until).skip(from) {
            let row = served.row(truth.contexts[user.context])?;
            let variant = choose(world.name, &format!("{seed}-{round}"), row, &keys);
            let rates = truth.rates(round, user.context);
            regret += best(rates).1 - rates[variant];
            let cell = &mut counts[user.context * variants + variant];
            cell.0 += 1;
            cell.1 += u64::from(user.threshold < rates[variant]);
        }
        run.curve.push(regret);
        from = until;
        let watch = Stopwatch::start();
        match contender.train(world, &truth.space, &table(truth, &counts)?, seed, until)? {
            Ok(policy) => served = policy,
            Err(cause) => {
                eprintln!("{} {} seed {seed}, round {until}: {cause}", world.name, contender.name);
                run.failures += 1;
            }
        }
        run.cpu_seconds += watch.spent().cpu;
    }
    let mut locked = 0.0;
    for (place, &context) in truth.contexts.iter().enumerate() {
        let row = served.row(context)?;
        let (favourite, rates) = (row.favourite(), truth.rates(schedule.rounds - 1, place));
        if row.probability(favourite) >= LOCKED && rates[favourite] < WORSE * best(rates).1 {
            locked += 1.0;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of contexts")]
    let contexts = truth.contexts.len() as f64;
    run.locked = locked / contexts;
    Ok(run)
}

fn best(rates: &[f64]) -> (usize, f64) {
    rates.iter().copied().enumerate().fold((0, f64::NEG_INFINITY), |b, (v, p)| if p > b.1 { (v, p) } else { b })
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn table(truth: &Truth, counts: &[(u64, u64)]) -> Result<CellTable, Error> {
    let variants = truth.space.variants();
    let cells = counts.iter().enumerate().map(|(i, &(n, converted))| Cell {
        variant: i % variants,
        context: truth.contexts[i / variants],
        n,
        sum: converted as f64,
        sum_sq: converted as f64,
    });
    Ok(CellTable::new(cells)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regret::policy::CONTENDERS;
    use crate::regret::world::WORLDS;

    #[test]
    fn checkpoints_end_with_the_last_round() {
        let schedule = Schedule { rounds: 29_000, every: 5_000, later: 4_000 };
        assert_eq!(schedule.checkpoints(), [5_000, 10_000, 15_000, 20_000, 24_000, 28_000, 29_000]);
    }

    // Uniform serving loses the mean distance to the best; 4,000 rounds have a standard error of about sd/√4000, and a
    // policy that learns loses less.
    #[test]
    fn uniform_loses_what_it_must_and_learning_less() {
        let schedule = Schedule { rounds: 4_000, every: 1_000, later: 1_000 };
        let truth = Truth::draw(&WORLDS[4], 4_000, 5).unwrap();
        let uniform = simulate(&WORLDS[4], &CONTENDERS[0], &truth, &schedule, 5).unwrap();
        let rates = truth.rates(0, 0);
        let top = best(rates).1;
        #[expect(clippy::cast_precision_loss, reason = "ten variants")]
        let per_round = rates.iter().map(|p| top - p).sum::<f64>() / rates.len() as f64;
        let expected = 4_000.0 * per_round;
        assert!((uniform.curve[3] / expected - 1.0).abs() < 0.1, "{} {expected}", uniform.curve[3]);
        assert!(uniform.locked.abs() < 1e-12);
        let beta = simulate(&WORLDS[4], &CONTENDERS[6], &truth, &schedule, 5).unwrap();
        assert!(beta.curve[3] < 0.9 * uniform.curve[3]);
        assert!((beta.curve[0] - uniform.curve[0]).abs() < 1e-9, "the first batch is uniform for all");
    }
}
