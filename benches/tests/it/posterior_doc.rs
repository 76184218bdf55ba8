//! The snippet of docs/posterior.md, run as it stands there on stored posteriors of all models.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use bandit::{
    Cell, CellTable, Columns, Distribution, Dtype, Factor, Link, ModelType, Posterior, Predictor, Prior, RewardType,
    Seed, Settings, Space, StratumCell, Training, TrainingOptions, fit, stored,
};

const VARIANT: [usize; 2] = [2, 1];
const CONTEXT: [usize; 1] = [0];
const CELL: &str = r#"{"headline": "long", "banner": true, "device": "phone"}"#;
const ARM: &str = r#"{"headline": "long", "banner": true}"#;

fn factor(name: &str, levels: &[&str]) -> Factor {
    Factor::new(name, Dtype::Str, levels.iter().map(|&l| l.to_owned()).collect()).unwrap()
}

fn space(model_type: ModelType) -> Space {
    let banner = Factor::new("banner", Dtype::Bool, vec!["false".to_owned(), "true".to_owned()]).unwrap();
    let context = if model_type == ModelType::Cmab { vec![factor("device", &["phone", "desk"])] } else { Vec::new() };
    Space::new(vec![factor("headline", &["short", "plain", "long"]), banner], context).unwrap()
}

fn cells(space: &Space, reward: RewardType) -> CellTable {
    let contexts = u32::try_from(space.contexts()).unwrap();
    let cell = |context: u32, variant: u32| {
        let n = 40 + 7 * variant + 13 * context;
        let sum = f64::from(3 + variant + 2 * context);
        let (sum, sum_sq) = match reward {
            RewardType::Bool => (sum, sum),
            RewardType::Numeric => (12.5 * sum, 400.0 * sum),
        };
        let nonzero = Some(u64::from(3 + variant + 2 * context));
        let cell = Cell { variant: variant as usize, context: u64::from(context), n: u64::from(n), sum, sum_sq };
        StratumCell { nonzero, ..cell.into() }
    };
    let cells = (0..contexts).flat_map(|context| (0..6).map(move |variant| cell(context, variant)));
    CellTable::stratified(Vec::new(), 0.0, cells).unwrap()
}

/// The mean and the 2.5 % and 97.5 % quantiles of a cell's expected reward, from the posterior in memory.
fn expected(space: &Space, posterior: &Posterior) -> [f64; 3] {
    let variant = space.encode_variant(&VARIANT);
    let active = match posterior.predictor {
        Predictor::Arms => vec![variant],
        Predictor::Columns => Columns::of(space).active(&VARIANT, &CONTEXT),
    };
    let mut rewards: Vec<f64> = (0..posterior.len())
        .map(|s| {
            let at = |part: &Posterior| active.iter().map(|&j| f64::from(part.draw(s)[j])).sum::<f64>();
            let location = at(posterior);
            let reward = match posterior.link {
                Link::Logit => 1.0 / (1.0 + (-location).exp()),
                Link::Identity { center, scale } => center + scale * location,
                Link::Log => location.exp(),
            };
            reward * posterior.amount.as_deref().map_or(1.0, |amount| at(amount).exp())
        })
        .collect();
    rewards.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(rewards.len()).unwrap());
    let quantile = |p: f64| {
        let place = (count - 1.0) * p;
        let below = format!("{:.0}", place.floor()).parse::<usize>().unwrap();
        rewards[below] + place.fract() * (rewards[below + 1] - rewards[below])
    };
    [rewards.iter().sum::<f64>() / count, quantile(0.025), quantile(0.975)]
}

/// The first block of Python in the page.
fn snippet() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/posterior.md")).unwrap();
    let start = page.find("```python\n").unwrap() + "```python\n".len();
    let length = page[start..].find("```").unwrap();
    page[start..start + length].to_owned()
}

fn python_has_numpy() -> bool {
    Command::new("python3").args(["-c", "import numpy"]).output().is_ok_and(|run| run.status.success())
}

/// What the snippet prints for a cell.
fn run(script: &Path, object: &Path, cell: &str) -> [f64; 3] {
    let run = Command::new("python3").arg(script).arg(object).arg(cell).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let printed = String::from_utf8(run.stdout).unwrap();
    let numbers: Vec<f64> =
        printed.split([' ', ',', '\n']).filter(|word| *word != "95").filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{printed}"))
}

#[test]
fn the_snippet_finds_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("cell.py");
    fs::write(&script, snippet()).unwrap();
    let python = python_has_numpy();
    for model_type in [ModelType::Mab, ModelType::Cmab] {
        for (reward, distribution) in [
            (RewardType::Bool, Distribution::Auto),
            (RewardType::Numeric, Distribution::Normal),
            (RewardType::Numeric, Distribution::TwoPart),
        ] {
            let space = space(model_type);
            let settings = Settings { model_type, reward, distribution, prior: Prior::default(), exploration: 1.0 };
            let cells = cells(&space, reward);
            let posterior = fit(&space, &cells, &settings, &Seed::derive(&["posterior.md"])).unwrap();
            let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
            let object = stored::encode(&space, &training, &BTreeMap::new()).unwrap();
            let wanted = expected(&space, &training.posterior);
            assert!(wanted[1] < wanted[0] && wanted[0] < wanted[2]);

            let found = if python {
                let path = folder.path().join("1.safetensors");
                fs::write(&path, &object).unwrap();
                run(&script, &path, if model_type == ModelType::Cmab { CELL } else { ARM })
            } else {
                expected(&space, &stored::decode(&object).unwrap().posterior)
            };
            for (found, wanted) in found.iter().zip(wanted) {
                let tolerance = 1e-9 * wanted.abs();
                assert!((found - wanted).abs() <= tolerance, "{model_type:?} {reward:?}: {found} {wanted}");
            }
        }
    }
}
