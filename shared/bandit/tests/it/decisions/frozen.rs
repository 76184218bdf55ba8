//! Freezing: the best by the mean, and nothing else.

use std::collections::BTreeMap;

use bandit::{
    CompileLimits, Coverage, DecisionError, Link, Policy, PolicyOptions, Predictor, VariantKeys, baseline_at, choose,
    expected_rewards, freeze, freeze_row, propensity,
};
use proptest::prelude::*;

use super::hand::{from_draws, location, options, random_arms, random_cells, random_columns, reward, space};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_best_by_the_mean_is_served(
        design in prop::collection::vec(2..4_usize, 1..4),
        contexts in prop::collection::vec(2..4_usize, 1..3),
        logit: bool,
        draws in 1..60_usize,
        seed in 0..1_000_u64,
        excluded: bool,
    ) {
        let mut space = space(&design, &contexts);
        if excluded {
            space = space.excluding(&[vec![(0, 1)]]);
        }
        let link = if logit { Link::Logit } else { Link::Identity { center: 30.0, scale: 4.0 } };
        let posterior = random_columns(&space, link, draws, 0.3, 1.0, seed);
        let none = BTreeMap::new();
        let served = Policy::compile(&space, &random_cells(&space, &[0], seed), &posterior, &options(&none, 1.0)).unwrap();
        let frozen = freeze(&space, &posterior, &served, 2).unwrap();
        prop_assert!(frozen.is_frozen() && !served.is_frozen() || draws == 1);
        let all: Vec<u64> = (0..space.contexts()).collect();
        let means = expected_rewards(&space, &posterior, &all, 3).unwrap();
        let trials: Vec<(u64, u64)> = all.iter().map(|&c| (c, 1 + c)).collect();
        let mut baseline = 0.0;
        for context in all {
            let naive: Vec<f64> = (0..space.variants())
                .map(|v| {
                    let at = |s| reward(link, location(&space, &posterior, s, v, context, |_| 1.0));
                    (0..draws).map(at).sum::<f64>() / draws as f64
                })
                .collect();
            baseline += (1 + context) as f64 * naive[0];
            let found = &means[context as usize * space.variants()..][..space.variants()];
            for (found, naive) in found.iter().zip(&naive) {
                prop_assert!((found - naive).abs() <= 3e-6 * (1.0 + naive.abs()), "{found} against {naive}");
            }
            let row = frozen.row(context).unwrap();
            let best = row.favourite();
            prop_assert_eq!((row.total(), row.count(best), propensity(row, best, 0.0)), (1, 1, 1.0));
            prop_assert!(space.is_allowed(best));
            let most = space.allowed().map(|v| naive[v]).fold(f64::MIN, f64::max);
            prop_assert!(naive[best] >= most - 6e-6 * (1.0 + most.abs()));
            let alone = freeze_row(&space, &posterior, context).unwrap();
            prop_assert_eq!(alone.as_ref(), row);
        }
        let (mean, _) = baseline_at(&space, &posterior, &trials).unwrap().unwrap();
        let exact = baseline / trials.iter().map(|&(_, n)| n).sum::<u64>() as f64;
        prop_assert!((mean - exact).abs() <= 3e-6 * (1.0 + exact.abs()));
        prop_assert_eq!(Policy::from_bytes(&frozen.to_bytes()).unwrap(), frozen);
    }
}

/// Best in most draws is not best in the mean: the first arm is the better one in 9 of 10 draws by a little, and worse by far in one.
#[test]
fn a_draw_does_not_decide() {
    let space = space(&[2], &[]);
    let draws = (0..10).flat_map(|s| if s == 0 { [0.0, 9.0] } else { [0.5, 0.0] }).collect();
    let posterior = from_draws(Predictor::Arms, Link::Identity { center: 0.0, scale: 1.0 }, 2, draws);
    let none = BTreeMap::new();
    let served = Policy::compile(&space, &random_cells(&space, &[0], 1), &posterior, &options(&none, 1.0)).unwrap();
    assert_eq!(served.row(0).unwrap().favourite(), 0);
    let frozen = freeze(&space, &posterior, &served, 1).unwrap();
    assert_eq!((frozen.coverage(), frozen.row(0).unwrap().favourite()), (Coverage::AnyContext, 1));
    let keys = VariantKeys::of(&space).unwrap();
    assert!((0..1_000).all(|user| choose("o", &user.to_string(), frozen.row(0).unwrap(), &keys) == 1));
    // The baseline is certain of nothing but its own draws: mean 0.45, standard deviation 0.15.
    let (mean, sd) = baseline_at(&space, &posterior, &[(0, 5)]).unwrap().unwrap();
    assert!((mean - 0.45).abs() < 1e-6 && (sd - 0.15).abs() < 1e-6, "{mean} {sd}");
    assert_eq!(baseline_at(&space, &posterior, &[(0, 0)]).unwrap(), None);
}

#[test]
fn a_frozen_policy_has_the_rows_of_the_one_in_force() {
    let space = space(&[2, 2], &[4]);
    let posterior = random_columns(&space, Link::Logit, 50, 0.5, 0.3, 3);
    let none = BTreeMap::new();
    let few = CompileLimits { every_context: 10, observed: 1_000 };
    let some = PolicyOptions { limits: few, ..options(&none, 1.0) };
    let served = Policy::compile(&space, &random_cells(&space, &[1, 4], 1), &posterior, &some).unwrap();
    let frozen = freeze(&space, &posterior, &served, 1).unwrap();
    assert_eq!((frozen.coverage(), frozen.rows()), (Coverage::ObservedContexts, 2));
    assert!(frozen.row(1).is_some() && frozen.row(4).is_some() && frozen.row(0).is_none());
    // From one row for all, as before the first training, every context gets its own.
    let uniform = Policy::uniform(&space).unwrap();
    let frozen = freeze(&space, &posterior, &uniform, 1).unwrap();
    assert_eq!((frozen.coverage(), frozen.rows()), (Coverage::EveryContext, 5));
    let unknown = freeze_row(&space, &posterior, 5).unwrap_err();
    assert_eq!(unknown, DecisionError::UnknownContext { context: 5, contexts: 5 });
    assert!(freeze(&space, &random_arms(&space, Link::Logit, 3, 1), &uniform, 1).is_ok());
    let nothing = space.excluding(&[vec![]]);
    assert!(matches!(freeze_row(&nothing, &posterior, 0), Err(DecisionError::NoVariant { .. })));
}
