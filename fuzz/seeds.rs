//! Writes the seeds that are no copies of a test's input: a stored posterior and policies, small ones. `seeds FOLDER`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use bandit::stored::{Header, encode};
use bandit::{Cell, CellTable, Distribution, ModelType, Policy, Prior, RewardType, Seed, Settings, TrainingOptions, train};
use fulcrum_fuzz::space;
// For what instrumented code calls.
use libfuzzer_sys as _;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: seeds FOLDER")?;
    let space = space();
    let cells: Vec<Cell> = (0..6)
        .zip((1..=6).map(f64::from))
        .map(|(variant, converted)| Cell { variant, context: 0, n: 50, sum: converted, sum_sq: converted })
        .collect();
    let cells = CellTable::new(cells)?;
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)
    };
    write("policy", "uniform", &Policy::uniform(&space).ok_or("no variant")?.to_bytes())?;
    for (name, model_type) in [("mab", ModelType::Mab), ("cmab", ModelType::Cmab)] {
        let space = if model_type == ModelType::Mab {
            bandit::Space::new(space.design().to_vec(), Vec::new())?
        } else {
            space.clone()
        };
        for (reward, kind) in [("bool", RewardType::Bool), ("numeric", RewardType::Numeric)] {
            let settings = Settings {
                model_type,
                reward: kind,
                distribution: Distribution::default(),
                prior: Prior::default(),
                exploration: 1.0,
            };
            let mut training =
                train(&space, &cells, &settings, &TrainingOptions { holdout_share: 0.1, ..TrainingOptions::default() }, &Seed::derive(&["seeds", name]))?;
            write("policy", &format!("{name}-{reward}"), &training.policy.to_bytes())?;
            training.posterior.draws.truncate(3 * training.posterior.columns);
            let object = encode(&space, &training, &BTreeMap::from([("model".to_owned(), name.to_owned())]))?;
            let end = usize::try_from(Header::length(&object)?)?;
            let seed = [b"h", &object[8..end], b"\0", &object[end..]].concat();
            write("posterior", &format!("{name}-{reward}"), &seed)?;
        }
    }
    Ok(())
}
