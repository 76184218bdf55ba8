//! Whole training runs against the reference cases: P(best), and the value of the Thompson policy.

use std::collections::BTreeMap;

use bandit::{
    Cell, CellTable, Distribution, Dtype, Factor, ModelType, Prior, RewardType, Seed, Settings, Space, TrainingOptions,
    stored, train,
};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn levels(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

fn check(text: &str) {
    let case: Value = serde_json::from_str(text).unwrap();
    // The three files have the same design.
    let factor = |name: &str, levels: usize| {
        Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap()
    };
    let space =
        Space::new(vec![factor("headline", 3), factor("cta_text", 2)], vec![factor("device", 2), factor("country", 2)])
            .unwrap();
    let cells = case["cells"].as_array().unwrap().iter().map(|cell| Cell {
        variant: space.encode_variant(&levels(&cell["variant"])),
        context: space.encode_context(&levels(&cell["context"])),
        n: cell["n"].as_u64().unwrap(),
        sum: cell["sum"].as_f64().unwrap(),
        sum_sq: cell["sum"].as_f64().unwrap(),
    });
    let cells = CellTable::new(cells).unwrap();
    let settings = Settings {
        model_type: ModelType::Cmab,
        reward: RewardType::Bool,
        distribution: Distribution::Auto,
        prior: Prior { main_scale: 0.5, pair_scale: 0.25, fixed: true },
        exploration: 1.0,
    };
    let run = || train(&space, &cells, &settings, &TrainingOptions::default(), &Seed::derive(&["decisions"])).unwrap();
    let training = run();

    let expected = &case["probability_matching"];
    let (sd, found) = (expected["sd"].as_f64().unwrap(), training.metrics.expected_reward);
    for (what, found, bound) in
        [("mean", found.mean, 0.05), ("q025", found.ci_lower, 0.15), ("q975", found.ci_upper, 0.15)]
    {
        let off = (found - expected[what].as_f64().unwrap()).abs() / sd;
        assert!(off < bound, "{what} is off by {off} sd");
    }
    let shares = numbers(&case["context_share"]);
    let mut prob_best = vec![0.0; space.variants()];
    for (c, row) in case["pbest"].as_array().unwrap().iter().enumerate() {
        let context = space.encode_context(&[c / 2, c % 2]);
        let row = numbers(row);
        let served = training.policy.row(context).unwrap();
        let distance: f64 = row.iter().enumerate().map(|(v, p)| (p - served.probability(v)).abs()).sum::<f64>() / 2.0;
        assert!(distance < 0.02, "context {c}: total variation {distance}");
        prob_best.iter_mut().zip(&row).for_each(|(sum, p)| *sum += shares[c] * p);
    }
    for (state, expected) in training.report.variants.iter().zip(&prob_best) {
        assert!((state.prob_best - expected).abs() < 0.02, "variant {}", state.index);
    }

    let bytes = stored::encode(&space, &training, &BTreeMap::new()).unwrap();
    assert_eq!(bytes, stored::encode(&space, &run(), &BTreeMap::new()).unwrap());
    assert_eq!(stored::decode(&bytes).unwrap().posterior, training.posterior);
}

#[test]
fn five_thousand_observations() {
    check(include_str!("../../data/b_cmab_5k.json"));
}

#[test]
fn eight_conversions() {
    check(include_str!("../../data/d_sparse.json"));
}

/// The same cells, in any order, give the same bytes of the posterior's object: all four models, with learned scales.
#[test]
fn the_same_input_gives_the_same_object() {
    for (model_type, contexts) in [(ModelType::Mab, 1), (ModelType::Cmab, 5)] {
        let context = if model_type == ModelType::Mab { vec![] } else { vec![4] };
        let space = super::hand::space(&[3, 2], &context);
        for reward in [RewardType::Bool, RewardType::Numeric] {
            let settings = Settings {
                model_type,
                reward,
                distribution: Distribution::Auto,
                prior: Prior::default(),
                exploration: 1.0,
            };
            let mut cells: Vec<Cell> = (0..contexts)
                .flat_map(|context| (0..6).map(move |variant| (variant, context)))
                .map(|(variant, context)| {
                    let (n, sum) = (30 + 7 * variant as u64 + 3 * context, 2.0 + variant as f64);
                    match reward {
                        RewardType::Bool => Cell { variant, context, n, sum, sum_sq: sum },
                        RewardType::Numeric => Cell { variant, context, n, sum: 0.1 * sum, sum_sq: 0.7 * sum },
                    }
                })
                .collect();
            let options = TrainingOptions { holdout_share: 0.1, threads: 2, ..TrainingOptions::default() };
            let object = |cells: &[Cell]| {
                let cells = CellTable::new(cells.iter().copied()).unwrap();
                let training = train(&space, &cells, &settings, &options, &Seed::derive(&["same"])).unwrap();
                stored::encode(&space, &training, &BTreeMap::from([("model".to_owned(), "m".to_owned())])).unwrap()
            };
            let first = object(&cells);
            assert!(first == object(&cells), "{model_type:?} {reward:?}");
            cells.reverse();
            let third = cells.len() / 3;
            cells.rotate_left(third);
            assert!(first == object(&cells), "{model_type:?} {reward:?}, in another order");
        }
    }
}
