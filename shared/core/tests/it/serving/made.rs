//! Policies and posteriors made by hand.

use std::collections::BTreeMap;

use bandit::{
    Cell, CellTable, Diagnostics, Link, ModelType, Policy, Posterior, Predictor, Space, Step, Training, TrainingOptions,
};
use fulcrum_core::domain::{Checked, OptimizationStatus, Served, Serving, TrainingDataConfig};
use serde_json::Value;
use uuid::Uuid;

/// A policy from counts per variant, in the documented format. Rows without a number: row r is that of context r, or of any
/// context where there is only one.
pub fn policy(space: &Space, rows: &[(Option<u64>, Vec<u32>)]) -> Policy {
    let total: u32 = rows[0].1.iter().sum();
    let coverage: u8 = match rows {
        [(None, _)] => 0,
        [(None, _), ..] => 1,
        _ => 2,
    };
    let variants = u32::try_from(space.variants()).unwrap();
    let entries: Vec<Vec<(u32, u32)>> = rows
        .iter()
        .map(|(_, counts)| (0..variants).zip(counts.iter().copied()).filter(|e| e.1 > 0).collect())
        .collect();
    assert!(variants <= 256 && total <= 0xffff, "the widths below");
    let mut bytes = [b"FLCP".as_slice(), &[1, coverage, 1, 2]].concat();
    bytes.extend(variants.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    bytes.extend(space.contexts().to_le_bytes());
    bytes.extend(u32::try_from(rows.len()).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(entries.iter().flatten().count()).unwrap().to_le_bytes());
    bytes.extend(rows.iter().filter_map(|(context, _)| *context).flat_map(u64::to_le_bytes));
    bytes.extend(entries.iter().flat_map(|row| u32::try_from(row.len()).unwrap().to_le_bytes()));
    bytes.extend(entries.iter().flatten().map(|(v, _)| v.to_le_bytes()[0]));
    bytes.extend(entries.iter().flatten().flat_map(|(_, n)| u16::try_from(*n).unwrap().to_le_bytes()));
    Policy::from_bytes(&bytes).unwrap()
}

/// The id of a test's optimization number n, the same in every run, so that its users' hashes are.
pub fn fixed_id(n: u128) -> Uuid {
    Uuid::from_u128(0x9e1c_0a2e_2f34_4a8f_9d7d_2a0e_2c0f_9b00 + n)
}

/// The space of a configuration: a mab's where it has no context.
pub fn space(config: &Value) -> (ModelType, TrainingDataConfig, Space) {
    let config: TrainingDataConfig = serde_json::from_value(config.clone()).unwrap();
    let model_type = if config.context_factors.is_empty() { ModelType::Mab } else { ModelType::Cmab };
    let space = Checked::new(model_type, config.clone()).unwrap().space;
    (model_type, config, space)
}

/// An optimization of a fixed id that serves a version of a policy.
pub fn serving(number: u128, holdout_percentage: f64, config: &Value, version: u64, policy: Vec<u8>) -> Serving {
    let (model_type, config, _) = space(config);
    let untrained = Served::untrained(fixed_id(number + 0x10), model_type, config);
    Serving {
        optimization_id: fixed_id(number),
        organization_id: "org_fixed".into(),
        status: OptimizationStatus::Live,
        holdout_percentage,
        served: Some(Served { posterior_version: version, policy: Some(policy), ..untrained }),
    }
}

/// What a training run would leave behind, with draws of no particular distribution and one trial in each given cell.
pub fn training(space: &Space, draws: usize, observed: &[(usize, u64)]) -> (Training, CellTable) {
    let columns = space.columns();
    let mut state = 1_u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "40 bits are enough of a draw")]
        let unit = (state >> 24) as f64 / (1_u64 << 40) as f64;
        unit - 0.5
    };
    let rows: Vec<f64> = (0..draws * columns).map(|_| number()).collect();
    #[expect(clippy::cast_possible_truncation, reason = "draws are single precision")]
    let single = rows.iter().map(|&x| x as f32).collect();
    let diagnostics = Diagnostics::new(Step::Exact);
    let posterior = Posterior::of_draws(Predictor::Columns, Link::Logit, columns, single, diagnostics);
    let cell = |&(variant, context): &(usize, u64)| Cell { variant, context, n: 1, sum: 0.0, sum_sq: 0.0 };
    let cells = CellTable::new(observed.iter().map(cell)).unwrap();
    let training = Training::from_posterior(space, &cells, posterior, &TrainingOptions::default()).unwrap();
    (training, cells)
}

/// The object that a training run writes, with as much of its provenance as is checked.
pub fn object(space: &Space, training: &Training, model: Uuid, snapshot: &str) -> Vec<u8> {
    let provenance = [("model_id", model.to_string()), ("snapshot_id", snapshot.to_owned())];
    let provenance: BTreeMap<String, String> = provenance.map(|(key, value)| (key.to_owned(), value)).into();
    bandit::stored::encode(space, training, &provenance).unwrap()
}
