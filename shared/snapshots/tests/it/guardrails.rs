//! Guardrails: rewards of other names, credited by the same rule, by user, beside the model's own and without any effect on them.

use std::collections::{BTreeMap, BTreeSet};

use bandit::{RewardType, hold_out};
use proptest::prelude::*;
use snapshots::{
    Counted, GuardrailGroup, GuardrailReward, Guardrails, Plan, SnapshotError, TablesPlan, Unit, count_with_tables,
};

use crate::common::{HOUR, Memory, T0, plan, skipped, space, time_text, variant_text};

const DAY: i64 = 24 * HOUR;
const TABLES: TablesPlan<'static> = TablesPlan {
    holdout_percentage: 30.0,
    instants: &[],
    most_users: 1_000,
    unit: Unit::Exposure,
    cap: None,
    audit: None,
};

fn guardrails() -> Guardrails {
    let of = |name: &str, reward| GuardrailReward { name: name.into(), reward };
    Guardrails::new("signup", None, vec![of("refund", RewardType::Bool), of("spent", RewardType::Numeric)])
}

type Row = (String, i64);

fn exposures(rows: &[Row]) -> String {
    let variant = variant_text(&space(), 0);
    let row = |(id, time): &Row| {
        format!(
            "{{\"anonymous_id\":{id:?},\"timestamp\":{time},\"variant\":{variant},\"context\":{{\"device\":\"mobile\"}}}}\n"
        )
    };
    rows.iter().map(row).collect()
}

/// `(user, time, name, value)`.
type Reward<'a> = (String, i64, &'a str, f64);

fn rewards(rows: &[Reward<'_>]) -> String {
    let row = |(id, time, name, value): &Reward<'_>| format!("{id},{},{name},{value}\n", time_text(*time));
    "anonymous_id,timestamp,name,value\n".to_owned() + &rows.iter().map(row).collect::<String>()
}

fn counted(exposures: String, rewards: String, plan: &Plan<'_>) -> Result<Counted, SnapshotError> {
    let memory = Memory::of([("exposures/a.jsonl", exposures), ("rewards/a.csv", rewards)]);
    count_with_tables(&memory, &memory.list(), plan, &TABLES)
}

/// What users came to by a reward of a name, row by row: the latest exposure of the user in the hour before is credited.
fn by_hand(exposures: &[Row], rewards: &[Reward<'_>], name: &str, is_bool: bool) -> Vec<GuardrailGroup> {
    let mut earned: BTreeMap<&str, f64> = BTreeMap::new();
    for (id, time, _, value) in rewards.iter().filter(|(_, _, of, _)| *of == name) {
        let credited = exposures.iter().any(|(user, seen)| user == id && (0..=HOUR).contains(&(time - seen)));
        if credited && (!is_bool || *value != 0.0) {
            *earned.entry(id).or_default() += value;
        }
    }
    let mut groups: BTreeMap<(i64, bool), GuardrailGroup> = BTreeMap::new();
    for (id, sum) in earned {
        let first = exposures.iter().filter(|(user, _)| user == id).map(|(_, time)| *time).min().unwrap();
        let (day, held_out) = (first.div_euclid(DAY), hold_out("opt", id, 30.0));
        let y = if is_bool { 1.0 } else { sum };
        let group = groups.entry((day, held_out)).or_insert(GuardrailGroup {
            day,
            held_out,
            converting: 0,
            sum: 0.0,
            sum_sq: 0.0,
        });
        group.converting += u64::from(y != 0.0);
        group.sum += y;
        group.sum_sq += y * y;
    }
    groups.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Values are quarters, so that sums are exact whatever their order.
    #[test]
    fn guardrails_are_counted_as_row_by_row_and_change_nothing_of_the_rewards(
        seen in proptest::collection::btree_set((0..20_u32, 0..96_i64), 1..150),
        earned in proptest::collection::vec((0..25_u32, 0..200_i64, 0..4_usize, -8..8_i32), 0..120),
        threads in 1..4_usize,
    ) {
        let space = space();
        let seen: Vec<Row> = seen.into_iter().map(|(user, at)| (format!("user-{user}"), T0 + at * HOUR / 2)).collect();
        let name = |of: usize| ["signup", "refund", "spent", "pageview"][of];
        let reward = |(user, at, of, value): (u32, i64, usize, i32)| {
            (format!("user-{user}"), T0 + at * HOUR / 4, name(of), f64::from(value) / 4.0)
        };
        let earned: Vec<Reward<'_>> = earned.into_iter().map(reward).collect();
        let guardrails = guardrails();
        let without = Plan { allow_no_rewards: true, threads, ..plan(&space) };
        let with = Plan { guardrails: Some(&guardrails), ..without };
        let of = |plan: &Plan<'_>| counted(exposures(&seen), rewards(&earned), plan).unwrap();
        let (plain, guarded) = (of(&without), of(&with));
        prop_assert_eq!(&plain.counts.cells, &guarded.counts.cells);
        let (plain_seen, guarded_seen) = (&plain.counts.observations, &guarded.counts.observations);
        prop_assert_eq!((plain_seen.rewards, plain_seen.attributed_rewards), (guarded_seen.rewards, guarded_seen.attributed_rewards));
        let (plain, guarded) = (plain.tables.unwrap(), guarded.tables.unwrap());
        prop_assert_eq!(&plain.cube, &guarded.cube);
        prop_assert_eq!(plain.unattributed, guarded.unattributed);
        let (plain, guarded) = (plain.users.unwrap(), guarded.users.unwrap());
        prop_assert_eq!((&plain.groups, plain.sums), (&guarded.groups, guarded.sums));
        let zeros = |groups: &[GuardrailGroup]| groups.iter().filter(|of| of.sum_sq != 0.0).copied().collect::<Vec<_>>();
        for (number, (name, is_bool)) in [("refund", true), ("spent", false)].into_iter().enumerate() {
            prop_assert_eq!(zeros(&guarded.guardrails[number]), zeros(&by_hand(&seen, &earned, name, is_bool)), "{}", name);
        }
        prop_assert_eq!(plain.guardrails.len(), 0);
        let users: BTreeSet<&str> = seen.iter().map(|(id, _)| id.as_str()).collect();
        prop_assert_eq!(guarded.groups.iter().map(|group| group.users).sum::<u64>(), users.len() as u64);
    }
}

fn user(id: &str) -> Row {
    (id.to_owned(), T0)
}

fn earns<'a>(id: &str, name: &'a str) -> Reward<'a> {
    (id.to_owned(), T0 + HOUR / 2, name, 1.0)
}

#[test]
fn rows_of_guardrails_are_no_rewards_of_another_name_and_their_faults_are_told() {
    let (space, guardrails) = (space(), guardrails());
    let plan = Plan { guardrails: Some(&guardrails), ..plan(&space) };
    let seen: Vec<Row> = (0..4).map(|n| user(&format!("u{n}"))).collect();
    let good = rewards(&[earns("u0", "signup"), earns("u1", "refund"), earns("u2", "spent"), earns("u3", "pageview")]);
    let bad = format!("u3,{},spent,\nu2,{},refund,0\n", time_text(T0 + 1), time_text(T0 + 1));
    let found = counted(exposures(&seen), good + &bad, &plan).unwrap();
    let skipped = skipped(&found.counts.observations);
    assert_eq!(skipped, [("bad_value", 1), ("other_reward", 1), ("zero_value", 1)].into());
    assert_eq!(found.counts.warnings.len(), 1, "{:?}", found.counts.warnings);
    let users = found.tables.unwrap().users.unwrap();
    let sums = users.guardrails.iter().map(|groups| groups.iter().map(|group| group.sum).sum::<f64>());
    assert_eq!(sums.collect::<Vec<_>>(), [1.0, 1.0]);
}

#[test]
fn more_bad_than_good_rewards_of_guardrails_fail_the_run() {
    let (space, guardrails) = (space(), guardrails());
    let plan = Plan { guardrails: Some(&guardrails), ..plan(&space) };
    let bad = |number: i64| format!("u0,{},spent,\n", time_text(T0 + number));
    let all = rewards(&[earns("u0", "signup"), earns("u0", "spent")]) + &bad(1) + &bad(2);
    let refused = counted(exposures(&[user("u0")]), all, &plan).unwrap_err();
    assert!(matches!(&refused, SnapshotError::TooManySkipped { skipped: 2, rows: 3, .. }), "{refused}");
}

#[test]
fn rewards_of_guardrails_do_not_stand_in_for_the_models_own() {
    let (space, guardrails) = (space(), guardrails());
    let plan = Plan { guardrails: Some(&guardrails), ..plan(&space) };
    // The model's rewards are of another kind of ids; the guardrail's are right.
    let all = rewards(&[earns("stranger", "signup"), earns("u0", "refund")]);
    let refused = counted(exposures(&[user("u0")]), all, &plan).unwrap_err();
    assert!(matches!(&refused, SnapshotError::Unattributed { rewards: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("no id of rewards/ occurs in exposures/"), "{refused}");
}

#[test]
fn a_guardrail_without_any_reward_is_warned_of() {
    let (space, guardrails) = (space(), guardrails());
    let plan = Plan { guardrails: Some(&guardrails), ..plan(&space) };
    let all = rewards(&[earns("u0", "signup"), earns("u0", "spent")]);
    let found = counted(exposures(&[user("u0")]), all, &plan).unwrap();
    let warned: Vec<_> = found.counts.warnings.iter().map(|w| (w.code.as_str(), w.message.as_str())).collect();
    assert_eq!(warned, [("no_guardrail_rewards", "rewards/ has none of the name \"refund\", which is a guardrail's")]);
}
