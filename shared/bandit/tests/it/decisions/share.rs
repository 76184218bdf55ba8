//! The minimum share and burn-in: what is served, and with what probability.

use std::collections::BTreeMap;

use bandit::{
    BurnIn, Coverage, DecisionError, Link, Policy, PolicyOptions, Row, Space, VariantKeys, choose, draw_row, hold_out,
    propensity, serving_seed,
};
use proptest::prelude::*;

use super::hand::{options, random_cells, random_columns, space};

fn floor_of(space: &Space, draws: usize, minimum_share: f64, seed: u64) -> (Policy, Policy) {
    let posterior = random_columns(space, Link::Logit, draws, 0.5, 0.3, seed);
    let cells = random_cells(space, &[0, 1], seed);
    let none = BTreeMap::new();
    let plain = options(&none, 1.0);
    let compile = |options| Policy::compile(space, &cells, &posterior, &options).unwrap();
    (compile(plain), compile(PolicyOptions { minimum_share, ..plain }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_minimum_share_is_the_formula_in_counts(
        design in prop::collection::vec(2..4_usize, 1..4),
        draws in 1..400_usize,
        of_most in 0.0..1.0_f64,
        excluded: bool,
        seed in 0..1_000_u64,
    ) {
        let mut space = space(&design, &[2]);
        if excluded {
            space = space.excluding(&[vec![(0, 1)]]);
        }
        let allowed = space.allowed().count() as f64;
        let m = (0.05 * of_most).min(of_most / allowed);
        // As people write them, or not.
        let m = if of_most < 0.5 { (m * 1e4).floor() / 1e4 } else { m };
        let (plain, raised) = floor_of(&space, draws, m, seed);
        prop_assert!(m == 0.0 || raised.total() >= 10_000);
        for context in 0..space.contexts() {
            let (before, after) = (plain.row(context).unwrap(), raised.row(context).unwrap());
            prop_assert_eq!(after.iter().map(|(_, count)| count).sum::<u32>(), raised.total());
            for v in 0..space.variants() {
                let (pi, found) = (before.probability(v), after.probability(v));
                if space.is_allowed(v) {
                    prop_assert!(found >= m - 1e-9, "{found} below {m}");
                    let (formula, step) = ((1.0 - allowed * m) * pi + m, 1.0 / f64::from(raised.total()));
                    // The floor is rounded up, at the expense of the rest; where it is whole, nothing is.
                    let floor = m * f64::from(raised.total());
                    let slack = if (floor - floor.round()).abs() < 1e-6 { step } else { step * (2.0 + allowed * pi) };
                    prop_assert!(step <= 1e-6 || slack <= step || m == 0.0);
                    prop_assert!((found - formula).abs() <= slack + 1e-12, "{found} against {formula}");
                } else {
                    prop_assert!(found == 0.0);
                }
            }
        }
        prop_assert_eq!(Policy::from_bytes(&raised.to_bytes()).unwrap(), raised);
    }
}

/// 100,000 users under a minimum share and a holdout: the shares are the propensities, to five standard errors each (one false alarm
/// in 300,000 seeds).
#[test]
fn propensities_are_exact_with_a_minimum_share_and_a_holdout() {
    let space = space(&[3, 2], &[2]);
    let (_, policy) = floor_of(&space, 500, 0.03, 9);
    let (row, keys) = (policy.row(1).unwrap(), VariantKeys::of(&space).unwrap());
    let mut seen = [0_u32; 6];
    for user in 0..100_000 {
        let id = user.to_string();
        seen[if hold_out("o", &id, 15.0) { 0 } else { choose("o", &id, row, &keys) }] += 1;
    }
    for (v, &seen) in seen.iter().enumerate() {
        let p = propensity(row, v, 0.15);
        assert!(p >= 0.85 * 0.03);
        let error = (p * (1.0 - p) / 1e5).sqrt();
        assert!((f64::from(seen) / 1e5 - p).abs() < 5.0 * error, "variant {v}: {seen} against {p}");
    }
}

#[test]
fn rows_drawn_at_serving_have_it_too() {
    let space = space(&[3, 2], &[2]);
    let posterior = random_columns(&space, Link::Logit, 3_000, 0.5, 0.1, 3);
    let none = BTreeMap::new();
    let plain = options(&none, 1.0);
    let draw =
        |options: &PolicyOptions<'_>| draw_row(&space, &posterior, options, 1, &serving_seed("o", 1, 1)).unwrap();
    let (before, after): (Row, Row) = (draw(&plain), draw(&PolicyOptions { minimum_share: 0.02, ..plain }));
    assert_eq!((before.as_ref().total(), after.as_ref().total()), (1_000, 10_000));
    for v in 0..6 {
        let expected = 0.88 * before.as_ref().probability(v) + 0.02;
        assert!((after.as_ref().probability(v) - expected).abs() <= 1e-4);
    }
}

#[test]
fn a_share_that_cannot_be_is_refused() {
    let space = space(&[3, 2], &[2]).excluding(&[vec![(0, 1)]]);
    let posterior = random_columns(&space, Link::Logit, 10, 0.5, 0.1, 3);
    let none = BTreeMap::new();
    for value in [-0.01, 0.26, f64::NAN, f64::INFINITY] {
        let options = PolicyOptions { minimum_share: value, ..options(&none, 1.0) };
        let refused = Policy::compile(&space, &random_cells(&space, &[0], 1), &posterior, &options).unwrap_err();
        assert!(matches!(refused, DecisionError::BadMinimumShare { variants: 4, .. }), "{refused}");
        let refused = draw_row(&space, &posterior, &options, 0, &serving_seed("o", 1, 0)).unwrap_err();
        assert!(matches!(refused, DecisionError::BadMinimumShare { variants: 4, .. }), "{refused}");
    }
    // All that there is, given out alike.
    let all = PolicyOptions { minimum_share: 0.25, ..options(&none, 1.0) };
    let policy = Policy::compile(&space, &random_cells(&space, &[0], 1), &posterior, &all).unwrap();
    assert!(space.allowed().all(|v| (policy.row(0).unwrap().probability(v) - 0.25).abs() < 1e-12));
}

#[test]
fn burn_in_lasts_by_exposures_or_hours() {
    let by_count: BurnIn = serde_json::from_str(r#"{"exposures": 5000}"#).unwrap();
    let by_time: BurnIn = serde_json::from_str(r#"{"hours": 36.5}"#).unwrap();
    assert_eq!((by_count, by_time), (BurnIn::Exposures(5_000), BurnIn::Hours(36.5)));
    assert!(by_count.lasts(4_999, 1e9) && !by_count.lasts(5_000, 0.0));
    assert!(by_time.lasts(u64::MAX, 36.4) && !by_time.lasts(0, 36.5));
    assert!(serde_json::from_str::<BurnIn>(r#"{"days": 2}"#).is_err());
    // What is served then holds in any context.
    let uniform = Policy::uniform(&space(&[3, 2], &[2])).unwrap();
    assert_eq!(uniform.coverage(), Coverage::AnyContext);
}
