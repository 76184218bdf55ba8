//! Exposures and their rewards by variant, context, period and arm.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::wide::Wide;

/// One cell of the cube: n, z, Σ r and Σ r².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CubeCell {
    /// The variant.
    pub variant: usize,
    /// The context.
    pub context: u64,
    /// How many of the instants are at or before the exposures: 0 before the first of them, and where no time is known.
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
    /// What of both sums a double does not hold.
    pub(crate) low: [f64; 2],
}

impl CubeCell {
    /// Σ (r − shift) and Σ (r − shift)²: of rewards of 10⁶ ± 1 about 10⁶, with their digits.
    #[must_use]
    pub fn about(&self, shift: f64) -> (f64, f64) {
        if shift == 0.0 {
            return (self.sum, self.sum_sq);
        }
        let [low, low_sq] = self.low;
        #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
        let n = self.n as f64;
        let (sum, squares) = (Wide { high: self.sum, low }, Wide { high: self.sum_sq, low: low_sq });
        let shifted = sum.plus(Wide::product(-n, shift));
        let squares = squares.plus(sum.times(-2.0).times(shift)).plus(Wide::square(shift).times(n));
        (shifted.high, squares.high.max(0.0))
    }
}

/// Where an exposure belongs, in the order of the cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CubeKey {
    pub(crate) period: u32,
    pub(crate) held_out: bool,
    pub(crate) variant: u32,
    pub(crate) context: u64,
}

/// What a cell comes to, while it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CubeSums {
    pub(crate) n: u64,
    pub(crate) nonzero: u64,
    pub(crate) sum: Wide,
    pub(crate) sum_sq: Wide,
}

impl CubeSums {
    /// One observation with this reward.
    pub(crate) fn of(reward: f64) -> Self {
        Self { n: 1, ..Self::reward(reward) }
    }

    /// The reward of an observation that is counted already.
    pub(crate) fn reward(reward: f64) -> Self {
        Self { n: 0, nonzero: u64::from(reward != 0.0), sum: reward.into(), sum_sq: Wide::square(reward) }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.nonzero = self.nonzero.saturating_add(other.nonzero);
        self.sum = self.sum.plus(other.sum);
        self.sum_sq = self.sum_sq.plus(other.sum_sq);
    }
}

/// Exposures by cell, while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Cube(HashMap<CubeKey, CubeSums>);

impl Cube {
    /// Counts an exposure, whose reward is added later.
    pub(crate) fn count(&mut self, key: CubeKey) {
        self.0.entry(key).or_default().n += 1;
    }

    pub(crate) fn add(&mut self, key: CubeKey, sums: &CubeSums) {
        self.0.entry(key).or_default().add(sums);
    }

    /// Adds what comes later in the order (file name, row).
    pub(crate) fn merge(&mut self, later: Self) {
        for (key, sums) in later.0 {
            self.add(key, &sums);
        }
    }

    /// The cube, in the order of its keys, with the rewards added in the order given.
    pub(crate) fn with_rewards(mut self, rewards: impl Iterator<Item = (CubeKey, f64)>) -> Vec<CubeCell> {
        for (key, reward) in rewards {
            if let Some(sums) = self.0.get_mut(&key) {
                sums.add(&CubeSums::reward(reward));
            }
        }
        self.cells()
    }

    /// The cube, in the order of its keys.
    pub(crate) fn cells(self) -> Vec<CubeCell> {
        let sorted: BTreeMap<CubeKey, CubeSums> = self.0.into_iter().collect();
        let cell = |(key, sums): (CubeKey, CubeSums)| {
            let CubeKey { period, held_out, variant, context } = key;
            CubeCell {
                variant: variant as usize,
                context,
                period,
                held_out,
                n: sums.n,
                nonzero: sums.nonzero,
                sum: sums.sum.high,
                sum_sq: sums.sum_sq.high,
                low: [sums.sum.low, sums.sum_sq.low],
            }
        };
        sorted.into_iter().map(cell).collect()
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

    #[test]
    fn sums_about_a_shift_have_the_digits_of_the_spread() {
        let key = CubeKey { period: 1, held_out: false, variant: 0, context: 0 };
        let mut cube = Cube::default();
        for k in 0..3_000 {
            cube.add(key, &CubeSums::of(1e8 + f64::from(k % 3)));
        }
        let cell = cube.cells()[0];
        assert_eq!((cell.n, cell.nonzero), (3_000, 3_000));
        let (sum, squares) = cell.about(1e8 + 1.0);
        assert!(sum.abs() < 1e-9 && (squares - 2_000.0).abs() < 1e-9, "{sum} {squares}");
        assert_eq!(cell.about(0.0), (cell.sum, cell.sum_sq));
    }
}
