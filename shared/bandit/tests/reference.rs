//! Fits held against long runs of another sampler on the same model.

mod common;

use bandit::{ModelType, Prior, RewardType, Seed, fit};
use common::{Deviation, deviation, locations, prob_best, reference, settings, sigmoid, summary};

fn check(text: &str, prior: Prior, bounds: &Deviation) -> bandit::Posterior {
    let case = reference(text);
    let mut first = None;
    for seed in ["one", "two", "three"] {
        let posterior =
            fit(&case.space, &case.table, &settings(ModelType::Cmab, RewardType::Bool, prior), &Seed::derive(&[seed]))
                .unwrap();
        assert_eq!(posterior.len(), 10_000);
        let cells: Vec<(usize, u64)> = case.expected.iter().map(|e| (e.variant, e.context)).collect();
        let etas = locations(&posterior, &case.space, &cells);
        let found: Vec<_> =
            etas.iter().map(|eta| summary(&eta.iter().map(|&e| sigmoid(e)).collect::<Vec<_>>())).collect();
        let worst = deviation(&found, &case.expected);
        assert!(worst.mean <= bounds.mean && worst.sd <= bounds.sd && worst.points <= bounds.points, "{worst:?}");
        if let Some(contexts) = case.json["pbest"].as_array() {
            let variants = case.space.variants();
            for (c, row) in contexts.iter().enumerate() {
                let found = prob_best(&etas[c * variants..(c + 1) * variants]);
                let distance: f64 = row
                    .as_array()
                    .unwrap()
                    .iter()
                    .zip(&found)
                    .map(|(e, f)| 0.5 * (e.as_f64().unwrap() - f).abs())
                    .sum();
                assert!(distance < 0.02, "context {c}: total variation {distance}");
            }
        }
        first.get_or_insert(posterior);
    }
    first.unwrap()
}

const FIXED: Prior = Prior { main_scale: 0.5, pair_scale: 0.25, fixed: true };

#[test]
fn five_thousand_observations() {
    check(include_str!("data/b_cmab_5k.json"), FIXED, &Deviation { mean: 0.05, sd: 0.05, points: 0.15 });
}

#[test]
fn eight_conversions() {
    check(include_str!("data/d_sparse.json"), FIXED, &Deviation { mean: 0.05, sd: 0.05, points: 0.15 });
}

#[test]
fn learned_scales() {
    let text = include_str!("data/h_b_cmab_5k.json");
    let posterior = check(text, Prior::default(), &Deviation { mean: 0.1, sd: 0.1, points: 0.3 });
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let scales = &posterior.diagnostics.scales;
    let main: f64 = scales.iter().map(|p| p.weight * p.main).sum();
    let pair: f64 = scales.iter().map(|p| p.weight * p.pair).sum();
    for (name, found) in [("tau_main", main), ("tau_pair", pair)] {
        let (mean, sd) = (json["tau"][name]["mean"].as_f64().unwrap(), json["tau"][name]["sd"].as_f64().unwrap());
        assert!((found - mean).abs() < 0.3 * sd, "{name}: {found}, not {mean} ± {sd}");
    }
    let total: f64 = scales.iter().map(|p| p.weight).sum();
    assert!((total - 1.0).abs() < 1e-9);
}
