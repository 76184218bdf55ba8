//! Files as pyarrow, pandas and `DuckDB` write them, made by `tests/data/make.py`, all come to the same cells.

use std::fs;
use std::path::Path;

use crate::common::{Memory, factor, plan, skipped};
use bandit::{Dtype, Factor, RewardType, Space};
use serde_json::{Value, json};
use snapshots::{Plan, SnapshotCounts};

fn design() -> Space {
    let sticky = Factor::new("sticky", Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
    let headline = factor("headline", &["Ship faster", "Build \"better\"", "Größer"]);
    Space::new(vec![headline, sticky], vec![factor("device", &["mobile", "desktop"])]).unwrap()
}

/// The files of `tests/data` whose name begins so: the rest of the name, and the bytes.
fn files(prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if let Some(rest) = entry.file_name().to_str().unwrap().strip_prefix(prefix) {
            files.push((rest.to_owned(), fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

/// The cells in the form of `expected.json`, in the order of their text.
fn rows(space: &Space, counted: &SnapshotCounts) -> Vec<Value> {
    let row = |c: &bandit::Cell| {
        let (variant, context) = (space.decode_variant(c.variant), space.decode_context(c.context));
        let device = space.context()[0].levels().get(context[0]);
        json!([space.design()[0].levels()[variant[0]], variant[1] == 1, device, c.n, c.sum, c.sum_sq])
    };
    sorted(counted.cells.cells().iter().map(row).collect())
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

#[test]
fn every_file_comes_to_the_same_cells() {
    let space = design();
    let plan = Plan { reward: RewardType::Numeric, window_hours: 6, ..plan(&space) };
    let (_, expected) = files("expected.json").remove(0);
    let expected = sorted(serde_json::from_slice(&expected).unwrap());
    let (exposures, rewards) = (files("exposures."), files("rewards."));
    assert!(exposures.len() >= 18 && rewards.len() >= 6, "{} and {} files", exposures.len(), rewards.len());
    for (exposure_name, exposures) in &exposures {
        for (reward_name, rewards) in &rewards {
            let objects = [
                (format!("exposures/{exposure_name}"), exposures.clone()),
                (format!("rewards/{reward_name}"), rewards.clone()),
            ];
            let counted = Memory::of(objects).count(&plan).unwrap();
            assert_eq!(rows(&space, &counted), expected, "{exposure_name} with {reward_name}");
            assert_eq!(skipped(&counted.observations).into_keys().collect::<Vec<_>>(), ["unknown_context_level"]);
            assert_eq!(counted.observations.rewards, 22);
        }
    }
}
