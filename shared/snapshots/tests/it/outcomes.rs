//! Weighted outcomes: which rewards count, what each is worth, and how many exposures came to which.

use bandit::RewardType;
use snapshots::{Counted, Outcome, OutcomeMatch, Outcomes, Plan, SnapshotError, TablesPlan, Unit, count_with_tables};

use crate::common::{Memory, plan, skipped, space, variant_text};

/// A plan of three levels of a subscription and its cancellation.
fn outcomes() -> Outcomes {
    let of = |weight, matches| Outcome { weight, matches };
    let list = vec![
        of(1.0, OutcomeMatch::Value(1.0)),
        of(5.0, OutcomeMatch::Value(2.0)),
        of(3.0, OutcomeMatch::Name("trial".into())),
        of(-4.0, OutcomeMatch::Name("cancelled".into())),
    ];
    Outcomes::new("subscribed", list)
}

fn exposures(users: &[&str]) -> String {
    let space = space();
    let row = |id: &&str| {
        let variant = variant_text(&space, usize::from(id.ends_with('b')));
        format!("{{\"anonymous_id\":\"{id}\",\"timestamp\":\"2026-06-01T00:00:00Z\",\"variant\":{variant}}}\n")
    };
    users.iter().map(row).collect()
}

fn snapshot(users: &[&str], rewards: &str) -> Memory {
    Memory::of([("exposures/a.jsonl", exposures(users)), ("rewards/a.csv", rewards.to_owned())])
}

#[test]
fn an_exposure_is_worth_the_greatest_outcome_that_it_was_credited_with() {
    let (space, outcomes) = (space(), outcomes());
    let plan =
        Plan { reward: RewardType::Numeric, reward_name: "subscribed", outcomes: Some(&outcomes), ..plan(&space) };
    let row = |id: &str, name: &str, value: &str| format!("{id},2026-06-01T00:10:00Z,{name},{value}\n");
    let rewards = [
        "anonymous_id,timestamp,name,value\n".to_owned(),
        row("u1", "subscribed", "1"),
        row("u1", "subscribed", "2"),
        row("u2", "trial", ""),
        row("u2", "subscribed", "1"),
        row("u3", "cancelled", "1"),
        row("u4", "trial", "0"),
        row("u5", "subscribed", "7"),
        row("u6", "pageview", "1"),
        row("u7b", "subscribed", "1"),
        row("u8b", "trial", "nothing like a number"),
    ];
    let users = ["u1", "u2", "u3", "u4", "u5", "u6", "u7b", "u8b"];
    let memory = snapshot(&users, &rewards.concat());
    let tables = TablesPlan {
        holdout_percentage: 0.0,
        instants: &[],
        most_users: 100,
        unit: Unit::Exposure,
        cap: None,
        audit: None,
    };
    let Counted { counts: counted, tables, .. } = count_with_tables(&memory, &memory.list(), &plan, &tables).unwrap();
    let cells: Vec<_> = counted.cells.cells().iter().map(|c| (c.variant, c.n, c.sum, c.sum_sq)).collect();
    assert_eq!(cells, [(0, 6, 5.0 + 3.0 - 4.0, 25.0 + 9.0 + 16.0), (1, 2, 1.0, 1.0)]);
    let seen = &counted.observations;
    assert_eq!((seen.rewards, seen.attributed_rewards), (6, 6));
    let skipped = skipped(seen);
    assert_eq!(skipped.get("other_reward"), Some(&2), "another value and another name: {skipped:?}");
    assert_eq!((skipped.get("zero_value"), skipped.get("bad_value")), (Some(&1), Some(&1)), "{skipped:?}");
    let mix: Vec<_> = tables.unwrap().outcomes.iter().map(|of| (of.variant, of.outcome, of.n)).collect();
    assert_eq!(mix, [(0, 1, 1), (0, 2, 1), (0, 3, 1), (1, 0, 1)]);
}

#[test]
fn outcomes_by_name_need_no_values() {
    let (space, outcomes) = (space(), outcomes());
    let plan =
        Plan { reward: RewardType::Numeric, reward_name: "subscribed", outcomes: Some(&outcomes), ..plan(&space) };
    let rewards = "anonymous_id,timestamp,name\nu1,2026-06-01T00:10:00Z,trial\nu2,2026-06-01T00:10:00Z,subscribed\n";
    let counted = snapshot(&["u1", "u2"], rewards).count(&plan).unwrap();
    let cells: Vec<_> = counted.cells.cells().iter().map(|c| (c.n, c.sum)).collect();
    assert_eq!(cells, [(2, 3.0)]);
    // A name that is nearly one of them fails the run.
    let rewards = "anonymous_id,timestamp,name\nu1,2026-06-01T00:10:00Z,Trial\n";
    let refused = snapshot(&["u1", "u2"], rewards).count(&plan).unwrap_err();
    assert!(matches!(&refused, SnapshotError::RewardName { ours, .. } if ours.contains("trial")), "{refused}");
}
