//! The environments: what is true, and who comes.

use bandit::{Columns, Space};
use rand::{Rng, RngExt};

use crate::draw::{generator, known_contexts, logit, normal, sigmoid, space};
use crate::error::Error;

/// Standard deviations of the true coefficients, in log-odds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effects {
    /// Levels of design factors.
    pub design: f64,
    /// Levels of context factors.
    pub context: f64,
    /// Pairs of levels of two design factors.
    pub design_pair: f64,
    /// Pairs of a design level and a context level.
    pub context_pair: f64,
}

/// One environment. Its truth is drawn anew for every seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct World {
    /// The name on the command line and in tables.
    pub name: &'static str,
    /// What it is, for tables.
    pub about: &'static str,
    /// Levels of the design factors.
    pub design: &'static [usize],
    /// Levels of the context factors.
    pub context: &'static [usize],
    /// Reward rate where all coefficients are 0.
    pub base: f64,
    /// The coefficients.
    pub effects: Effects,
    /// Correlation of the coefficients with those of 1,000 rounds before; 1 where nothing drifts.
    pub memory: f64,
    /// Relative regret that `exploration` 1 and 0.5 may have, where a bound is set.
    pub bounds: Option<(f64, f64)>,
}

const fn same(main: f64, pair: f64) -> Effects {
    Effects { design: main, context: main, design_pair: pair, context_pair: pair }
}

const FULL: World = World {
    name: "full",
    about: "mains 0.5, pairs 0.25, base rate 5 %",
    design: &[5, 2],
    context: &[4, 3],
    base: 0.05,
    effects: same(0.5, 0.25),
    memory: 1.0,
    bounds: Some((0.21, 0.17)),
};

/// All environments; the first four have bounds.
pub const WORLDS: [World; 10] = [
    FULL,
    World { name: "mains", about: "mains 0.5 only", effects: same(0.5, 0.0), bounds: Some((0.22, 0.18)), ..FULL },
    World {
        name: "strong",
        about: "mains 0.5, pairs 0.5",
        effects: same(0.5, 0.5),
        bounds: Some((0.15, 0.12)),
        ..FULL
    },
    World {
        name: "weak",
        about: "mains 0.25, pairs 0.08",
        effects: same(0.25, 0.08),
        bounds: Some((0.36, 0.28)),
        ..FULL
    },
    World {
        name: "additive",
        about: "design mains 0.5, no context effect",
        effects: Effects { design: 0.5, context: 0.0, design_pair: 0.0, context_pair: 0.0 },
        bounds: None,
        ..FULL
    },
    World {
        name: "interactions",
        about: "design mains 0.25, design pairs 0.5, no context effect",
        effects: Effects { design: 0.25, context: 0.0, design_pair: 0.5, context_pair: 0.0 },
        bounds: None,
        ..FULL
    },
    World {
        name: "contextual",
        about: "mains 0.25, design × context pairs 0.5",
        effects: Effects { design: 0.25, context: 0.25, design_pair: 0.0, context_pair: 0.5 },
        bounds: None,
        ..FULL
    },
    World { name: "sparse", about: "as full, base rate 1 %", base: 0.01, bounds: None, ..FULL },
    World { name: "hundred", about: "as full, 10 × 10 design", design: &[10, 10], bounds: None, ..FULL },
    World {
        name: "drifting",
        about: "as full, coefficients correlated 0.97 with those of 1,000 rounds before",
        memory: 0.97,
        bounds: None,
        ..FULL
    },
];

/// Rounds between two moves of a drifting truth.
pub const BLOCK: usize = 1_000;

/// A user: where they come from, and how easily they convert. The same for every policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct User {
    /// Place in [`Truth::contexts`].
    pub context: usize,
    /// The user converts under a variant of rate p if this is below p.
    pub threshold: f64,
}

/// A world drawn for one seed, with its users.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The factors.
    pub space: Space,
    /// Contexts that users come from, all alike often.
    pub contexts: Vec<u64>,
    /// For each block of [`BLOCK`] rounds: rates, contexts × variants.
    pub rates: Vec<Vec<f64>>,
    /// One per round.
    pub users: Vec<User>,
}

impl Truth {
    /// Draws the world's coefficients and its users.
    ///
    /// # Errors
    /// [`Error::Factors`], which the worlds above rule out.
    pub fn draw(world: &World, rounds: usize, seed: u64) -> Result<Self, Error> {
        let space = space(world.design, world.context)?;
        let contexts = known_contexts(&space);
        let number = seed.to_string();
        let mut rng = generator(0, &["world", world.name, &number]);
        let scales = scales(&space, &world.effects);
        // Nothing is drawn for unknown levels, which nobody has here.
        let mut beta: Vec<f64> = scales.iter().map(|s| s.map_or(0.0, |s| s * normal(&mut rng))).collect();
        let mut rates = Vec::new();
        for _ in 0..rounds.div_ceil(BLOCK) {
            rates.push(rates_of(&space, &contexts, world.base, &beta));
            let fresh = (1.0 - world.memory * world.memory).sqrt();
            for (b, s) in beta.iter_mut().zip(&scales).filter_map(|(b, s)| Some((b, (*s)?))) {
                *b = world.memory * *b + fresh * s * normal(&mut rng);
            }
        }
        let mut rng = generator(0, &["users", world.name, &number]);
        let users = (0..rounds)
            .map(|_| User { context: rng.random_range(0..contexts.len()), threshold: rng.random() })
            .collect();
        Ok(Self { space, contexts, rates, users })
    }

    /// The rates of one context (its place) in a round: one per variant.
    #[must_use]
    pub fn rates(&self, round: usize, context: usize) -> &[f64] {
        let variants = self.space.variants();
        let block = &self.rates[(round / BLOCK).min(self.rates.len() - 1)];
        &block[context * variants..(context + 1) * variants]
    }
}

/// Standard deviation of every column's coefficient; 0 for the intercept, which is the base rate; none for unknown levels.
fn scales(space: &Space, effects: &Effects) -> Vec<Option<f64>> {
    let columns = Columns::of(space);
    let scale = |column: bandit::Column| match column {
        bandit::Column::Intercept => 0.0,
        bandit::Column::Context { .. } => effects.context,
        bandit::Column::Design { .. } => effects.design,
        bandit::Column::DesignPair { .. } => effects.design_pair,
        bandit::Column::ContextPair { .. } => effects.context_pair,
    };
    columns.describe().into_iter().map(|c| (!columns.is_unknown(&c)).then(|| scale(c))).collect()
}

fn rates_of(space: &Space, contexts: &[u64], base: f64, beta: &[f64]) -> Vec<f64> {
    let columns = Columns::of(space);
    let mut rates = Vec::with_capacity(contexts.len() * space.variants());
    for &context in contexts {
        let levels = space.decode_context(context);
        for variant in 0..space.variants() {
            let active = columns.active(&space.decode_variant(variant), &levels);
            rates.push(sigmoid(logit(base) + active.into_iter().map(|j| beta[j]).sum::<f64>()));
        }
    }
    rates
}

/// A generator for what a policy draws itself, apart from all others.
pub fn policy_generator(world: &World, policy: &str, seed: u64, round: usize) -> impl Rng {
    generator(0, &["policy", world.name, policy, &seed.to_string(), &round.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_have_unique_names_and_four_bounds() {
        for (i, world) in WORLDS.iter().enumerate() {
            assert!(WORLDS[..i].iter().all(|w| w.name != world.name));
            assert_eq!(world.bounds.is_some(), i < 4);
        }
    }

    #[test]
    fn only_a_drifting_world_moves() {
        for world in &WORLDS {
            let truth = Truth::draw(world, 2_500, 7).unwrap();
            assert_eq!((truth.rates.len(), truth.users.len()), (3, 2_500));
            assert_eq!(truth.rates[0] == truth.rates[1], world.memory >= 1.0, "{}", world.name);
            assert_eq!(truth.rates(1_200, 3), &truth.rates[1][3 * truth.space.variants()..4 * truth.space.variants()]);
        }
    }

    #[test]
    fn without_context_effects_all_contexts_are_alike() {
        let truth = Truth::draw(&WORLDS[4], 1_000, 1).unwrap();
        assert_eq!(truth.rates(0, 0), truth.rates(0, 11));
        let full = Truth::draw(&WORLDS[0], 1_000, 1).unwrap();
        assert_ne!(full.rates(0, 0), full.rates(0, 11));
    }
}
