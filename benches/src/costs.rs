//! What fits and decisions cost.

use std::collections::BTreeMap;
use std::hint::black_box;

use bandit::{
    Cell, CellTable, CompileLimits, Distribution, Dtype, Factor, ModelType, Policy, PolicyOptions, Prior, RewardType,
    Row, Seed, Settings, Space, VariantKeys, choose, fit, user_hash,
};
use rand::RngExt;

use crate::clock::{Stopwatch, median};
use crate::draw::{binomial, generator, known_contexts, logit, normal, sigmoid, space};
use crate::error::Error;

/// A configuration whose fit is timed.
struct Case {
    name: &'static str,
    design: &'static [usize],
    context: &'static [usize],
    observations: u64,
    repeats: usize,
}

const CASES: [Case; 6] = [
    Case { name: "small", design: &[3, 2], context: &[2], observations: 1_000, repeats: 5 },
    Case { name: "hundred", design: &[5, 2, 2], context: &[4, 3], observations: 1_000, repeats: 3 },
    Case { name: "hundred", design: &[5, 2, 2], context: &[4, 3], observations: 5_000, repeats: 3 },
    Case { name: "hundred", design: &[5, 2, 2], context: &[4, 3], observations: 1_000_000, repeats: 3 },
    Case { name: "largest", design: &[20, 20], context: &[10, 10, 10, 4], observations: 5_000, repeats: 1 },
    Case { name: "largest", design: &[20, 20], context: &[10, 10, 10, 4], observations: 100_000, repeats: 1 },
];

/// Processor seconds of a cmab/bool fit and of the policy's compilation, medians of repeated runs, printed as a table in
/// Markdown. `only`: the cases of this name.
///
/// # Errors
/// [`Error`] of the data; a fit that fails is a line of the table.
pub fn fits(seed: u64, only: Option<&str>) -> Result<(), Error> {
    println!("| case | cells | columns | observations | conversions | fit, s CPU | compile, s CPU | step |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for case in CASES.iter().filter(|c| only.is_none_or(|name| name == c.name)) {
        let space = space(case.design, case.context)?;
        let cells = simulate(&space, case.observations, seed)?;
        let settings = Settings {
            model_type: ModelType::Cmab,
            reward: RewardType::Bool,
            distribution: Distribution::Auto,
            prior: Prior::default(),
            exploration: 1.0,
        };
        let (mut fitted, mut compiled, mut step) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..case.repeats {
            let watch = Stopwatch::start();
            let result = fit(&space, &cells, &settings, &Seed::derive(&["fit", case.name, &seed.to_string()]));
            fitted.push(watch.spent().cpu);
            match result {
                Ok(posterior) => {
                    let none = BTreeMap::new();
                    let limits = CompileLimits::default();
                    let options =
                        PolicyOptions { bias: &none, exploration: 1.0, minimum_share: 0.0, limits, threads: 1 };
                    let watch = Stopwatch::start();
                    black_box(Policy::compile(&space, &cells, &posterior, &options)?);
                    compiled.push(watch.spent().cpu);
                    step = format!("{:?}", posterior.diagnostics.step);
                }
                Err(cause) => step = cause.to_string(),
            }
        }
        println!(
            "| {} | {} | {} | {} | {} | {:.2} | {:.3} | {step} |",
            case.name,
            cells.cells().len(),
            space.columns(),
            cells.trials(),
            cells.reward_sum(),
            median(&fitted),
            median(&compiled)
        );
    }
    Ok(())
}

/// Observations spread evenly over random cells of known levels, with additive effects of sd 0.4 about 5 %.
fn simulate(space: &Space, observations: u64, seed: u64) -> Result<CellTable, Error> {
    let mut rng = generator(seed, &["costs", &space.columns().to_string(), &observations.to_string()]);
    let contexts = known_contexts(space);
    let mut level = |levels: usize| -> Vec<f64> { (0..levels).map(|_| 0.4 * normal(&mut rng)).collect() };
    let design: Vec<Vec<f64>> = space.design().iter().map(|f| level(f.levels().len())).collect();
    let context: Vec<Vec<f64>> = space.context().iter().map(|f| level(f.levels().len())).collect();
    let all = (contexts.len() * space.variants()) as u64;
    // Every cell where there are observations for all, else one observation each in cells at random.
    let each = (observations / all).max(1);
    let mut cells = Vec::new();
    for i in 0..all.min(observations) {
        let at = if all <= observations { i } else { rng.random_range(0..all) };
        #[expect(clippy::cast_possible_truncation, reason = "below the number of variants")]
        let variant = (at % space.variants() as u64) as usize;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of contexts")]
        let context_number = contexts[(at / space.variants() as u64) as usize];
        let variant_levels = space.decode_variant(variant);
        let context_levels = space.decode_context(context_number);
        let sum: f64 =
            design.iter().zip(&variant_levels).chain(context.iter().zip(&context_levels)).map(|(e, &l)| e[l]).sum();
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let converted = binomial(each, sigmoid(logit(0.05) + sum), &mut rng)? as f64;
        cells.push(Cell { variant, context: context_number, n: each, sum: converted, sum_sq: converted });
    }
    Ok(CellTable::new(cells)?)
}

/// Nanoseconds of processor time of a decision from a compiled row: the user's hash and the variant among those with a share, against the
/// hash of the ids alone. Medians of repeated passes over the same users, and ratios within the run.
///
/// # Errors
/// [`Error::NoRow`], which the rows here rule out.
pub fn decisions(seed: u64) -> Result<(), Error> {
    const USERS: usize = 100_000;
    const PASSES: usize = 15;
    let mut rng = generator(seed, &["decisions"]);
    let ids: Vec<String> = (0..USERS).map(|_| format!("{:032x}", rng.random::<u128>())).collect();
    let optimization = "5f0c1c1e-7a43-4a53-9c0e-0b8ad0c6c9b1";
    let row = |counts: &[u32]| Row::from_counts(counts).ok_or(Error::NoRow { context: 0 });
    let factor = |name: &str| Factor::new(name, Dtype::Str, (0..10).map(|l| l.to_string()).collect());
    let keys = VariantKeys::of(&Space::new(vec![factor("tens")?, factor("ones")?], vec![])?)?;
    let even = row(&[100; 100])?;
    let settled = row(&std::array::from_fn::<u32, 100, _>(|v| match v {
        7 => 9_000,
        8 => 901,
        _ => 1,
    }))?;
    let few = row(&std::array::from_fn::<u32, 100, _>(|v| if v % 20 == 0 { 2_000 } else { 0 }))?;
    let pass = |work: &dyn Fn(&str) -> u64| -> f64 {
        let times: Vec<f64> = (0..PASSES)
            .map(|_| {
                let watch = Stopwatch::start();
                black_box(ids.iter().fold(0_u64, |sum, id| sum.wrapping_add(work(black_box(id)))));
                watch.spent().cpu * 1e9
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let users = USERS as f64;
        median(&times) / users
    };
    let floor = pass(&|id| user_hash(optimization, id));
    println!("| work | ns a user | of the floor |\n| --- | --- | --- |");
    println!("| hash of the ids alone (floor) | {floor:.1} | 1.0 |");
    for (name, row) in [
        ("100 variants, all alike", &even),
        ("100 variants, two with 99 %", &settled),
        ("100 variants, 5 with a share", &few),
    ] {
        let time = pass(&|id| choose(optimization, id, row.as_ref(), &keys) as u64);
        println!("| {name} | {time:.1} | {:.1} |", time / floor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_have_the_sizes_that_they_are_there_for() {
        let columns: Vec<usize> = CASES.iter().map(|c| space(c.design, c.context).unwrap().columns()).collect();
        assert_eq!(columns, [30, 124, 124, 124, 1999, 1999]);
        let hundred = space(CASES[1].design, CASES[1].context).unwrap();
        let cells = simulate(&hundred, 5_000, 1).unwrap();
        assert_eq!((cells.cells().len(), cells.trials()), (240, 4_800));
        let large = space(CASES[4].design, CASES[4].context).unwrap();
        assert_eq!(simulate(&large, 5_000, 1).unwrap().trials(), 5_000);
    }
}
