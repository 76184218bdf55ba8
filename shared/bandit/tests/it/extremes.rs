//! The sizes at the edges of what may be configured.
//!
//! The largest takes half a minute of one processor and is run by hand:
//! `cargo test --release -p bandit --test it -- --ignored extremes`.

use crate::common::{locations, settings, sigmoid, space, summary};
use bandit::{
    Cell, CellTable, Columns, FitError, MAX_COLUMNS, ModelType, Posterior, Prior, RewardType, Seed, Space, Step, fit,
};

/// Every cell without an unknown level, with `n` trials and a rate that follows a few of the factors.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn table(space: &Space, n: u64) -> CellTable {
    let known = |c: &u64| space.decode_context(*c).iter().zip(space.context()).all(|(l, f)| *l < f.levels().len());
    let cells = (0..space.contexts()).filter(known).flat_map(|context| {
        (0..space.variants()).map(move |variant| {
            // A shift that evens out over cells takes the place of chance.
            let shift = ((variant as u64 * 7 + context * 13) % 17) as f64 / 17.0;
            let sum = (n as f64 * rate(space, variant, context) + shift).floor();
            Cell { variant, context, n, sum, sum_sq: sum }
        })
    });
    CellTable::new(cells.collect::<Vec<_>>()).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn rate(space: &Space, variant: usize, context: u64) -> f64 {
    let (v, c) = (space.decode_variant(variant), space.decode_context(context));
    sigmoid(-2.0 + 0.5 * ((v[0] * 2) as f64).sin() + 0.3 * ((v[1] + c[0]) as f64).cos())
}

fn checked(posterior: &Posterior, space: &Space, table: &CellTable) {
    assert_eq!((posterior.columns, posterior.len()), (space.columns(), 10_000));
    assert!(posterior.draws.iter().all(|d| d.is_finite()));
    assert!(posterior.mean.iter().chain(&posterior.precision_cholesky).all(|d| d.is_finite()));
    let total: f64 = posterior.diagnostics.scales.iter().map(|s| s.weight).sum();
    assert!((total - 1.0).abs() < 1e-9);
    let cells: Vec<_> = table.cells().iter().step_by(table.cells().len() / 50).collect();
    let places: Vec<_> = cells.iter().map(|c| (c.variant, c.context)).collect();
    for (cell, eta) in cells.iter().zip(locations(posterior, space, &places)) {
        let s = summary(&eta);
        assert!(s.sd > 0.0 && s.low < s.mean && s.mean < s.high, "cell ({}, {})", cell.variant, cell.context);
    }
}

#[test]
fn a_hundred_and_twenty_columns() {
    let space = space(&[2, 2, 3], &[5, 5]);
    assert_eq!(space.columns(), 120);
    for n in [1, 20, 3_000] {
        let table = table(&space, n);
        for reward in [RewardType::Bool, RewardType::Numeric] {
            let settings = settings(ModelType::Cmab, reward, Prior::default());
            checked(&fit(&space, &table, &settings, &Seed::derive(&["120"])).unwrap(), &space, &table);
        }
    }
}

/// Separation at a hundred columns, with everything at its default: one level always converts and the others never. The
/// scale of the main effects is then known to be large and not how large, weights fail, and the sampler takes over.
#[test]
fn a_level_that_always_converts_among_a_hundred_columns() {
    let space = space(&[5, 4], &[4, 3]);
    let plain = table(&space, 20);
    let cells = plain.cells().iter().map(|cell| {
        let sum = if space.decode_variant(cell.variant)[0] == 0 { 20.0 } else { 0.0 };
        Cell { sum, sum_sq: sum, ..*cell }
    });
    let table = CellTable::new(cells.collect::<Vec<_>>()).unwrap();
    let settings = settings(ModelType::Cmab, RewardType::Bool, Prior::default());
    let posterior = fit(&space, &table, &settings, &Seed::derive(&["x"])).unwrap();
    checked(&posterior, &space, &table);
    let d = &posterior.diagnostics;
    assert_eq!(d.step, Step::Nuts, "{d:?}");
    assert!(d.r_hat.unwrap() < 1.01 && d.effective_draws.unwrap() >= 1_000.0, "{d:?}");
    for cell in table.cells().iter().step_by(7) {
        let p = summary(
            &locations(&posterior, &space, &[(cell.variant, cell.context)])[0]
                .iter()
                .map(|&e| sigmoid(e))
                .collect::<Vec<_>>(),
        );
        let always = cell.sum > 0.0;
        assert!(if always { p.mean > 0.97 } else { p.mean < 0.03 }, "({}, {}): {}", cell.variant, cell.context, p.mean);
    }
}

#[test]
#[ignore = "half a minute of one processor, in release"]
fn two_thousand_columns_and_a_hundred_and_eighty_thousand_cells() {
    let space = space(&[5, 20, 24], &[4, 19]);
    assert_eq!((space.columns(), Columns::of(&space).len()), (MAX_COLUMNS, MAX_COLUMNS));
    let table = table(&space, 5);
    assert_eq!(table.cells().len(), 182_400);
    for reward in [RewardType::Bool, RewardType::Numeric] {
        let settings = settings(ModelType::Cmab, reward, Prior::default());
        match fit(&space, &table, &settings, &Seed::derive(&["2000"])) {
            Ok(posterior) => {
                checked(&posterior, &space, &table);
                if reward == RewardType::Bool {
                    // What is believed of the average cell is what was seen.
                    let seen: f64 = table.reward_sum() / 912_000.0;
                    let places: Vec<_> = table.cells().iter().step_by(401).map(|c| (c.variant, c.context)).collect();
                    let etas = locations(&posterior, &space, &places);
                    let all: Vec<f64> = etas.into_iter().flatten().map(sigmoid).collect();
                    let mean = summary(&all).mean;
                    assert!((mean / seen - 1.0).abs() < 0.05, "{mean} for {seen}");
                }
            }
            // Allowed, and said with what it took.
            Err(FitError::Work { columns, spent, bound, .. }) => {
                assert!(columns == MAX_COLUMNS && spent <= bound);
            }
            Err(other) => panic!("{other}"),
        }
    }
}
