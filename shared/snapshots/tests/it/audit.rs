//! The audit sample: held against the rows, and told to depend on nothing but them.

use std::collections::BTreeMap;

use crate::common::{
    Exposure, HOUR, Kind, Memory, Packing, T0, cells, ending, exposures_file, plan, rewards_file, space,
};
use bandit::{hold_out, user_hash};
use proptest::prelude::*;
use snapshots::{AuditPlan, AuditSample, AuditedExposures, Immature, Plan, TablesPlan, Unit, count_with_tables};

const DAY: i64 = 24 * HOUR;

/// A few, in the middle of hours too.
fn instants() -> Vec<i64> {
    (0..60).map(|part| T0 + part * (DAY / 5 + 7)).collect()
}

/// A thousand rows of two hundred users over ten days, from a seed; users come back.
fn rows(seed: u64) -> Vec<Exposure> {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let exposure = |_| Exposure {
        id: format!("user-{}", next(200)),
        time: T0 + next(240 * 6).cast_signed() * HOUR / 6 + 1_234,
        variant: usize::try_from(next(6)).unwrap(),
        context: next(3),
    };
    (0..1_000).map(exposure).collect()
}

fn sampled(exposures: &[Exposure], least: usize, (files, row_group, threads): (usize, usize, usize)) -> AuditSample {
    let (space, instants) = (space(), instants());
    let mut objects = vec![("_SUCCESS".to_owned(), Vec::new())];
    for (number, rows) in exposures.chunks(exposures.len().div_ceil(files)).enumerate() {
        let key = format!("exposures/{number}.{}", ending(Kind::Parquet, Packing::Plain));
        objects.push((key, exposures_file(&space, rows, Kind::Parquet, Packing::Plain, row_group)));
    }
    objects.push(("rewards/0.csv".to_owned(), rewards_file(&[], Kind::Csv, Packing::Plain, 1)));
    let memory = Memory::of(objects);
    let plan = Plan { threads, allow_no_rewards: true, ..plan(&space) };
    let audit = Some(AuditPlan { instants: &instants, least });
    let tables = TablesPlan {
        holdout_percentage: 30.0,
        instants: &[],
        most_users: 1_000,
        unit: Unit::Exposure,
        cap: None,
        audit,
    };
    let counted = count_with_tables(&memory, &memory.list(), &plan, &tables).unwrap();
    assert_eq!(cells(&counted.counts), cells(&memory.count(&plan).unwrap()), "a sink changes no cell");
    counted.audit.unwrap()
}

/// Exposures by user and day.
type ByUser = BTreeMap<(u64, i64), u64>;

/// All exposures of the last seven days, put together one by one.
fn by_hand(exposures: &[Exposure]) -> (Vec<AuditedExposures>, ByUser) {
    let instants = instants();
    let day = |time: i64| time.div_euclid(DAY);
    let latest = exposures.iter().map(|e| day(e.time)).max().unwrap();
    let (mut rows, mut by_user) = (BTreeMap::new(), ByUser::new());
    for e in exposures.iter().filter(|e| day(e.time) > latest - 7) {
        let quarter = e.time.div_euclid(HOUR / 4) * (HOUR / 4);
        let from = instants.iter().copied().filter(|&instant| instant <= e.time).fold(quarter, i64::max);
        let user = user_hash("opt", &e.id);
        let row = AuditedExposures {
            user,
            from,
            variant: u32::try_from(e.variant).unwrap(),
            context: e.context,
            held_out: hold_out("opt", &e.id, 30.0),
            exposures: 0,
        };
        *rows.entry(row).or_insert(0) += 1;
        *by_user.entry((user, day(e.time))).or_default() += 1;
    }
    (rows.into_iter().map(|(row, exposures)| AuditedExposures { exposures, ..row }).collect(), by_user)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn where_all_fit_all_exposures_of_the_last_week_are_sampled(
        seed: u64, files in 1..6_usize, row_group in 50..500_usize, threads in 1..4_usize,
    ) {
        let exposures = rows(seed);
        let found = sampled(&exposures, 10_000, (files, row_group, threads));
        let (expected, _) = by_hand(&exposures);
        prop_assert_eq!(&found.rows, &expected);
        prop_assert_eq!(found.of, expected.iter().map(|row| u64::from(row.exposures)).sum::<u64>());
        let (first, last) = found.days.unwrap();
        prop_assert_eq!(last - first, 6);
    }

    #[test]
    fn a_sample_has_whole_users_and_enough_of_them_whatever_the_order_of_the_rows(
        seed: u64, least in 1..60_usize, files in 1..6_usize, row_group in 50..500_usize, threads in 1..4_usize,
    ) {
        let mut exposures = rows(seed);
        let found = sampled(&exposures, least, (files, row_group, threads));
        let (all, by_user) = by_hand(&exposures);
        let mut seen = ByUser::new();
        for row in &found.rows {
            prop_assert!(all.contains(row), "{row:?}");
            let day = row.from.div_euclid(DAY);
            *seen.entry((row.user, day)).or_default() += u64::from(row.exposures);
        }
        for (user, n) in &seen {
            prop_assert_eq!(by_user[user], *n, "all that a sampled user saw on a day");
        }
        for day in found.days.unwrap().0..=found.days.unwrap().1 {
            let of = |users: &ByUser| users.iter().filter(|((_, of), _)| *of == day).map(|(_, n)| n).sum::<u64>();
            prop_assert!(of(&seen) >= of(&by_user).min(least as u64));
        }
        exposures.reverse();
        prop_assert_eq!(found, sampled(&exposures, least, (1, 1_000, 1)));
    }
}

#[test]
fn exposures_that_are_immature_are_not_sampled() {
    let exposures = rows(7);
    let (space, instants) = (space(), instants());
    let memory = Memory::of(vec![
        ("_SUCCESS".to_owned(), Vec::new()),
        ("exposures/0.csv".to_owned(), exposures_file(&space, &exposures, Kind::Csv, Packing::Plain, 1)),
        ("rewards/0.csv".to_owned(), rewards_file(&[], Kind::Csv, Packing::Plain, 1)),
    ]);
    let plan = Plan { allow_no_rewards: true, immature: Immature::Exclude, window_hours: 48, ..plan(&space) };
    let tables = |audit| TablesPlan {
        holdout_percentage: 0.0,
        instants: &[],
        most_users: 1_000,
        unit: Unit::Exposure,
        cap: None,
        audit,
    };
    let audit = Some(AuditPlan { instants: &instants, least: 10_000 });
    let counted = count_with_tables(&memory, &memory.list(), &plan, &tables(audit)).unwrap();
    let last = exposures.iter().map(|e| e.time).max().unwrap() - 48 * HOUR;
    let mature: Vec<Exposure> = exposures.into_iter().filter(|e| e.time <= last).collect();
    let (expected, _) = by_hand(&mature);
    let held_in = expected.into_iter().map(|row| AuditedExposures { held_out: false, ..row }).collect::<Vec<_>>();
    assert_eq!(counted.audit.unwrap().rows, held_in);
    assert_eq!(count_with_tables(&memory, &memory.list(), &plan, &tables(None)).unwrap().audit, None);
}
