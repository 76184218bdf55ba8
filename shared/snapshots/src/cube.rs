//! Exposures and their rewards by variant, context, period and arm.

use std::collections::BTreeMap;

use hashbrown::HashMap;

/// One cell of the cube: n, z, Σ r and Σ r².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CubeCell {
    /// The variant.
    pub variant: usize,
    /// The context.
    pub context: u64,
    /// How many of the instants are at or before the exposures: 0 before the first of them.
    pub period: u32,
    /// Whether the users are held out.
    pub held_out: bool,
    /// n: exposures.
    pub n: u64,
    /// z: those with a reward other than 0.
    pub nonzero: u64,
    /// Σ r, reward units.
    pub sum: f64,
    /// Σ r².
    pub sum_sq: f64,
}

/// Where an exposure belongs, in the order of the cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CubeKey {
    pub(crate) period: u32,
    pub(crate) held_out: bool,
    pub(crate) variant: u32,
    pub(crate) context: u64,
}

/// Exposures by cell, while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Cube(HashMap<CubeKey, u64>);

impl Cube {
    pub(crate) fn add(&mut self, key: CubeKey) {
        *self.0.entry(key).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, n) in other.0 {
            *self.0.entry(key).or_default() += n;
        }
    }

    /// The cube, in the order of its keys, with the rewards added in the order given.
    pub(crate) fn with_rewards(self, rewards: impl Iterator<Item = (CubeKey, f64)>) -> Vec<CubeCell> {
        let cell = |(key, n): (CubeKey, u64)| {
            let CubeKey { period, held_out, variant, context } = key;
            let variant = variant as usize;
            (key, CubeCell { variant, context, period, held_out, n, nonzero: 0, sum: 0.0, sum_sq: 0.0 })
        };
        let mut cells: BTreeMap<CubeKey, CubeCell> = self.0.into_iter().map(cell).collect();
        for (key, reward) in rewards {
            let Some(cell) = cells.get_mut(&key) else { continue };
            cell.nonzero += u64::from(reward != 0.0);
            cell.sum += reward;
            cell.sum_sq += reward * reward;
        }
        cells.into_values().collect()
    }
}

/// Pieces of time between the neighbours of a sorted list of instants.
#[derive(Clone, Debug)]
pub(crate) struct Periods<'a> {
    instants: &'a [i64],
    /// The latest period that was asked for: rows that follow each other are mostly of one.
    last: usize,
}

impl<'a> Periods<'a> {
    pub(crate) fn new(instants: &'a [i64]) -> Self {
        Self { instants, last: 0 }
    }

    /// The period of a time: how many instants are at or before it.
    pub(crate) fn of(&mut self, time: i64) -> u32 {
        let after = self.last.checked_sub(1).is_none_or(|before| self.instants[before] <= time);
        if !(after && self.instants.get(self.last).is_none_or(|&next| time < next)) {
            self.last = self.instants.partition_point(|&instant| instant <= time);
        }
        u32::try_from(self.last).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_with_its_instant() {
        let instants = [10, 20, 20, 35];
        let mut periods = Periods::new(&instants);
        for (time, period) in [(9, 0), (10, 1), (19, 1), (20, 3), (34, 3), (35, 4), (99, 4), (-5, 0), (15, 1)] {
            assert_eq!(periods.of(time), period, "{time}");
            assert_eq!(Periods::new(&instants).of(time), period, "{time}");
        }
        assert_eq!(Periods::new(&[]).of(7), 0);
    }
}
