//! Random numbers of the simulations.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Binomial, Distribution};

/// A source of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The source of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform on [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// How many of n succeed.
    pub fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if n == 0 { 0 } else { Binomial::new(n, p.clamp(0.0, 1.0)).unwrap().sample(&mut self.0) }
    }

    /// How n fall on classes of the given probabilities.
    pub fn multinomial(&mut self, n: u64, probabilities: &[f64]) -> Vec<u64> {
        let (mut left, mut rest) = (n, 1.0);
        let mut counts = Vec::new();
        for (i, &p) in probabilities.iter().enumerate() {
            let count = if i + 1 == probabilities.len() { left } else { self.binomial(left, (p / rest).min(1.0)) };
            counts.push(count);
            left -= count;
            rest = (rest - p).max(1e-300);
        }
        counts
    }

    /// Probabilities, each the exponential of a normal number over their sum.
    pub fn probabilities(&mut self, size: usize, spread: f64) -> Vec<f64> {
        let weights: Vec<f64> = (0..size).map(|_| (spread * self.normal()).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}
