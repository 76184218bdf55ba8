//! What the tests of fits share: spaces, reference cases, and statistics of draws.

use bandit::{Columns, Distribution, Dtype, Factor, ModelType, Posterior, Prior, RewardType, Settings, Space};

pub fn factor(name: &str, levels: usize) -> Factor {
    Factor::new(name, Dtype::Str, (0..levels).map(|i| i.to_string()).collect()).unwrap()
}

pub fn space(design: &[usize], context: &[usize]) -> Space {
    let factors = |prefix: &str, levels: &[usize]| {
        levels.iter().enumerate().map(|(i, &l)| factor(&format!("{prefix}{i}"), l)).collect::<Vec<_>>()
    };
    Space::new(factors("d", design), factors("c", context)).unwrap()
}

pub fn settings(model_type: ModelType, reward: RewardType, prior: Prior) -> Settings {
    Settings { model_type, reward, distribution: Distribution::Auto, prior, exploration: 1.0 }
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The location of every given cell in every draw: cells × draws.
pub fn locations(posterior: &Posterior, space: &Space, cells: &[(usize, u64)]) -> Vec<Vec<f64>> {
    let columns = Columns::of(space);
    cells
        .iter()
        .map(|&(variant, context)| {
            let active = columns.active(&space.decode_variant(variant), &space.decode_context(context));
            (0..posterior.len()).map(|s| active.iter().map(|&c| f64::from(posterior.draw(s)[c])).sum()).collect()
        })
        .collect()
}

pub struct Summary {
    pub mean: f64,
    pub sd: f64,
    pub low: f64,
    pub high: f64,
}

#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub fn summary(values: &[f64]) -> Summary {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |q: usize| sorted[(sorted.len() * q / 1000).min(sorted.len() - 1)];
    Summary { mean, sd, low: at(25), high: at(975) }
}
