//! Fits held against long runs of another sampler on the same model.

use crate::common::{Summary, locations, settings, sigmoid, space, summary};
use bandit::{Cell, CellTable, ModelType, Prior, RewardType, Seed, Space, fit};

/// A cell of a reference file: the data and the answer.
struct Expected {
    variant: usize,
    context: u64,
    mean: f64,
    sd: f64,
    low: f64,
    high: f64,
}

struct Reference {
    space: Space,
    table: CellTable,
    expected: Vec<Expected>,
    json: serde_json::Value,
}

fn reference(text: &str) -> Reference {
    // Factor order is the order of the file, which a sorted map would lose; both of these are read from the text.
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let sizes = |which: &str| -> Vec<usize> {
        let start = text.find(&format!("\"{which}\"")).unwrap();
        let body = &text[start..];
        let body = &body[body.find('{').unwrap() + 1..body.find('}').unwrap()];
        body.split(',').map(|pair| pair.split(':').nth(1).unwrap().trim().parse().unwrap()).collect()
    };
    let space = space(&sizes("design"), &sizes("context"));
    let levels = |v: &serde_json::Value| -> Vec<usize> {
        v.as_array().unwrap().iter().map(|l| usize::try_from(l.as_u64().unwrap()).unwrap()).collect()
    };
    let mut cells = Vec::new();
    let mut expected = Vec::new();
    for cell in json["cells"].as_array().unwrap() {
        let variant = space.encode_variant(&levels(&cell["variant"]));
        let context = space.encode_context(&levels(&cell["context"]));
        let sum = cell["sum"].as_f64().unwrap();
        cells.push(Cell { variant, context, n: cell["n"].as_u64().unwrap(), sum, sum_sq: sum });
        let number = |key: &str| cell[key].as_f64().unwrap();
        expected.push(Expected {
            variant,
            context,
            mean: number("mean"),
            sd: number("sd"),
            low: number("q025"),
            high: number("q975"),
        });
    }
    Reference { space, table: CellTable::new(cells).unwrap(), expected, json }
}

/// Worst deviations of cells of a posterior from a reference: mean, both points (in reference sds) and sd (relative).
#[derive(Debug, Default)]
struct Deviation {
    mean: f64,
    sd: f64,
    points: f64,
}

fn deviation(found: &[Summary], expected: &[Expected]) -> Deviation {
    found.iter().zip(expected).fold(Deviation::default(), |d, (f, e)| Deviation {
        mean: d.mean.max((f.mean - e.mean).abs() / e.sd),
        sd: d.sd.max((f.sd / e.sd - 1.0).abs()),
        points: d.points.max((f.low - e.low).abs() / e.sd).max((f.high - e.high).abs() / e.sd),
    })
}

/// P(best) of each variant (index) among the locations variants × draws.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn prob_best(locations: &[Vec<f64>]) -> Vec<f64> {
    let draws = locations[0].len();
    let mut wins = vec![0.0; locations.len()];
    for s in 0..draws {
        let best = (1..locations.len()).fold(0, |b, v| if locations[v][s] > locations[b][s] { v } else { b });
        wins[best] += 1.0 / draws as f64;
    }
    wins
}

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
    check(include_str!("../data/b_cmab_5k.json"), FIXED, &Deviation { mean: 0.05, sd: 0.05, points: 0.15 });
}

#[test]
fn eight_conversions() {
    check(include_str!("../data/d_sparse.json"), FIXED, &Deviation { mean: 0.05, sd: 0.05, points: 0.15 });
}

#[test]
fn learned_scales() {
    let text = include_str!("../data/h_b_cmab_5k.json");
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
