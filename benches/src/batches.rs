//! A mab in batches: worlds whose base rates move, revenue, and how often intervals hold the truth while the bandit itself
//! decides who is seen.

use bandit::time::{MOST_STRATA, StrataRule, VersionInForce, strata};
use bandit::{
    Cell, CellTable, Distribution, ModelType, Policy, Posterior, Prior, RewardType, Seed, Settings, Space, Stratum,
    StratumCell, Training, TrainingOptions, train,
};
use rand::Rng;

use crate::calibration::Estimate;
use crate::draw::{binomial, generator, logit, normal, sigmoid, space};
use crate::error::Error;
use crate::pool;

/// A world of arms whose differences stay while what they have in common may move.
#[derive(Clone, Copy, Debug)]
struct World {
    name: &'static str,
    arms: usize,
    batches: usize,
    /// Trials of a batch.
    trials: u64,
    /// The rate of an arm without an effect in a batch.
    base: fn(usize) -> f64,
    /// Standard deviation of the arms' effects in log-odds.
    effect: f64,
    /// Of revenue: standard deviations of the arms' effects on the logarithm of the amount, and of the logarithm of an amount.
    amounts: Option<(f64, f64)>,
}

const CONVERSIONS: World =
    World { name: "stationary", arms: 6, batches: 28, trials: 1_000, base: |_| 0.06, effect: 0.2, amounts: None };

/// In which base rates move, or do not; and revenue.
const DRIFT: [World; 6] = [
    CONVERSIONS,
    World { name: "falling", base: |b| 0.12 * 0.95_f64.powi(small(b)), ..CONVERSIONS },
    World { name: "rising", base: |b| 0.03 * 1.05_f64.powi(small(b)), ..CONVERSIONS },
    World { name: "weekly", base: |b| if b % 7 < 5 { 0.08 } else { 0.03 }, ..CONVERSIONS },
    World { name: "season step", base: |b| if b < 10 { 0.12 } else { 0.04 }, ..CONVERSIONS },
    World { name: "revenue", trials: 600, base: |_| 0.03, amounts: Some((0.2, 1.5)), ..CONVERSIONS },
];

/// Ten adaptive batches at one size of effects.
const ADAPTIVE: [World; 4] = [
    World { name: "0", batches: 10, effect: 0.0, ..CONVERSIONS },
    World { name: "0.02", batches: 10, effect: 0.02, ..CONVERSIONS },
    World { name: "0.1", batches: 10, effect: 0.1, ..CONVERSIONS },
    World { name: "0.4", batches: 10, effect: 0.4, ..CONVERSIONS },
];

fn small(batch: usize) -> i32 {
    i32::try_from(batch).unwrap_or(i32::MAX)
}

/// What one run comes to.
#[derive(Clone, Debug, Default)]
struct Run {
    /// Relative to serving evenly.
    regret: f64,
    /// What the last policy serves of the arm that is the best.
    best: f64,
    /// Whether the intervals of each arm's mean, of `expected_reward`, and of each arm's advantage over the first hold it.
    means: Vec<bool>,
    value: bool,
    lifts: Vec<bool>,
}

/// Mean of a reward in a batch, by arm.
type Means = Vec<Vec<f64>>;

/// A world's arms, and their log-odds and log-amounts beside the base.
struct Truth {
    odds: Vec<f64>,
    amounts: Vec<f64>,
}

impl Truth {
    fn draw(world: &World, rng: &mut impl Rng) -> Self {
        let mut of = |sd: f64| (0..world.arms).map(|_| sd * normal(rng)).collect::<Vec<f64>>();
        Self { odds: of(world.effect), amounts: of(world.amounts.map_or(0.0, |a| a.0)) }
    }

    fn rate(&self, world: &World, batch: usize, arm: usize) -> f64 {
        sigmoid(logit((world.base)(batch)) + self.odds[arm])
    }

    /// An amount's mean is 50 where an arm has no effect.
    fn means(&self, world: &World) -> Means {
        let amount = |arm: usize| if world.amounts.is_some() { 50.0 * self.amounts[arm].exp() } else { 1.0 };
        let of = |batch| (0..world.arms).map(|arm| self.rate(world, batch, arm) * amount(arm)).collect();
        (0..world.batches).map(of).collect()
    }
}

/// One run: a batch is served by the policy in force, then the model is trained on all so far.
fn run(world: &World, rule: StrataRule, seed: u64, every: usize) -> Result<Run, Error> {
    let space = space(&[world.arms], &[])?;
    let number = seed.to_string();
    let mut rng = generator(seed, &["batches", world.name]);
    let truth = Truth::draw(world, &mut rng);
    let means = truth.means(world);
    let reward = if world.amounts.is_some() { RewardType::Numeric } else { RewardType::Bool };
    let settings = Settings {
        model_type: ModelType::Mab,
        reward,
        distribution: Distribution::TwoPart,
        prior: Prior::default(),
        exploration: 1.0,
    };
    let mut policies = vec![Policy::uniform(&space).ok_or(Error::NoRow { context: 0 })?];
    let mut in_force: Vec<usize> = Vec::new();
    let mut counted: Vec<(usize, Cell, u64)> = Vec::new();
    let (mut lost, mut even, mut last) = (0.0, 0.0, None);
    for (batch, means) in means.iter().enumerate() {
        in_force.push(policies.len() - 1);
        let row = policies[policies.len() - 1].row(0).ok_or(Error::NoRow { context: 0 })?;
        let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let served: Vec<f64> = (0..world.arms).map(|arm| row.probability(arm)).collect();
        lost += best - served.iter().zip(means).map(|(p, mean)| p * mean).sum::<f64>();
        even += best - means.iter().sum::<f64>() / f64::from(small(world.arms));
        counted.extend(observe(world, &truth, batch, &served, &mut rng)?);
        if (batch + 1) % every == 0 || batch + 1 == world.batches {
            let table = table(rule, &policies, &in_force, &counted)?;
            let origin = Seed::derive(&["batches", world.name, &number, &batch.to_string()]);
            let training = train(&space, &table, &settings, &TrainingOptions::default(), &origin)?;
            policies.push(training.policy.clone());
            last = Some((training, table));
        }
    }
    let Some((training, table)) = last else { return Ok(Run::default()) };
    let mut run = compare(&space, &training, &table, &means, &counted)?;
    // Where all arms are alike there is nothing to lose.
    run.regret = if even > 0.0 { lost / even } else { 0.0 };
    Ok(run)
}

/// What is seen in a batch.
fn observe(
    world: &World,
    truth: &Truth,
    batch: usize,
    served: &[f64],
    rng: &mut impl Rng,
) -> Result<Vec<(usize, Cell, u64)>, Error> {
    let (mut left, mut share) = (world.trials, 1.0);
    let mut cells = Vec::with_capacity(served.len());
    for (variant, &p) in served.iter().enumerate() {
        let n = if share <= p { left } else { binomial(left, p / share, rng)? };
        (left, share) = (left - n, share - p);
        let z = binomial(n, truth.rate(world, batch, variant), rng)?;
        let (mut sum, mut sum_sq) = (0.0, 0.0);
        for _ in 0..z {
            let amount = world
                .amounts
                .map_or(1.0, |(_, sd)| 50.0 * (truth.amounts[variant] + sd * normal(rng) - 0.5 * sd * sd).exp());
            (sum, sum_sq) = (sum + amount, sum_sq + amount * amount);
        }
        if n > 0 {
            cells.push((batch, Cell { variant, context: 0, n, sum, sum_sq }, z));
        }
    }
    Ok(cells)
}

/// A batch is a day.
fn table(
    rule: StrataRule,
    policies: &[Policy],
    in_force: &[usize],
    counted: &[(usize, Cell, u64)],
) -> Result<CellTable, Error> {
    let day = |batch: usize| i64::from(small(batch)) * 86_400;
    let periods: Vec<Stratum> = (0..in_force.len()).map(|b| Stratum { from: day(b), to: day(b + 1) }).collect();
    let versions: Vec<VersionInForce<'_>> = in_force
        .iter()
        .enumerate()
        .map(|(b, &p)| VersionInForce { from: day(b), policy: Some(&policies[p]) })
        .collect();
    let found = strata(rule, &periods, &versions, &[(0, 1)], MOST_STRATA);
    let cells = counted.iter().map(|&(batch, cell, z)| StratumCell {
        stratum: found.of_period[batch],
        nonzero: Some(z),
        ..cell.into()
    });
    Ok(CellTable::stratified(found.spans.clone(), 0.0, cells)?)
}

/// Holds the last report against the truth at the calendar of the data.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn compare(
    space: &Space,
    training: &Training,
    table: &CellTable,
    means: &Means,
    counted: &[(usize, Cell, u64)],
) -> Result<Run, Error> {
    let mut by_batch = vec![0.0; means.len()];
    for (batch, cell, _) in counted {
        by_batch[*batch] += cell.n as f64 / table.trials() as f64;
    }
    let truths: Vec<f64> = (0..space.variants())
        .map(|arm| by_batch.iter().zip(means).map(|(share, means)| share * means[arm]).sum())
        .collect();
    let variants = &training.report.variants;
    let holds = |low: f64, high: f64, truth: f64| low <= truth && truth <= high;
    let row = training.policy.row(0).ok_or(Error::NoRow { context: 0 })?;
    let value: f64 = truths.iter().enumerate().map(|(arm, truth)| row.probability(arm) * truth).sum();
    let found = training.metrics.expected_reward;
    let best = (0..truths.len()).fold(0, |b, arm| if truths[arm] > truths[b] { arm } else { b });
    let posterior = &training.posterior;
    let lift = |arm: usize| {
        let of = |part: &Posterior, s: usize| f64::from(part.draw(s)[arm]) - f64::from(part.draw(s)[0]);
        let mut draws: Vec<f64> = (0..posterior.len())
            .map(|s| of(posterior, s) + posterior.amount.as_deref().map_or(0.0, |amount| of(amount, s)))
            .collect();
        draws.sort_by(f64::total_cmp);
        let first = &means[0];
        // On the scale of the locations: log-odds, and log-amounts where there are some.
        let truth =
            if posterior.amount.is_some() { (first[arm] / first[0]).ln() } else { logit(first[arm]) - logit(first[0]) };
        holds(draws[draws.len() / 40], draws[draws.len() - 1 - draws.len() / 40], truth)
    };
    Ok(Run {
        regret: 0.0,
        best: row.probability(best),
        means: variants
            .iter()
            .zip(&truths)
            .map(|(v, &truth)| holds(v.expected_reward_lo, v.expected_reward_hi, truth))
            .collect(),
        value: holds(found.ci_lower, found.ci_upper, value),
        lifts: (1..space.variants()).map(lift).collect(),
    })
}

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Origin of the randomness; runs of two rules have the same worlds.
    pub seed: u64,
    /// Runs of each world and rule.
    pub runs: u64,
    /// Batches between two trainings.
    pub every: usize,
    /// Threads.
    pub threads: usize,
}

/// Regret and coverage where base rates move, pooled and by strata.
///
/// # Errors
/// [`Error`]
pub fn drift(options: &Options) -> Result<(), Error> {
    table_of(&DRIFT, options)
}

/// Coverage at fixed effects while the bandit decides.
///
/// # Errors
/// [`Error`]
pub fn adaptive(options: &Options) -> Result<(), Error> {
    table_of(&ADAPTIVE, options)
}

fn table_of(worlds: &[World], options: &Options) -> Result<(), Error> {
    println!("| world | strata | regret | best arm below 1 % | means | expected reward | lifts |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for world in worlds {
        for rule in [StrataRule::None, StrataRule::Auto] {
            let count = usize::try_from(options.runs).unwrap_or(usize::MAX);
            let mut runs = vec![Run::default(); count];
            pool::run(
                count,
                options.threads,
                |i| run(world, rule, options.seed + i as u64, options.every),
                |i, found| {
                    runs[i] = found;
                    Ok(())
                },
            )?;
            let share = |held: &[bool]| {
                f64::from(small(held.iter().filter(|h| **h).count())) / f64::from(small(held.len().max(1)))
            };
            let of = |value: &dyn Fn(&Run) -> f64| Estimate::of(&runs.iter().map(value).collect::<Vec<f64>>());
            let show = |e: Estimate| format!("{:.3} ± {:.3}", e.mean, e.error);
            println!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                world.name,
                if rule == StrataRule::None { "none" } else { "auto" },
                show(of(&|r| r.regret)),
                show(of(&|r| f64::from(u8::from(r.best < 0.01)))),
                show(of(&|r| share(&r.means))),
                show(of(&|r| f64::from(u8::from(r.value)))),
                show(of(&|r| share(&r.lifts))),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_follows_its_seed_and_loses_less_than_serving_evenly() {
        let world = World { batches: 6, trials: 4_000, effect: 0.5, ..CONVERSIONS };
        let of = |seed| run(&world, StrataRule::Auto, seed, 1).unwrap();
        let (once, again, other) = (of(3), of(3), of(4));
        assert!((once.regret - again.regret).abs() < 1e-12 && (once.regret - other.regret).abs() > 1e-6);
        assert!(once.regret > 0.1 && once.regret < 0.9, "{}", once.regret);
        assert_eq!((once.means.len(), once.lifts.len()), (6, 5));
    }
}
