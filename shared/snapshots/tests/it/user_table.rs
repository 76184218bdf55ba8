//! The cube and the user table: held against the same made row by row, and told to depend on nothing but the rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{
    Exposure, HOUR, Kind, Memory, Packing, Reward, T0, cells, ending, exposures_file, plan, rewards_file, space,
};
use bandit::evaluation::UserSums;
use bandit::{RewardType, Space, hold_out};
use proptest::prelude::*;
use snapshots::{Counted, Plan, SnapshotCounts, Tables, TablesPlan, Unit, UserGroup, count_with_tables};

const DAY: i64 = 24 * HOUR;
const INSTANTS: [i64; 3] = [T0, T0 + DAY / 2, T0 + DAY];

fn tables_plan(most_users: u64) -> TablesPlan<'static> {
    TablesPlan {
        holdout_percentage: 30.0,
        instants: &INSTANTS,
        most_users,
        unit: Unit::Exposure,
        cap: None,
        audit: None,
    }
}

/// A few hundred rows of forty users over two days, from a seed.
fn rows(seed: u64) -> (Vec<Exposure>, Vec<Reward>) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // Few moments, so that users have several exposures at one.
    let mut exposures: Vec<Exposure> = (0..300)
        .map(|_| Exposure {
            id: format!("user-{}", next(40)),
            time: T0 + next(96).cast_signed() * HOUR / 2 - HOUR,
            variant: usize::try_from(next(6)).unwrap(),
            context: next(3),
        })
        .collect();
    let rewards = (0..150).map(|_| Reward {
        id: format!("user-{}", next(50)),
        time: T0 + next(200).cast_signed() * HOUR / 4 - HOUR,
        value: f64::from(u32::try_from(next(400)).unwrap()) / 4.0 - 50.0,
    });
    let rewards = rewards.collect();
    // Each exposure of a user at a time once: else which of them is credited is a matter of the order.
    let mut seen = BTreeSet::new();
    exposures.retain(|e| seen.insert((e.id.clone(), e.time)));
    (exposures, rewards)
}

fn counted(
    space: &Space,
    (exposures, rewards): &(Vec<Exposure>, Vec<Reward>),
    reward: RewardType,
    (kind, files, row_group, threads): (Kind, usize, usize, usize),
    most_users: u64,
) -> (SnapshotCounts, Tables) {
    let mut objects = vec![("_SUCCESS".to_owned(), Vec::new())];
    for (number, rows) in exposures.chunks(exposures.len().div_ceil(files)).enumerate() {
        let key = format!("exposures/{number}.{}", ending(kind, Packing::Plain));
        objects.push((key, exposures_file(space, rows, kind, Packing::Plain, row_group)));
    }
    let key = format!("rewards/0.{}", ending(kind, Packing::Plain));
    objects.push((key, rewards_file(rewards, kind, Packing::Plain, row_group)));
    let memory = Memory::of(objects);
    let plan = Plan { reward, threads, ..plan(space) };
    let Counted { counts, tables, .. } =
        count_with_tables(&memory, &memory.list(), &plan, &tables_plan(most_users)).unwrap();
    assert_eq!(counts, memory.count(&plan).unwrap(), "the counts are those of a pass without tables");
    (counts, tables.unwrap())
}

/// What each exposure is credited with, by the rule as it is written down: the latest exposure of the user in the hour before.
fn credits(exposures: &[Exposure], rewards: &[Reward]) -> Vec<Option<f64>> {
    let mut credits = vec![None; exposures.len()];
    for reward in rewards {
        let fits = |e: &Exposure| e.id == reward.id && (0..=HOUR).contains(&(reward.time - e.time));
        let latest = (0..exposures.len()).filter(|&i| fits(&exposures[i])).max_by_key(|&i| exposures[i].time);
        if let Some(latest) = latest {
            *credits[latest].get_or_insert(0.0) += reward.value;
        }
    }
    credits
}

type CubeRow = (u64, u64, f64, f64);

/// Rows by (period, held out, variant, context).
type Cube = BTreeMap<(u32, bool, usize, u64), CubeRow>;

/// Both tables, row by row.
fn by_hand(exposures: &[Exposure], rewards: &[Reward], is_bool: bool) -> (Cube, Vec<UserGroup>, [UserSums; 2], u64) {
    let credits = credits(exposures, rewards);
    let mut cube: BTreeMap<_, CubeRow> = BTreeMap::new();
    let mut users: BTreeMap<&str, Vec<(&Exposure, Option<f64>)>> = BTreeMap::new();
    for (e, credit) in exposures.iter().zip(credits) {
        let r = credit.map(|sum| if is_bool { 1.0 } else { sum });
        let period = u32::try_from(INSTANTS.iter().filter(|&&i| i <= e.time).count()).unwrap();
        let cell = cube.entry((period, hold_out("opt", &e.id, 30.0), e.variant, e.context)).or_default();
        cell.0 += 1;
        cell.1 += u64::from(r.is_some_and(|r| r != 0.0));
        cell.2 += r.unwrap_or(0.0);
        cell.3 += r.unwrap_or(0.0).powi(2);
        users.entry(&e.id).or_default().push((e, r));
    }
    let (mut groups, mut sums, mut several) = (BTreeMap::new(), [UserSums::default(); 2], 0);
    for (id, own) in users {
        let held_out = hold_out("opt", id, 30.0);
        let (first, _) = own.iter().min_by_key(|(e, _)| (e.time, e.variant, e.context)).unwrap();
        let earned: f64 = own.iter().filter_map(|(_, r)| *r).sum();
        let squares: f64 = own.iter().filter_map(|(_, r)| r.map(|r| r * r)).sum();
        sums[usize::from(held_out)].add(own.len() as u64, earned, squares);
        several += u64::from(own.iter().any(|(e, _)| e.variant != first.variant));
        let y = if is_bool { f64::from(u8::from(earned > 0.0)) } else { earned };
        let key = (first.time.div_euclid(DAY), held_out, first.variant, first.context);
        let (day, held_out, variant, context) = key;
        let empty = UserGroup { day, held_out, variant, context, users: 0, converting: 0, sum: 0.0, sum_sq: 0.0 };
        let group = groups.entry(key).or_insert(empty);
        group.users += 1;
        group.converting += u64::from(y != 0.0);
        group.sum += y;
        group.sum_sq += y * y;
    }
    (cube, groups.into_values().collect(), sums, several)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Values are quarters, so that sums are exact whatever their order.
    #[test]
    fn both_tables_are_those_made_row_by_row(
        seed in any::<u64>(),
        is_bool in any::<bool>(),
        kind in prop::sample::select(vec![Kind::Parquet, Kind::Json, Kind::Csv]),
        (files, row_group, threads) in (1..6_usize, 1..200_usize, 1..5_usize),
    ) {
        let space = space();
        let reward = if is_bool { RewardType::Bool } else { RewardType::Numeric };
        let mut rows = rows(seed);
        if is_bool {
            // A bool reward of 0 is none.
            rows.1.retain(|r| r.value != 0.0);
        }
        let (counts, tables) = counted(&space, &rows, reward, (kind, files, row_group, threads), 1_000);
        let (cube, groups, sums, several) = by_hand(&rows.0, &rows.1, is_bool);
        let found: BTreeMap<_, _> = tables
            .cube
            .iter()
            .map(|c| ((c.period, c.held_out, c.variant, c.context), (c.n, c.nonzero, c.sum, c.sum_sq)))
            .collect();
        prop_assert_eq!(found, cube);
        let users = tables.users.unwrap();
        prop_assert_eq!(&users.groups, &groups);
        prop_assert_eq!(users.sums, sums);
        prop_assert_eq!(users.several_variants, several);
        prop_assert_eq!(users.exposures.iter().map(|(n, users)| n * users).sum::<u64>(), rows.0.len() as u64);
        // The cells that models are fitted to are the cube summed over periods and arms.
        let mut summed: BTreeMap<(u64, usize), (u64, f64, f64)> = BTreeMap::new();
        for c in &tables.cube {
            let cell = summed.entry((c.context, c.variant)).or_default();
            *cell = (cell.0 + c.n, cell.1 + c.sum, cell.2 + c.sum_sq);
        }
        let summed: Vec<_> = summed.into_iter().map(|((context, variant), (n, sum, sq))| (variant, context, n, sum, sq)).collect();
        prop_assert_eq!(summed, cells(&counts));
        let rest = tables.unattributed;
        let unattributed = rest.without_exposure + rest.before_exposures + rest.outside_windows;
        prop_assert_eq!(unattributed, counts.observations.rewards - counts.observations.attributed_rewards);
    }
}

#[test]
fn a_reward_says_why_it_belongs_to_no_exposure() {
    let space = space();
    let exposure = |id: &str, time| Exposure { id: id.into(), time, variant: 0, context: 0 };
    let reward = |id: &str, time| Reward { id: id.into(), time, value: 1.0 };
    let exposures = vec![exposure("a", T0 + 10 * HOUR), exposure("b", T0)];
    let rewards = vec![
        reward("a", T0 + 9 * HOUR),
        reward("a", T0 + 10 * HOUR),
        reward("a", T0 + 12 * HOUR),
        reward("b", T0 + 2 * HOUR),
        reward("c", T0),
        reward("d", T0),
        reward("d", T0 + HOUR),
    ];
    let (_, tables) = counted(&space, &(exposures, rewards), RewardType::Bool, (Kind::Json, 1, 10, 1), 10);
    let rest = tables.unattributed;
    assert_eq!((rest.before_exposures, rest.outside_windows, rest.without_exposure), (1, 2, 3));
}

#[test]
fn past_the_bound_there_is_no_user_table_and_the_cube_is_the_same() {
    let space = space();
    let rows = rows(7);
    let of = |most| counted(&space, &rows, RewardType::Numeric, (Kind::Parquet, 3, 20, 2), most).1;
    let (bounded, whole) = (of(39), of(40));
    assert_eq!(whole.users.as_ref().unwrap().groups.iter().map(|g| g.users).sum::<u64>(), 40);
    assert_eq!(bounded.users, None);
    assert_eq!(bounded.cube, whole.cube);
}

#[test]
fn shapes_without_ids_have_no_tables() {
    let space = space();
    let memory = Memory::of([
        ("_SUCCESS", ""),
        (
            "observations/a.jsonl",
            r#"{"variant":{"headline":"a","sticky":true},"timestamp":"2026-06-01T00:00:00Z","reward":1}"#,
        ),
    ]);
    let Counted { counts, tables, .. } =
        count_with_tables(&memory, &memory.list(), &plan(&space), &tables_plan(10)).unwrap();
    assert_eq!((counts.observations.exposures, tables), (1, None));
}
