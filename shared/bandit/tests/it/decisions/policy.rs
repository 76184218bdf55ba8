//! The compiled policy against naive loops and known probabilities.

use std::collections::BTreeMap;

use super::hand::{from_draws, naive_counts, options, random_arms, random_cells, random_columns, space};
use bandit::{
    CellTable, CompileLimits, Coverage, DecisionError, Link, Policy, PolicyOptions, Predictor, SERVING_DRAWS, Space,
    draw_row, serving_seed,
};
use proptest::prelude::*;

fn counts(policy: &Policy, context: u64) -> Vec<u32> {
    let row = policy.row(context).unwrap();
    (0..policy.variants()).map(|v| row.count(v)).collect()
}

#[test]
fn two_arms_have_the_known_probability() {
    // Arms N(0, 1) and N(0.5, 1): P(second is best) = Φ(0.5/√2) = 0.638163.
    let space = space(&[2], &[]);
    let mut posterior = random_arms(&space, Link::Logit, 40_000, 5);
    posterior.draws.iter_mut().skip(1).step_by(2).for_each(|x| *x += 0.5);
    posterior.mean[1] += 0.5;
    let none = BTreeMap::new();
    let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options(&none, 1.0)).unwrap();
    assert_eq!(policy.coverage(), Coverage::AnyContext);
    let p = policy.row(0).unwrap().probability(1);
    // Five standard errors of 40,000 draws: false alarm once in 1.7 million.
    assert!((p - 0.638_163).abs() < 5.0 * (0.638_163 * 0.361_837 / 40_000.0_f64).sqrt(), "{p}");
    // Half the deviation is twice the distance in standard deviations: Φ(1/√2) = 0.760250.
    let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options(&none, 0.5)).unwrap();
    let p = policy.row(0).unwrap().probability(1);
    assert!((p - 0.760_250).abs() < 5.0 * (0.76 * 0.24 / 40_000.0_f64).sqrt() + 0.003, "{p}");
    // A bias of 1 on the one factor doubles the deviation: Φ(0.25/√2) = 0.570159.
    let bias = BTreeMap::from([("d0".to_owned(), 1.0)]);
    let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options(&bias, 1.0)).unwrap();
    let p = policy.row(0).unwrap().probability(1);
    assert!((p - 0.570_159).abs() < 5.0 * (0.57 * 0.43 / 40_000.0_f64).sqrt() + 0.003, "{p}");
}

#[test]
fn equal_variants_go_to_the_lowest_index() {
    let space = space(&[3, 2], &[2]).excluding(&[vec![(0, 1)]]);
    let posterior = from_draws(Predictor::Columns, Link::Logit, space.columns(), vec![0.25; space.columns() * 37]);
    let none = BTreeMap::new();
    let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options(&none, 1.0)).unwrap();
    for context in 0..space.contexts() {
        assert_eq!(counts(&policy, context), [37, 0, 0, 0, 0, 0]);
    }
    let mut draws = vec![0.0; 4 * 3];
    draws[4..8].copy_from_slice(&[1.0, 2.0, 2.0, 2.0]);
    draws[8..].copy_from_slice(&[0.0, 0.0, 0.0, 3.0]);
    let space = self::space(&[4], &[]).excluding(&[vec![(0, 1)]]);
    let posterior = from_draws(Predictor::Arms, Link::Logit, 4, draws);
    let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options(&none, 1.0)).unwrap();
    assert_eq!(counts(&policy, 0), [1, 0, 1, 1]);
}

#[test]
fn wrong_input_is_named() {
    let space = space(&[2, 2], &[2]);
    let posterior = random_columns(&space, Link::Logit, 20, 1.0, 1.0, 1);
    let cells = CellTable::default();
    let none = BTreeMap::new();
    let compile = |space: &Space, posterior: &bandit::Posterior, options: &PolicyOptions<'_>| {
        Policy::compile(space, &cells, posterior, options).unwrap_err()
    };
    let bias = BTreeMap::from([("colour".to_owned(), 1.0)]);
    let error = compile(&space, &posterior, &options(&bias, 1.0));
    assert_eq!(error.to_string(), r#"bias "colour" names no factor; the factors are ["d0", "d1", "c0"]"#);
    let bias = BTreeMap::from([("c0".to_owned(), -1.0)]);
    assert!(matches!(compile(&space, &posterior, &options(&bias, 1.0)), DecisionError::BadBias { .. }));
    assert!(matches!(compile(&space, &posterior, &options(&none, f64::NAN)), DecisionError::BadExploration { .. }));
    let other = self::space(&[2, 3], &[2]);
    let error = compile(&other, &posterior, &options(&none, 1.0));
    assert_eq!(error, DecisionError::Shape { what: "columns", found: 24, expected: 30 });
    let excluded = space.clone().excluding(&[vec![]]);
    assert_eq!(compile(&excluded, &posterior, &options(&none, 1.0)), DecisionError::NoVariant { variants: 4 });
    let mut broken = posterior.clone();
    broken.draws[24 + 3] = f32::NAN;
    let error = compile(&space, &broken, &options(&none, 1.0));
    assert_eq!(error, DecisionError::NotFinite { column: 3, draw: Some(1) });
    broken.draws.truncate(40);
    let error = compile(&space, &broken, &options(&none, 1.0));
    assert_eq!(error, DecisionError::Shape { what: "the last draw", found: 8, expected: 24 });
    broken.draws.clear();
    assert_eq!(compile(&space, &broken, &options(&none, 1.0)), DecisionError::NoDraws);
    let seed = serving_seed("o", 1, 9);
    assert!(matches!(
        draw_row(&space, &posterior, &options(&none, 1.0), 9, &seed),
        Err(DecisionError::UnknownContext { context: 9, contexts: 3 })
    ));
}

#[test]
fn many_contexts_compile_the_observed_ones_and_draw_the_rest() {
    let space = space(&[3, 2], &[4, 4]);
    let posterior = random_columns(&space, Link::Logit, 3_000, 0.2, 0.4, 8);
    let cells = random_cells(&space, &[3, 17, 24], 4);
    let none = BTreeMap::new();
    let all = Policy::compile(&space, &cells, &posterior, &options(&none, 1.0)).unwrap();
    assert_eq!((all.coverage(), all.rows()), (Coverage::EveryContext, 25));
    let limited =
        |observed| PolicyOptions { limits: CompileLimits { every_context: 149, observed }, ..options(&none, 1.0) };
    let some = Policy::compile(&space, &cells, &posterior, &limited(1_000)).unwrap();
    assert_eq!((some.coverage(), some.rows()), (Coverage::ObservedContexts, 3));
    for context in 0..25 {
        match some.row(context) {
            Some(row) => assert_eq!(row, all.row(context).unwrap()),
            None => assert!(![3, 17, 24].contains(&context)),
        }
    }
    assert_eq!(some.row(25), None);
    // Two rows only: the two contexts with the most trials.
    let few = Policy::compile(&space, &cells, &posterior, &limited(12)).unwrap();
    let trials = |c| cells.cells().iter().filter(|cell| cell.context == c).map(|cell| cell.n).sum::<u64>();
    let mut by_trials = [3, 17, 24];
    by_trials.sort_by_key(|&c| std::cmp::Reverse(trials(c)));
    assert!(few.rows() == 2 && few.row(by_trials[0]).is_some() && few.row(by_trials[2]).is_none());

    let seed = serving_seed("o", 1, 5);
    let row = draw_row(&space, &posterior, &limited(1_000), 5, &seed).unwrap();
    assert_eq!(row, draw_row(&space, &posterior, &limited(1_000), 5, &seed).unwrap());
    assert_eq!(row.as_ref().total() as usize, SERVING_DRAWS);
    let compiled = all.row(5).unwrap();
    for v in 0..6 {
        // A sample of a third: five standard errors are at most 5 · √(¼ / 1000).
        assert!((row.as_ref().probability(v) - compiled.probability(v)).abs() < 0.08, "variant {v}");
    }
    let other = draw_row(&space, &posterior, &limited(1_000), 5, &serving_seed("o", 2, 5)).unwrap();
    assert_ne!(row, other);
    // A third of the draws is read: that one of all is no number is noticed by those rows alone that it is in.
    let mut broken = posterior.clone();
    broken.draws[7 * posterior.columns + 1] = f32::NAN;
    let rows: Vec<_> =
        (0..20).map(|v| draw_row(&space, &broken, &limited(1_000), 5, &serving_seed("o", v, 5))).collect();
    let noticed = Err(DecisionError::NotFinite { column: 1, draw: Some(7) });
    assert!(rows.contains(&noticed) && rows.iter().any(Result::is_ok));
    assert!(rows.iter().all(|row| row.is_ok() || *row == noticed));
    // With no more draws than that, the row is the compiled one.
    let mut short = posterior.clone();
    short.draws.truncate(700 * short.columns);
    let compiled = Policy::compile(&space, &cells, &short, &options(&none, 1.0)).unwrap();
    assert_eq!(draw_row(&space, &short, &options(&none, 1.0), 5, &seed).unwrap().as_ref(), compiled.row(5).unwrap());
}

#[test]
fn an_untrained_model_serves_all_allowed_variants_alike() {
    let space = space(&[3, 2], &[2]).excluding(&[vec![(0, 2), (1, 1)]]);
    let policy = Policy::uniform(&space).unwrap();
    assert_eq!(counts(&policy, 2), [1, 1, 1, 1, 1, 0]);
    assert!((policy.row(0).unwrap().probability(3) - 0.2).abs() < 1e-15);
    assert_eq!(policy.row(3), None);
    assert_eq!(Policy::uniform(&space.excluding(&[vec![]])), None);
}

fn shape() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    (prop::collection::vec(2..4_usize, 1..4), prop::collection::vec(2..4_usize, 0..3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_what_three_loops_count(
        (design, context) in shape(),
        arms: bool,
        draws in 1..70_usize,
        seed in 0..1_000_u64,
        exploration in 0.25..2.0_f64,
        biases in prop::collection::vec(0.0..3.0_f64, 5),
        excluded in 0..3_usize,
        threads in 1..4_usize,
    ) {
        let context = if arms { vec![] } else { context };
        let space = space(&design, &context);
        let space = match excluded {
            0 => space,
            1 => space.excluding(&[vec![(0, 1)]]),
            _ => space.excluding(&[vec![(design.len() - 1, 1), (0, 1)]]),
        };
        let posterior = if arms {
            random_arms(&space, Link::Logit, draws, seed)
        } else {
            random_columns(&space, Link::Logit, draws, 0.5, 0.5, seed)
        };
        let factors = space.design().iter().chain(space.context());
        let bias: BTreeMap<String, f64> = factors.zip(&biases).map(|(f, &b)| (f.name().to_owned(), b)).collect();
        let options = PolicyOptions { threads, ..options(&bias, exploration) };
        let policy = Policy::compile(&space, &CellTable::default(), &posterior, &options).unwrap();
        let multipliers: Vec<f64> = (0..posterior.columns)
            .map(|j| exploration * (1.0 + super::hand::involved(&space, &posterior, j).iter().map(|f| bias[f]).sum::<f64>()))
            .collect();
        for c in 0..space.contexts() {
            let found = counts(&policy, c);
            prop_assert_eq!(found.iter().sum::<u32>() as usize, draws);
            prop_assert!((0..space.variants()).all(|v| space.is_allowed(v) || found[v] == 0));
            let expected = naive_counts(&space, &posterior, c, |j| multipliers[j]);
            // Single precision may settle a near-tie the other way.
            let moved: i64 = found.iter().zip(&expected).map(|(&a, &b)| (i64::from(a) - i64::from(b)).abs()).sum();
            prop_assert!(moved <= 2, "context {c}: {found:?} against {expected:?}");
        }
        prop_assert_eq!(Policy::from_bytes(&policy.to_bytes()).unwrap(), policy);
    }

    #[test]
    fn renamed_levels_rename_the_result(design in prop::collection::vec(2..4_usize, 1..3), seed in 0..1_000_u64) {
        // Turning the order of the first factor's levels round turns the rows round, and nothing else.
        let space = space(&design, &[2]);
        let posterior = random_columns(&space, Link::Logit, 64, 0.5, 0.5, seed);
        let columns = bandit::Columns::of(&space);
        let turn = |level: usize| design[0] - 1 - level;
        let mut turned = posterior.clone();
        for (j, column) in columns.describe().into_iter().enumerate() {
            use bandit::Column::{ContextPair, Design, DesignPair};
            let from = match column {
                Design { factor: 0, level } => columns.design(0, turn(level)),
                DesignPair { first: (0, level), second } => columns.design_pair((0, turn(level)), second),
                ContextPair { design: (0, level), context } => columns.context_pair((0, turn(level)), context),
                _ => j,
            };
            turned.mean[j] = posterior.mean[from];
            for s in 0..posterior.len() {
                turned.draws[s * columns.len() + j] = posterior.draw(s)[from];
            }
        }
        let none = BTreeMap::new();
        let compile = |posterior| Policy::compile(&space, &CellTable::default(), posterior, &options(&none, 1.0)).unwrap();
        let (before, after) = (compile(&posterior), compile(&turned));
        for c in 0..space.contexts() {
            for v in 0..space.variants() {
                let mut levels = space.decode_variant(v);
                levels[0] = turn(levels[0]);
                let w = space.encode_variant(&levels);
                prop_assert_eq!(before.row(c).unwrap().count(v), after.row(c).unwrap().count(w));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_policy_or_an_error(
        mut noise in prop::collection::vec(any::<u8>(), 0..200),
        headed: bool,
        at in 0..1_000_usize,
        value: u8,
        cut in 0..1_000_usize,
    ) {
        if headed {
            let start = [b'F', b'L', b'C', b'P', 1];
            noise.iter_mut().zip(start).for_each(|(n, s)| *n = s);
        }
        if let Ok(policy) = Policy::from_bytes(&noise) {
            prop_assert_eq!(policy.to_bytes(), noise);
        }
        let space = space(&[3, 2], &[2]);
        let posterior = random_columns(&space, Link::Logit, 30, 0.5, 0.5, 3);
        let none = BTreeMap::new();
        let cells = random_cells(&space, &[0, 2], 1);
        let limits = CompileLimits { every_context: at as u64 % 40, observed: 1_000 };
        let options = PolicyOptions { limits, ..options(&none, 1.0) };
        let mut bytes = Policy::compile(&space, &cells, &posterior, &options).unwrap().to_bytes();
        let place = at % bytes.len();
        bytes[place] = value;
        if let Ok(policy) = Policy::from_bytes(&bytes) {
            for (_, row) in policy.iter() {
                prop_assert_eq!(row.iter().map(|(_, n)| n).sum::<u32>(), policy.total());
                prop_assert!(row.iter().all(|(v, _)| v < policy.variants()));
            }
            prop_assert_eq!(policy.to_bytes(), bytes.clone());
        }
        bytes.truncate(cut % bytes.len());
        prop_assert!(Policy::from_bytes(&bytes).is_err());
    }
}
