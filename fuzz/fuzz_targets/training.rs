//! Any configuration that is accepted, trained on any cells that a table takes: a posterior of numbers, or an error of its own.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use bandit::{Cell, CellTable, ModelType, Seed, TrainingOptions, train};
use fulcrum_core::domain::Checked;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Input {
    cmab: bool,
    numeric: bool,
    /// Levels of each factor.
    design: [u8; 3],
    context: [u8; 2],
    prior: Option<(f64, f64, bool)>,
    exploration: Option<f64>,
    excluded: Option<(u8, u8)>,
    bias: Option<f64>,
    holdout: u8,
    cells: Vec<Counts>,
}

#[derive(Arbitrary, Debug)]
struct Counts {
    variant: u8,
    context: u8,
    n: u32,
    sum: Sum,
}

#[derive(Arbitrary, Debug)]
enum Sum {
    /// Of n trials, so many parts in 255 are converted.
    Part(u8),
    /// Whatever a file may add up to.
    Any { sum: f64, sum_sq: f64 },
    /// A mean, with a spread about it.
    Normal { mean: f32, sd: f32 },
}

fuzz_target!(|input: Input| {
    let Some((checked, cells)) = accepted(&input) else { return };
    let bias: BTreeMap<String, f64> = input.bias.map(|bias| ("d0".to_owned(), bias)).into_iter().collect();
    if checked.check_bias(&bias).is_err() {
        return;
    }
    let options = TrainingOptions {
        bias,
        exploration: checked.settings.exploration,
        holdout_share: f64::from(input.holdout) / 255.0,
        ..TrainingOptions::default()
    };
    match train(&checked.space, &cells, &checked.settings, &options, &Seed::derive(&["fuzz"])) {
        Ok(training) => {
            assert!(training.posterior.draws.iter().all(|x| x.is_finite()), "{input:?}");
            assert!(training.posterior.mean.iter().all(|x| x.is_finite()), "{input:?}");
            // JSON has no NaN and no infinity; what is one would become null where a number must be.
            let report = serde_json::to_string(&training.report).expect("a report is JSON");
            let again: bandit::Report = serde_json::from_str(&report).expect("its own JSON is a report");
            assert_eq!(serde_json::to_string(&again).expect("as before"), report);
            assert!(training.metrics.historic_reward.is_finite(), "{input:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// The configuration and the cells, where both are ones that the service takes.
fn accepted(input: &Input) -> Option<(Checked, CellTable)> {
    let factor = |name: String, levels: u8| {
        let levels: Vec<String> = (0..levels % 5).map(|level| level.to_string()).collect();
        (levels.len() > 1).then(|| json!({"name": name, "dtype": "str", "levels": levels}))
    };
    let factors = |name: &str, levels: &[u8]| -> Vec<Value> {
        levels.iter().enumerate().filter_map(|(i, &n)| factor(format!("{name}{i}"), n)).collect()
    };
    let mut config = json!({
        "design_factors": factors("d", &input.design),
        "context_factors": if input.cmab { factors("c", &input.context) } else { Vec::new() },
        "reward": {"name": "r", "type": if input.numeric { "numeric" } else { "bool" }},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    });
    if let Some((main, pair, fixed)) = input.prior {
        config["prior"] = json!({"main_scale": main, "pair_scale": pair, "fixed": fixed});
    }
    if let Some(exploration) = input.exploration {
        config["exploration"] = json!(exploration);
    }
    if let Some((first, second)) = input.excluded {
        config["excluded_combinations"] = json!([{"d0": (first % 5).to_string(), "d1": (second % 5).to_string()}]);
    }
    let model_type = if input.cmab { ModelType::Cmab } else { ModelType::Mab };
    let checked = Checked::new(model_type, serde_json::from_value(config).ok()?).ok()?;
    let space = &checked.space;
    let cells = input.cells.iter().map(|counts| {
        let n = u64::from(counts.n);
        let trials = f64::from(counts.n);
        let (sum, sum_sq) = match counts.sum {
            Sum::Part(part) => {
                let converted = (trials * f64::from(part) / 255.0).floor();
                (converted, converted)
            }
            Sum::Any { sum, sum_sq } => (sum, sum_sq),
            Sum::Normal { mean, sd } => {
                let (mean, sd) = (f64::from(mean), f64::from(sd));
                (trials * mean, trials * (mean * mean + sd * sd))
            }
        };
        let variant = usize::from(counts.variant) % space.variants();
        Cell { variant, context: u64::from(counts.context) % space.contexts(), n, sum, sum_sq }
    });
    let cells = CellTable::new(cells).ok()?;
    Some((checked, cells))
}
