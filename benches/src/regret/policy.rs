//! What is compared: our model, and yardsticks.

use std::collections::BTreeMap;

use bandit::{
    CellTable, CompileLimits, Distribution, ModelType, Policy, PolicyOptions, Prior, RewardType, Row, Seed, Settings,
    Space, fit,
};

use super::world::{World, policy_generator};
use crate::draw::logit_beta;
use crate::error::Error;

/// A way to serve variants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contender {
    /// The name on the command line and in tables.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Uniform,
    /// Beta(1, 1) arms, one per variant, without context; P(best) from 10,000 draws.
    BetaThompson,
    /// The crate's models.
    Model {
        model_type: ModelType,
        prior: Prior,
        exploration: f64,
    },
}

const LEARNED: Prior = Prior { main_scale: 0.5, pair_scale: 0.25, fixed: false };

/// The baseline of relative regret.
pub const UNIFORM: &str = "uniform";

/// All of them; [`UNIFORM`] first.
pub const CONTENDERS: [Contender; 7] = [
    Contender { name: UNIFORM, kind: Kind::Uniform },
    Contender { name: "cmab-1", kind: model(LEARNED, 1.0) },
    Contender { name: "cmab-0.5", kind: model(LEARNED, 0.5) },
    Contender { name: "fixed-scales", kind: model(Prior { fixed: true, ..LEARNED }, 1.0) },
    // A pair's scale so small that no pair is ever learned.
    Contender { name: "mains-only", kind: model(Prior { main_scale: 0.5, pair_scale: 1e-3, fixed: true }, 1.0) },
    Contender { name: "mab", kind: Kind::Model { model_type: ModelType::Mab, prior: LEARNED, exploration: 1.0 } },
    Contender { name: "beta-thompson", kind: Kind::BetaThompson },
];

const fn model(prior: Prior, exploration: f64) -> Kind {
    Kind::Model { model_type: ModelType::Cmab, prior, exploration }
}

/// Draws that P(best) of the yardstick is counted from, as many as a fit has.
const DRAWS: usize = 10_000;

/// What is served: one row per context.
#[derive(Clone, Debug)]
pub enum Served {
    /// A policy table.
    Table(Policy),
    /// One row for all contexts.
    Row(Row),
}

impl Served {
    /// The row of a context.
    ///
    /// # Errors
    /// [`Error::NoRow`].
    pub fn row(&self, context: u64) -> Result<bandit::RowRef<'_>, Error> {
        match self {
            Self::Table(policy) => policy.row(context).ok_or(Error::NoRow { context }),
            Self::Row(row) => Ok(row.as_ref()),
        }
    }
}

impl Contender {
    /// What is served before anything is known: every variant alike.
    ///
    /// # Errors
    /// [`Error::NoRow`], where there is no variant.
    pub fn start(space: &Space) -> Result<Served, Error> {
        Policy::uniform(space).map(Served::Table).ok_or(Error::NoRow { context: 0 })
    }

    /// Trains on all that was seen. `Ok(Err)`: the fit failed, and what was served is to be served on.
    ///
    /// # Errors
    /// Everything else.
    pub fn train(
        &self,
        world: &World,
        space: &Space,
        cells: &CellTable,
        seed: u64,
        round: usize,
    ) -> Result<Result<Served, bandit::FitError>, Error> {
        match self.kind {
            Kind::Uniform => Ok(Ok(Self::start(space)?)),
            Kind::BetaThompson => beta_thompson(world, space, cells, seed, round).map(Ok),
            Kind::Model { model_type, prior, exploration } => {
                let settings = Settings {
                    model_type,
                    reward: RewardType::Bool,
                    distribution: Distribution::Auto,
                    prior,
                    exploration,
                };
                // The same seed for the same model at another exploration: they differ by it alone.
                let origin = Seed::derive(&["regret", world.name, &seed.to_string(), &round.to_string()]);
                let posterior = match fit(space, cells, &settings, &origin) {
                    Ok(posterior) => posterior,
                    Err(cause) => return Ok(Err(cause)),
                };
                let none = BTreeMap::new();
                let limits = CompileLimits::default();
                let options = PolicyOptions { bias: &none, exploration, minimum_share: 0.0, limits, threads: 1 };
                Ok(Ok(Served::Table(Policy::compile(space, cells, &posterior, &options)?)))
            }
        }
    }
}

fn beta_thompson(world: &World, space: &Space, cells: &CellTable, seed: u64, round: usize) -> Result<Served, Error> {
    let mut arms = vec![(1.0, 1.0); space.variants()];
    for cell in cells.cells() {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let failed = cell.n as f64 - cell.sum;
        arms[cell.variant].0 += cell.sum;
        arms[cell.variant].1 += failed;
    }
    let mut rng = policy_generator(world, "beta-thompson", seed, round);
    let mut counts = vec![0; arms.len()];
    for _ in 0..DRAWS {
        let mut best = (f64::NEG_INFINITY, 0);
        for (v, &(a, b)) in arms.iter().enumerate() {
            let location = logit_beta(a, b, &mut rng)?;
            if location > best.0 {
                best = (location, v);
            }
        }
        counts[best.1] += 1;
    }
    Row::from_counts(&counts).map(Served::Row).ok_or(Error::NoRow { context: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regret::world::WORLDS;
    use bandit::Cell;

    #[test]
    fn the_yardstick_serves_what_converts() {
        let space = crate::draw::space(&[3], &[2]).unwrap();
        let cell = |variant, context, n, sum| Cell { variant, context, n, sum, sum_sq: sum };
        let cells = CellTable::new([cell(0, 0, 100, 5.0), cell(1, 0, 50, 10.0), cell(1, 1, 50, 15.0)]).unwrap();
        let served = beta_thompson(&WORLDS[0], &space, &cells, 1, 1_000).unwrap();
        let row = served.row(1).unwrap();
        // Arm 2 is unknown: Beta(1, 1) is above arm 1's 25 % three times in four.
        assert!(row.probability(0) < 0.05 && row.probability(2) > 0.6 && row.probability(1) > 0.1);
        assert_eq!(row.total(), 10_000);
    }
}
