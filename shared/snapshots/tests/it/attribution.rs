//! Attribution against an oracle that looks at every pair, on small sets of events with ties and borders.

use std::collections::BTreeMap;

use crate::common::{
    Exposure, HOUR, Kind, Memory, Packing, Reward, Row, T0, cells, ending, exposures_file, plan, rewards_file, space,
};
use bandit::{RewardType, Space};
use proptest::prelude::*;
use snapshots::{Attribution, Immature, Outcome, OutcomeMatch, Outcomes, Plan};

/// Events with the number of the file they are in.
type Events = (Vec<(usize, Exposure)>, Vec<(usize, Reward)>);

/// Times at ties and at the borders of a window of two hours, one microsecond around them included.
fn time() -> impl Strategy<Value = i64> {
    (0_i64..8, -1_i64..=1).prop_map(|(hours, off)| T0 + hours * HOUR + off)
}

fn events() -> impl Strategy<Value = Events> {
    let id = || (0..4).prop_map(|user| format!("u{user}"));
    let exposure = (0..3_usize, id(), time(), 0..6_usize, 0..3_u64)
        .prop_map(|(file, id, time, variant, context)| (file, Exposure { id, time, variant, context }));
    let reward = (0..3_usize, id(), time(), 0..6_i32)
        .prop_map(|(file, id, time, quarters)| (file, Reward { id, time, value: f64::from(quarters) / 4.0 - 0.5 }));
    (prop::collection::vec(exposure, 1..40), prop::collection::vec(reward, 0..30))
}

/// The rows of each file.
fn dealt<T: Clone>(rows: &[(usize, T)]) -> Vec<Vec<T>> {
    (0..3).map(|file| rows.iter().filter(|(f, _)| *f == file).map(|(_, row)| row.clone()).collect()).collect()
}

fn snapshot(space: &Space, (exposures, rewards): &Events, kinds: (Kind, Kind), row_group: usize) -> Memory {
    let mut objects = Vec::new();
    for (number, rows) in dealt(exposures).iter().enumerate() {
        let key = format!("exposures/bucket={}/part-{number}.{}", 3 - number, ending(kinds.0, Packing::Plain));
        objects.push((key, exposures_file(space, rows, kinds.0, Packing::Plain, row_group)));
    }
    for (number, rows) in dealt(rewards).iter().enumerate() {
        let key = format!("rewards/{number}.{}", ending(kinds.1, Packing::Plain));
        objects.push((key, rewards_file(rows, kinds.1, Packing::Plain, row_group)));
    }
    Memory::of(objects)
}

/// Cells and attributed rewards, by looking at every pair of an exposure and a reward.
fn oracle((exposures, rewards): &Events, plan: &Plan<'_>) -> (Vec<Row>, u64) {
    let window = i64::from(plan.window_hours) * HOUR;
    // In the order of the names: the bucket falls as the number rises.
    let exposures: Vec<Exposure> = dealt(exposures).into_iter().rev().flatten().collect();
    let rewards: Vec<Reward> = dealt(rewards).into_iter().flatten().collect();
    let cut_off = exposures.iter().map(|e| e.time).chain(rewards.iter().map(|r| r.time)).max().unwrap();
    let mut credit: Vec<Vec<f64>> = vec![Vec::new(); exposures.len()];
    for reward in &rewards {
        let value = match plan.outcomes {
            Some(_) => Some(weight(reward.value)),
            None => (plan.reward == RewardType::Numeric || reward.value != 0.0).then_some(reward.value),
        };
        let Some(value) = value else { continue };
        let mut best: Option<usize> = None;
        for (i, exposure) in exposures.iter().enumerate() {
            let inside = exposure.time <= reward.time && reward.time <= exposure.time + window;
            if exposure.id != reward.id || !inside {
                continue;
            }
            let better = best.is_none_or(|b| match plan.attribution {
                Attribution::LastTouch => exposure.time >= exposures[b].time,
                Attribution::FirstTouch => exposure.time <= exposures[b].time,
            });
            if better {
                best = Some(i);
            }
        }
        if let Some(best) = best {
            credit[best].push(value);
        }
    }
    let mut table: BTreeMap<(u64, usize), (u64, f64, f64)> = BTreeMap::new();
    for (exposure, credit) in exposures.iter().zip(&credit) {
        if plan.immature == Immature::Exclude && exposure.time + window > cut_off {
            continue;
        }
        let reward = match plan.reward {
            RewardType::Bool => f64::from(u8::from(!credit.is_empty())),
            RewardType::Numeric if plan.outcomes.is_some() => {
                credit.iter().copied().reduce(f64::max).unwrap_or_default()
            }
            RewardType::Numeric => credit.iter().sum(),
        };
        let cell = table.entry((exposure.context, exposure.variant)).or_default();
        *cell = (cell.0 + 1, cell.1 + reward, cell.2 + reward * reward);
    }
    let attributed = credit.iter().map(|c| c.len() as u64).sum();
    (table.into_iter().map(|((c, v), (n, s, q))| (v, c, n, s, q)).collect(), attributed)
}

/// Outcomes by the values that [`events`] makes.
fn outcomes() -> Outcomes {
    let of = |weight, matches| Outcome { weight, matches };
    let list = vec![
        of(0.5, OutcomeMatch::Name("signup".into())),
        of(3.0, OutcomeMatch::Value(0.25)),
        of(-2.0, OutcomeMatch::Value(0.0)),
        of(-1.0, OutcomeMatch::Value(0.5)),
    ];
    Outcomes::new("signup", list)
}

/// What a reward of this value, a multiple of a quarter, is worth under [`outcomes`].
fn weight(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "small multiples of a quarter")]
    match (value * 4.0) as i32 {
        0 => -2.0,
        1 => 3.0,
        _ => 0.5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cells_equal_the_oracle(
        events in events(),
        kinds in prop::sample::select(vec![(Kind::Parquet, Kind::Parquet), (Kind::Json, Kind::Csv), (Kind::Csv, Kind::Json)]),
        row_group in 1..8_usize,
        attribution in prop::sample::select(vec![Attribution::LastTouch, Attribution::FirstTouch]),
        immature in prop::sample::select(vec![Immature::Include, Immature::Exclude]),
        reward in prop::sample::select(vec![RewardType::Bool, RewardType::Numeric]),
        weighted in any::<bool>(),
        threads in 1..4_usize,
    ) {
        let (space, outcomes) = (space(), outcomes());
        let plan =
            Plan { attribution, immature, reward, threads, window_hours: 2, allow_no_rewards: true, ..plan(&space) };
        let plan = if weighted { Plan { outcomes: Some(&outcomes), reward: RewardType::Numeric, ..plan } } else { plan };
        let (expected, attributed) = oracle(&events, &plan);
        match snapshot(&space, &events, kinds, row_group).count(&plan) {
            Ok(counted) => {
                prop_assert_eq!(cells(&counted), expected);
                prop_assert_eq!(counted.observations.attributed_rewards, attributed);
            }
            Err(error) => prop_assert!(expected.is_empty(), "{}", error),
        }
    }
}

/// The cells' (variant, n, Σ r) of exposures at given hours, each of its own variant, and one user's rewards.
fn touched(hours: &[(f64, usize)], rewards: &[(f64, f64)], plan: &Plan<'_>) -> Vec<(usize, u64, f64)> {
    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
    let at = |hour: f64| T0 + (hour * 3.6e9) as i64;
    let exposure = |&(hour, variant): &(f64, usize)| Exposure { id: "u".into(), time: at(hour), variant, context: 0 };
    let reward = |&(hour, value): &(f64, f64)| Reward { id: "u".into(), time: at(hour), value };
    let exposures: Vec<Exposure> = hours.iter().map(exposure).collect();
    let rewards: Vec<Reward> = rewards.iter().map(reward).collect();
    let objects = [
        ("exposures/a.parquet", exposures_file(plan.space, &exposures, Kind::Parquet, Packing::Plain, 2)),
        ("rewards/a.parquet", rewards_file(&rewards, Kind::Parquet, Packing::Plain, 2)),
    ];
    let counted = Memory::of(objects).count(&Plan { allow_no_rewards: true, ..*plan }).unwrap();
    counted.cells.cells().iter().map(|c| (c.variant, c.n, c.sum)).collect()
}

#[test]
fn a_reward_has_one_touch() {
    let space = space();
    let last = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let first = Plan { attribution: Attribution::FirstTouch, ..last };
    // Both windows hold the reward; the second exposure is later.
    assert_eq!(touched(&[(0.0, 0), (0.5, 1)], &[(0.75, 2.0)], &last), [(0, 1, 0.0), (1, 1, 2.0)]);
    assert_eq!(touched(&[(0.0, 0), (0.5, 1)], &[(0.75, 2.0)], &first), [(0, 1, 2.0), (1, 1, 0.0)]);
    // The window of the first is over, so that the second is the first that counts.
    assert_eq!(touched(&[(0.0, 0), (0.5, 1)], &[(1.25, 2.0)], &first), [(0, 1, 0.0), (1, 1, 2.0)]);
    // Both ends belong to the window.
    assert_eq!(touched(&[(0.0, 0)], &[(0.0, 2.0), (1.0, 3.0), (1.1, 5.0), (-0.1, 7.0)], &last), [(0, 1, 5.0)]);
    // Of several at the same time, the last in the file.
    assert_eq!(touched(&[(0.0, 2), (0.0, 1), (0.0, 0)], &[(0.5, 1.0)], &last)[0], (0, 1, 1.0));
    assert_eq!(touched(&[(0.0, 2), (0.0, 1), (0.0, 0)], &[(0.5, 1.0)], &first)[0], (0, 1, 1.0));
    // Two rewards of one exposure are one conversion, or the sum.
    assert_eq!(touched(&[(0.0, 0)], &[(0.1, 2.0), (0.2, -3.0)], &last), [(0, 1, -1.0)]);
    let bool = Plan { reward: RewardType::Bool, ..last };
    assert_eq!(touched(&[(0.0, 0)], &[(0.1, 2.0), (0.2, -3.0)], &bool), [(0, 1, 1.0)]);
}

#[test]
fn immature_exposures_are_left_out_after_they_took_their_credit() {
    let space = space();
    let include = plan(&space);
    let exclude = Plan { immature: Immature::Exclude, ..include };
    // The cut-off is the reward at 2.0: an exposure at 1.0 is just mature, the one at 1.5 not, which takes the credit with it.
    let hours = [(1.0, 0), (1.5, 1)];
    assert_eq!(touched(&hours, &[(2.0, 1.0)], &include), [(0, 1, 0.0), (1, 1, 1.0)]);
    assert_eq!(touched(&hours, &[(2.0, 1.0)], &exclude), [(0, 1, 0.0)]);
}
