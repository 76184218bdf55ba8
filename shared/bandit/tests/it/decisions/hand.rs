//! Posteriors made by hand, and naive formulas to hold results against.

use std::collections::BTreeMap;

use bandit::{
    Cell, CellTable, Column, Columns, CompileLimits, Diagnostics, Dtype, Factor, Link, PolicyOptions, Posterior,
    Predictor, Space, Step,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A factor with levels `0`, `1`, ….
pub fn factor(name: &str, levels: usize) -> Factor {
    Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap()
}

/// Factors d0, d1, … and c0, c1, … with so many levels.
pub fn space(design: &[usize], context: &[usize]) -> Space {
    let named = |prefix: &str, levels: &[usize]| {
        levels.iter().enumerate().map(|(i, &l)| factor(&format!("{prefix}{i}"), l)).collect::<Vec<_>>()
    };
    Space::new(named("d", design), named("c", context)).unwrap()
}

/// A standard normal number (Box–Muller).
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// A posterior from its draws.
pub fn from_draws(predictor: Predictor, link: Link, columns: usize, draws: Vec<f32>) -> Posterior {
    Posterior::of_draws(predictor, link, columns, draws, Diagnostics::new(Step::Exact))
}

/// Independent normal coefficients: column means drawn once with `spread`, draws about them with `width`.
pub fn random_columns(space: &Space, link: Link, draws: usize, spread: f64, width: f64, seed: u64) -> Posterior {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let columns = space.columns();
    let means: Vec<f64> = (0..columns).map(|_| spread * normal(&mut rng)).collect();
    let draws =
        (0..draws).flat_map(|_| means.iter().map(|m| (m + width * normal(&mut rng)) as f32).collect::<Vec<_>>());
    let draws = draws.collect();
    from_draws(Predictor::Columns, link, columns, draws)
}

/// Independent normal arms.
pub fn random_arms(space: &Space, link: Link, draws: usize, seed: u64) -> Posterior {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draws = (0..draws * space.variants()).map(|_| normal(&mut rng) as f32).collect();
    from_draws(Predictor::Arms, link, space.variants(), draws)
}

/// Cells with random counts over the given contexts, some variants without a trial.
pub fn random_cells(space: &Space, contexts: &[u64], seed: u64) -> CellTable {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut cells = Vec::new();
    for &context in contexts {
        for variant in 0..space.variants() {
            let n: u64 = rng.random_range(0..40);
            let sum = rng.random_range(0..=n) as f64;
            cells.push(Cell { variant, context, n, sum, sum_sq: sum });
        }
    }
    cells.push(Cell { variant: 0, context: contexts[0], n: 1, sum: 1.0, sum_sq: 1.0 });
    CellTable::new(cells).unwrap()
}

/// Options with the given bias and exploration.
pub fn options(bias: &BTreeMap<String, f64>, exploration: f64) -> PolicyOptions<'_> {
    PolicyOptions { bias, exploration, minimum_share: 0.0, limits: CompileLimits::default(), threads: 1 }
}

/// The location of a cell in a draw whose deviations are multiplied, from the list of active columns, in doubles.
pub fn location(
    space: &Space,
    posterior: &Posterior,
    draw: usize,
    variant: usize,
    context: u64,
    multiplier: impl Fn(usize) -> f64,
) -> f64 {
    let active = match posterior.predictor {
        Predictor::Arms => vec![variant],
        Predictor::Columns => Columns::of(space).active(&space.decode_variant(variant), &space.decode_context(context)),
    };
    active
        .into_iter()
        .map(|j| posterior.mean[j] + multiplier(j) * (f64::from(posterior.draw(draw)[j]) - posterior.mean[j]))
        .sum()
}

/// Expected reward of a location.
pub fn reward(link: Link, location: f64) -> f64 {
    match link {
        Link::Logit => 1.0 / (1.0 + (-location).exp()),
        Link::Identity { center, scale } => center + scale * location,
        Link::Log => location.exp(),
    }
}

/// Names of the factors that a column involves; all design factors for an arm.
pub fn involved(space: &Space, posterior: &Posterior, column: usize) -> Vec<String> {
    let d = |i: usize| space.design()[i].name().to_owned();
    let c = |i: usize| space.context()[i].name().to_owned();
    match posterior.predictor {
        Predictor::Arms => space.design().iter().map(|f| f.name().to_owned()).collect(),
        Predictor::Columns => match Columns::of(space).describe()[column] {
            Column::Intercept => vec![],
            Column::Context { factor, .. } => vec![c(factor)],
            Column::Design { factor, .. } => vec![d(factor)],
            Column::DesignPair { first, second } => vec![d(first.0), d(second.0)],
            Column::ContextPair { design, context } => vec![d(design.0), c(context.0)],
        },
    }
}

/// Counts of the best variant over the draws by three loops; the lowest of equals.
pub fn naive_counts(
    space: &Space,
    posterior: &Posterior,
    context: u64,
    multiplier: impl Fn(usize) -> f64 + Copy,
) -> Vec<u32> {
    let mut counts = vec![0; space.variants()];
    for s in 0..posterior.len() {
        let mut best = (f64::NEG_INFINITY, 0);
        for v in space.allowed() {
            let at = location(space, posterior, s, v, context, multiplier);
            if at > best.0 {
                best = (at, v);
            }
        }
        counts[best.1] += 1;
    }
    counts
}
