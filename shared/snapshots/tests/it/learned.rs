//! What models learn from: observations by period, with their numbers of rewards other than 0, caps, and users as observations.

use bandit::RewardType;
use snapshots::{Cap, Counted, CubeCell, Plan, SnapshotError, TablesPlan, Unit, count_with_tables};

use crate::common::{
    Exposure, HOUR, Kind, Memory, Packing, Reward, T0, exposures_file, plan, rewards_file, space, time_text,
};

const INSTANTS: [i64; 3] = [T0, T0 + 12 * HOUR, T0 + 24 * HOUR];

fn tables() -> TablesPlan<'static> {
    TablesPlan {
        holdout_percentage: 0.0,
        instants: &INSTANTS,
        most_users: 100,
        unit: Unit::Exposure,
        cap: None,
        audit: None,
    }
}

fn learned(memory: &Memory, reward: RewardType, tables: &TablesPlan<'_>) -> Result<Counted, SnapshotError> {
    let space = space();
    count_with_tables(memory, &memory.list(), &Plan { reward, allow_no_rewards: true, ..plan(&space) }, tables)
}

/// Period, variant, n, z, Σ r and Σ r².
fn rows(counted: &Counted) -> Vec<(u32, usize, u64, u64, f64, f64)> {
    let row = |c: &CubeCell| (c.period, c.variant, c.n, c.nonzero, c.sum, c.sum_sq);
    counted.observations().iter().map(row).collect()
}

fn observations(rows: &[(i64, &str, &str)]) -> Memory {
    let line = |(time, headline, reward): &(i64, &str, &str)| {
        let time = if *time == 0 { String::new() } else { time_text(*time) };
        format!("{headline},true,mobile,{time},{reward}\n")
    };
    let text: String = rows.iter().map(line).collect();
    Memory::of([("observations/a.csv", format!("headline,sticky,device,timestamp,reward\n{text}"))])
}

#[test]
fn observations_are_learned_by_period() {
    let memory = observations(&[
        (T0 + HOUR, "a", "2.5"),
        (T0 + 2 * HOUR, "a", "0"),
        (T0 + 13 * HOUR, "a", "-1"),
        (T0 + 13 * HOUR, "1", "4"),
        (0, "1", "3"),
    ]);
    let counted = learned(&memory, RewardType::Numeric, &tables()).unwrap();
    // No time is no period.
    let expected = [(0, 5, 1, 1, 3.0, 9.0), (1, 1, 2, 1, 2.5, 6.25), (2, 1, 1, 1, -1.0, 1.0), (2, 5, 1, 1, 4.0, 16.0)];
    assert_eq!(rows(&counted), expected);
    assert!(counted.learned.negative && counted.learned.nonzero_counted && counted.tables.is_none());
    assert_eq!((counted.learned.design_effect, counted.learned.capped), (None, None));
}

#[test]
fn cells_say_their_day_and_how_many_rewards_are_not_zero() {
    let csv = |extra: &str, rows: &[&str]| {
        Memory::of([(
            "cells/a.csv",
            format!("headline,sticky,device,n,reward_sum,reward_sum_sq{extra}\n{}\n", rows.join("\n")),
        )])
    };
    let memory = csv(",day,nonzero", &["a,true,mobile,5,6,20,2026-06-01,2", "a,true,mobile,7,1,1,2026-06-02,1"]);
    let counted = learned(&memory, RewardType::Numeric, &tables()).unwrap();
    assert_eq!(rows(&counted), [(1, 1, 5, 2, 6.0, 20.0), (3, 1, 7, 1, 1.0, 1.0)]);
    assert!(counted.learned.nonzero_counted);
    // A cell that does not say it leaves all uncertain, unless all its rewards are 0.
    for (row, known) in [("a,false,mobile,3,2,2,2026-06-02,", false), ("a,false,mobile,3,0,0,2026-06-02,", true)] {
        let memory = csv(",day,nonzero", &["a,true,mobile,5,6,20,2026-06-01,2", row]);
        assert_eq!(learned(&memory, RewardType::Numeric, &tables()).unwrap().learned.nonzero_counted, known, "{row}");
    }
    for (row, message) in [
        ("a,true,mobile,5,6,20,2026-06-01,6", "column \"nonzero\" is 6; it must be a whole number from 0 to n = 5"),
        ("a,true,mobile,5,6,20,2026-06-01,1.5", "column \"nonzero\" is 1.5"),
        ("a,true,mobile,5,6,20,2026-06-01,0", "column \"nonzero\" is 0; it must be at least 1, as reward_sum_sq is 20"),
        ("a,true,mobile,5,6,20,someday,2", "5 bad_value"),
    ] {
        let error = learned(&csv(",day,nonzero", &[row]), RewardType::Numeric, &tables()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn rewards_are_cut_off_and_what_is_cut_is_told() {
    let of: Vec<(i64, &str, String)> = (1..=10).map(|k| (T0 + k, "a", format!("{}", k * 10))).collect();
    let of: Vec<(i64, &str, &str)> = of.iter().map(|(time, level, reward)| (*time, *level, reward.as_str())).collect();
    let exposures: Vec<Exposure> =
        (1..=10).map(|k| Exposure { id: format!("u{k}"), time: T0 + k, variant: 1, context: 0 }).collect();
    let rewards: Vec<Reward> =
        (1..=10_u32).map(|k| Reward { id: format!("u{k}"), time: T0 + HOUR / 2, value: f64::from(k) * 10.0 }).collect();
    let space = space();
    let events = Memory::of([
        ("exposures/a.jsonl", exposures_file(&space, &exposures, Kind::Json, Packing::Plain, 1)),
        ("rewards/a.jsonl", rewards_file(&rewards, Kind::Json, Packing::Plain, 1)),
    ]);
    for (name, memory) in [("observations", observations(&of)), ("exposures", events)] {
        for (cap, at, sum) in [(Cap::Quantile(0.8), 80.0, 520.0), (Cap::Value(75.0), 75.0, 505.0)] {
            let tables = TablesPlan { cap: Some(cap), ..tables() };
            let counted = learned(&memory, RewardType::Numeric, &tables).unwrap();
            assert_eq!(rows(&counted)[0].4.to_bits(), f64::to_bits(sum), "{name} {cap:?}");
            let capped = counted.learned.capped.unwrap();
            assert_eq!((capped.at, capped.share_of_sum), (at, (550.0 - sum) / 550.0), "{name} {cap:?}");
            assert_eq!(capped.observations, if at < 80.0 { 3 } else { 2 }, "{name} {cap:?}");
            // Cells of all time are of the rewards as they are.
            assert_eq!(counted.counts.cells.reward_sum().to_bits(), f64::to_bits(550.0), "{name}");
        }
    }
    let cells = Memory::of([("cells/a.csv", "headline,sticky,n,reward_sum,reward_sum_sq\na,true,5,6,20\n")]);
    let error = learned(&cells, RewardType::Numeric, &TablesPlan { cap: Some(Cap::Value(1.0)), ..tables() });
    assert!(error.unwrap_err().to_string().starts_with("cells/ holds sums, and reward.cap is of single rewards"));
}

#[test]
fn a_user_is_one_observation_where_users_are_the_unit() {
    let exposure =
        |id: &str, hour: i64, variant| Exposure { id: id.into(), time: T0 + hour * HOUR, variant, context: 0 };
    let exposures =
        [exposure("a", 1, 1), exposure("a", 13, 2), exposure("b", 13, 2), exposure("c", 2, 1), exposure("c", 2, 1)];
    let reward = |id: &str, hour: i64, value| Reward { id: id.into(), time: T0 + hour * HOUR + 1, value };
    let rewards = [reward("a", 1, 3.0), reward("a", 13, 4.0), reward("b", 13, 1.0)];
    let space = space();
    let memory = Memory::of([
        ("exposures/a.jsonl", exposures_file(&space, &exposures, Kind::Json, Packing::Plain, 1)),
        ("rewards/a.jsonl", rewards_file(&rewards, Kind::Json, Packing::Plain, 1)),
    ]);
    let by_user = TablesPlan { unit: Unit::User, ..tables() };
    let counted = learned(&memory, RewardType::Numeric, &by_user).unwrap();
    assert_eq!(rows(&counted), [(1, 1, 2, 1, 7.0, 49.0), (2, 2, 1, 1, 1.0, 1.0)]);
    assert_eq!(counted.learned.design_effect, None);
    // What is a user's is cut off, not what is an exposure's.
    let capped = learned(&memory, RewardType::Numeric, &TablesPlan { cap: Some(Cap::Value(5.0)), ..by_user }).unwrap();
    assert_eq!(rows(&capped)[0], (1, 1, 2, 1, 5.0, 25.0));
    let bool = learned(&memory, RewardType::Bool, &by_user).unwrap();
    assert_eq!(rows(&bool), [(1, 1, 2, 1, 1.0, 1.0), (2, 2, 1, 1, 1.0, 1.0)]);
    // With exposures as the unit, users that bring several are told by the design effect.
    let by_exposure = learned(&memory, RewardType::Bool, &tables()).unwrap();
    assert!(by_exposure.learned.design_effect.is_some_and(|effect| effect > 1.0));
    assert_eq!(by_exposure.observations().iter().map(|c| c.n).sum::<u64>(), 5);

    let few = learned(&memory, RewardType::Bool, &TablesPlan { most_users: 2, ..by_user }).unwrap_err().to_string();
    assert!(few.starts_with("there are more than 2 users, and unit is \"user\""), "{few}");
    let without_ids = learned(&observations(&[(T0, "a", "1")]), RewardType::Bool, &by_user).unwrap_err().to_string();
    assert!(without_ids.starts_with("observations/ does not say whose an observation is"), "{without_ids}");
}

/// Of a million ± 1, the spread is in the sums about a million, of whichever shape.
#[test]
fn rewards_far_from_zero_keep_the_digits_of_their_spread() {
    let of: Vec<(i64, &str, String)> = (0..300).map(|k| (T0 + k, "a", format!("{}", 1_000_000 + k % 3 - 1))).collect();
    let of: Vec<(i64, &str, &str)> = of.iter().map(|(time, level, reward)| (*time, *level, reward.as_str())).collect();
    let counted = learned(&observations(&of), RewardType::Numeric, &tables()).unwrap();
    let (sum, squares) = counted.observations()[0].about(1e6);
    assert_eq!((sum, squares), (0.0, 200.0));
}
