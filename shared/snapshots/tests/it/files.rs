//! Snapshots as real writers make them: the folders of `shared/cases/files`, each with what it must come to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bandit::{Dtype, Factor, RewardType, Space};
use serde_json::Value;
use snapshots::{Immature, Plan, SkipReason, SnapshotCounts, SnapshotError};

use crate::common::{Memory, factor, plan};

/// Where the cases are: in a folder `shared` beside the repository, or beside a folder of working trees.
fn cases() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.map(|folder| folder.join("shared/cases/files")).find(|folder| folder.is_dir());
    found.expect("shared/cases is laid beside the repository")
}

/// The objects of a case.
fn objects(case: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![case.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(case).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((key, fs::read(path).unwrap()));
            }
        }
    }
    found
}

fn model() -> Space {
    let sticky = Factor::new("sticky", Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
    let headline = factor("headline", &["Ship faster", "Save 20%"]);
    Space::new(vec![headline, sticky], vec![factor("device", &["mobile", "desktop"])]).unwrap()
}

fn counted(case: &str) -> Result<SnapshotCounts, SnapshotError> {
    let memory = Memory::of(objects(&cases().join(case)));
    if case.starts_with("numeric-") {
        let space = Space::new(vec![factor("f", &["a", "b"])], vec![]).unwrap();
        return memory.count(&Plan { reward: RewardType::Numeric, reward_name: "reward", ..plan(&space) });
    }
    let space = model();
    let immature = if case.contains("immature") { Immature::Exclude } else { Immature::Include };
    memory.count(&Plan { immature, window_hours: 24, ..plan(&space) })
}

/// n and the sum of the rewards of each variant, in row-major order.
fn by_variant(counted: &SnapshotCounts) -> Vec<(u64, f64)> {
    let mut variants = vec![(0, 0.0); 4];
    for cell in counted.cells.cells() {
        variants[cell.variant].0 += cell.n;
        variants[cell.variant].1 += cell.sum;
    }
    variants
}

const RIGHT: [(u64, f64); 4] = [(15, 5.0), (12, 4.0), (13, 5.0), (20, 10.0)];

fn is_right(case: &str, counted: &SnapshotCounts) -> Result<(), String> {
    let seen = &counted.observations;
    // A reward without an id is nobody's, and told.
    let nobodys = seen.skipped.get(&SkipReason::NullId).copied().unwrap_or_default();
    let report = (seen.exposures, seen.rewards + nobodys, seen.attributed_rewards);
    if case.starts_with("numeric-") {
        return if seen.exposures == 4 { Ok(()) } else { Err(format!("{report:?}")) };
    }
    let of_variants = by_variant(counted);
    if report != (60, 28, 24) || of_variants != RIGHT {
        return Err(format!("{report:?} {of_variants:?}, {:?}", seen.skipped));
    }
    let unknown = counted.cells.cells().iter().filter(|cell| cell.context == 2).count();
    if unknown == 0 { Ok(()) } else { Err("the context is not known everywhere".into()) }
}

/// The error names an object, and where there is one, a place in it.
fn is_refused(error: &SnapshotError) -> Result<(), String> {
    let text = error.to_string();
    let names =
        ["exposures/", "rewards/", "observations/", "cells/", "Rewards/"].iter().any(|name| text.contains(name));
    if error.kind() == snapshots::Kind::Invalid && names { Ok(()) } else { Err(text) }
}

fn is_warned(counted: &SnapshotCounts) -> Result<(), String> {
    let told = counted.warnings.iter().find(|w| w.example.as_ref().is_some_and(|e| !e.object.is_empty()));
    let left_out: u64 = counted.observations.skipped.values().sum();
    match told {
        Some(_) if left_out > 0 => Ok(()),
        _ => Err(format!("{:?} with {:?}", counted.warnings, counted.observations.skipped)),
    }
}

fn check(case: &str, expected: &str, counted: &Result<SnapshotCounts, SnapshotError>) -> Result<(), String> {
    match (expected, counted) {
        ("right" | "right or refuse", Ok(counted)) => is_right(case, counted),
        ("refuse" | "right or refuse" | "refuse or warn", Err(error)) => is_refused(error),
        ("warn" | "refuse or warn", Ok(counted)) => is_warned(counted),
        // A date alone is midnight, before the exposures of that day.
        ("right or midnight", Ok(counted)) if is_right(case, counted).is_ok() => Ok(()),
        ("right or midnight", Ok(counted)) => {
            let seen = &counted.observations;
            let whole = seen.exposures == 60 && seen.rewards == 28 && seen.skipped.values().sum::<u64>() == 8;
            if whole { Ok(()) } else { Err(format!("{seen:?}")) }
        }
        ("7 immature left out", Ok(counted)) => {
            let immature = counted.observations.skipped.get(&SkipReason::Immature).copied();
            if immature == Some(7) { Ok(()) } else { Err(format!("{:?}", counted.observations)) }
        }
        ("null is no reward", Ok(counted)) => {
            let (seen, sum) = (&counted.observations, counted.cells.reward_sum());
            let nulls = seen.skipped.get(&SkipReason::NullReward).copied().unwrap_or_default();
            let rewards = u32::try_from(seen.rewards).map_or(f64::NAN, f64::from);
            let whole = seen.exposures == nulls + seen.rewards && nulls > 0 && (sum - rewards).abs() < 1e-9;
            if whole { Ok(()) } else { Err(format!("{seen:?}")) }
        }
        (_, Err(error)) => Err(error.to_string()),
        (other, Ok(_)) => Err(format!("no rule for {other:?}")),
    }
}

#[test]
fn every_case_comes_to_what_it_must() {
    let expected = fs::read_to_string(cases().join("expect.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 40, "{} cases", expected.len());
    let mut wrong = Vec::new();
    for (case, expected) in &expected {
        let expected = expected.as_str().unwrap();
        if let Err(what) = check(case, expected, &counted(case)) {
            wrong.push(format!("{case} must come to {expected:?}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
