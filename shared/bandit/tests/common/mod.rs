//! What the tests of fits share: spaces, reference cases, and statistics of draws.

use bandit::{Cell, CellTable, Columns, Dtype, Factor, ModelType, Posterior, Prior, RewardType, Settings, Space};

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
    Settings { model_type, reward, prior, exploration: 1.0 }
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A cell of a reference file: the data and the answer.
pub struct Expected {
    pub variant: usize,
    pub context: u64,
    pub mean: f64,
    pub sd: f64,
    pub low: f64,
    pub high: f64,
}

pub struct Reference {
    pub space: Space,
    pub table: CellTable,
    pub expected: Vec<Expected>,
    pub json: serde_json::Value,
}

pub fn reference(text: &str) -> Reference {
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

/// Worst deviations of cells of a posterior from a reference: mean, both points (in reference sds) and sd (relative).
#[derive(Debug, Default)]
pub struct Deviation {
    pub mean: f64,
    pub sd: f64,
    pub points: f64,
}

pub fn deviation(found: &[Summary], expected: &[Expected]) -> Deviation {
    found.iter().zip(expected).fold(Deviation::default(), |d, (f, e)| Deviation {
        mean: d.mean.max((f.mean - e.mean).abs() / e.sd),
        sd: d.sd.max((f.sd / e.sd - 1.0).abs()),
        points: d.points.max((f.low - e.low).abs() / e.sd).max((f.high - e.high).abs() / e.sd),
    })
}

/// P(best) of each variant (index) among the locations variants × draws.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub fn prob_best(locations: &[Vec<f64>]) -> Vec<f64> {
    let draws = locations[0].len();
    let mut wins = vec![0.0; locations.len()];
    for s in 0..draws {
        let best = (1..locations.len()).fold(0, |b, v| if locations[v][s] > locations[b][s] { v } else { b });
        wins[best] += 1.0 / draws as f64;
    }
    wins
}
