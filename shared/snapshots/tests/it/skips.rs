//! Rows that do not fit: skipped or kept, and counted by reason.

use crate::common::{HOUR, Memory, T0, cells, plan, skipped, space};
use bandit::RewardType;
use snapshots::{Attribution, Immature, Observations, Plan, SkipReason, SnapshotCounts, SnapshotError};

const GOOD: &str = r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a","sticky":true},"context":{"device":"mobile"}}"#;
const REWARD: &str = r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":1}"#;

fn counted(exposures: &[&str], rewards: &[&str], plan: &Plan<'_>) -> SnapshotCounts {
    let objects = [("exposures/a.jsonl", exposures.join("\n")), ("rewards/a.jsonl", rewards.join("\n"))];
    Memory::of(objects).count(plan).unwrap()
}

/// The exposures with one that does not fit among good ones.
fn with_bad_exposure(bad: &str) -> SnapshotCounts {
    counted(&[GOOD, bad, GOOD], &[REWARD], &plan(&space()))
}

/// The rewards with one that does not fit after a good one.
fn with_bad_reward(bad: &str, reward: RewardType) -> SnapshotCounts {
    counted(&[GOOD], &[REWARD, bad, ""], &Plan { reward, ..plan(&space()) })
}

#[test]
fn exposures_that_are_skipped() {
    for (reason, bad) in [
        ("null_id", r#"{"anonymous_id":null,"timestamp":1780272000,"variant":{"headline":"a","sticky":true}}"#),
        ("null_id", r#"{"timestamp":1780272000,"variant":{"headline":"a","sticky":true}}"#),
        ("null_id", r#"{"anonymous_id":"","timestamp":1780272000,"variant":{"headline":"a","sticky":true}}"#),
        ("bad_value", r#"{"anonymous_id":1.5,"timestamp":1780272000,"variant":{"headline":"a","sticky":true}}"#),
        ("null_timestamp", r#"{"anonymous_id":"u","timestamp":null,"variant":{"headline":"a","sticky":true}}"#),
        ("null_timestamp", r#"{"anonymous_id":"u","variant":{"headline":"a","sticky":true}}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":"yesterday","variant":{"headline":"a","sticky":true}}"#),
        ("implausible_time", r#"{"anonymous_id":"u","timestamp":1.5,"variant":{"headline":"a","sticky":true}}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":true,"variant":{"headline":"a","sticky":true}}"#),
        ("unknown_variant", r#"{"anonymous_id":"u","timestamp":1780272000}"#),
        ("unknown_variant", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":null}"#),
        ("unknown_variant", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a"}}"#),
        ("unknown_variant", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"z","sticky":true}}"#),
        (
            "unknown_variant",
            r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a","sticky":true,"x":1}}"#,
        ),
        ("bad_json", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":"{\"headline\":"}"#),
        ("bad_json", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":[1]}"#),
        ("bad_json", r#"{"anonymous_id":"u","timestamp":1780272000,"variant":true}"#),
        (
            "bad_json",
            r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a","sticky":true},"context":"{"}"#,
        ),
        ("bad_json", r#"{"anonymous_id":"u","timestamp":1780272000,"#),
        ("bad_json", "[1,2]"),
        ("bad_json", "anonymous_id"),
        ("other_optimization", r#"{"anonymous_id":null,"optimization_id":"x"}"#),
    ] {
        let counted = with_bad_exposure(bad);
        assert_eq!(skipped(&counted.observations), [(reason, 1)].into(), "{bad}");
        assert_eq!(cells(&counted), [(1, 0, 2, 1.0, 1.0)], "{bad}");
        assert_eq!(counted.observations.exposures, 2, "{bad}");
    }
}

#[test]
fn an_exposure_of_no_optimization_is_of_this_one() {
    for id in ["null", "\"\"", "\"opt\""] {
        let row = format!(
            r#"{{"anonymous_id":"v","timestamp":1780272000,"optimization_id":{id},"variant":{{"headline":"a","sticky":true}},"context":{{"device":"mobile"}}}}"#
        );
        assert_eq!(cells(&with_bad_exposure(&row)), [(1, 0, 3, 1.0, 1.0)], "{id}");
    }
}

#[test]
fn an_unknown_context_is_kept_and_counted() {
    for context in ["null", "{}", r#"{"device":null}"#, r#"{"device":"tv"}"#, r#"{"device":{"a":1}}"#, r#""{\"x\":1}""#]
    {
        let row = format!(
            r#"{{"anonymous_id":"v","timestamp":1780272000,"variant":{{"headline":"a","sticky":true}},"context":{context}}}"#
        );
        let counted = with_bad_exposure(&row);
        assert_eq!(skipped(&counted.observations), [("unknown_context_level", 1)].into(), "{context}");
        assert_eq!(cells(&counted), [(1, 0, 2, 1.0, 1.0), (1, 2, 1, 0.0, 0.0)], "{context}");
    }
}

#[test]
fn an_excluded_combination_is_a_known_variant() {
    let space = space().excluding(&[vec![(0, 0), (1, 1)]]);
    assert!(!space.is_allowed(1));
    assert_eq!(cells(&counted(&[GOOD], &[], &plan(&space))), [(1, 0, 1, 0.0, 0.0)]);
}

#[test]
fn rewards_that_do_not_count() {
    for (reason, bad) in [
        (
            "other_optimization",
            r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":1,"optimization_id":"x"}"#,
        ),
        ("other_reward", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"login","value":1}"#),
        ("other_reward", r#"{"anonymous_id":"u","timestamp":1780272001,"name":null,"value":1}"#),
        ("null_id", r#"{"timestamp":1780272001,"name":"signup","value":1}"#),
        ("bad_value", r#"{"anonymous_id":{},"timestamp":1780272001,"name":"signup","value":1}"#),
        ("null_timestamp", r#"{"anonymous_id":"u","name":"signup","value":1}"#),
        ("null_timestamp", r#"{"anonymous_id":"u","timestamp":"","name":"signup","value":1}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":"NaN"}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":"-inf"}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":1e999}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":"much"}"#),
        ("bad_value", r#"{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":[1]}"#),
        ("bad_json", r#"{"anonymous_id":"u","#),
    ] {
        for reward in [RewardType::Bool, RewardType::Numeric] {
            let counted = with_bad_reward(bad, reward);
            assert_eq!(skipped(&counted.observations), [(reason, 1)].into(), "{bad}");
            assert_eq!(cells(&counted), [(1, 0, 1, 1.0, 1.0)], "{bad}");
            assert_eq!((counted.observations.rewards, counted.observations.attributed_rewards), (1, 1), "{bad}");
        }
    }
}

#[test]
fn values_of_bool_and_numeric_rewards() {
    let reward =
        |value: &str| format!(r#"{{"anonymous_id":"u","timestamp":1780272001,"name":"signup","value":{value}}}"#);
    let result = |value: &str, of: RewardType| {
        // Another reward, so that one that is skipped is not most of them.
        let stranger = REWARD.replace("\"u\"", "\"stranger\"");
        let space = space();
        let plan = Plan { reward: of, allow_no_rewards: true, ..plan(&space) };
        let counted = counted(&[GOOD], &[&reward(value), &stranger], &plan);
        (counted.cells.reward_sum(), skipped(&counted.observations).into_keys().next())
    };
    for (value, bool, numeric) in [
        ("0", (0.0, Some("zero_value")), (0.0, None)),
        ("-0.0", (0.0, Some("zero_value")), (0.0, None)),
        ("false", (0.0, Some("zero_value")), (0.0, None)),
        ("true", (1.0, None), (1.0, None)),
        ("-2.5", (1.0, None), (-2.5, None)),
        ("\"2.5\"", (1.0, None), (2.5, None)),
        ("null", (1.0, None), (0.0, Some("bad_value"))),
    ] {
        assert_eq!(result(value, RewardType::Bool), bool, "{value}");
        assert_eq!(result(value, RewardType::Numeric), numeric, "{value}");
    }
}

#[test]
fn a_reward_without_a_name_or_value_column_counts() {
    let reward = r#"{"anonymous_id":"u","timestamp":1780272001,"optimization_id":"opt"}"#;
    assert_eq!(cells(&counted(&[GOOD], &[reward], &plan(&space()))), [(1, 0, 1, 1.0, 1.0)]);
}

#[test]
fn unattributed_rewards_are_what_is_left() {
    let stranger = REWARD.replace("\"u\"", "\"stranger\"");
    let early = REWARD.replace("1780272001", "1780271999");
    let counted = counted(&[GOOD], &[REWARD, &stranger, &early], &plan(&space()));
    assert_eq!((counted.observations.rewards, counted.observations.attributed_rewards), (3, 1));
    assert!(counted.observations.skipped.is_empty());
}

#[test]
fn immature_exposures_are_counted() {
    let space = space();
    let at = |time: i64| GOOD.replace("1780272000", &time.to_string());
    let exclude = Plan { immature: Immature::Exclude, ..plan(&space) };
    // The cut-off may come from either side, and from a row that is skipped.
    let late = at(T0 + HOUR + 1);
    let counted_late = counted(&[GOOD, &at(T0 + 1), &late], &[], &exclude);
    assert_eq!(skipped(&counted_late.observations), [("immature", 1)].into());
    assert_eq!(counted_late.observations.exposures, 2);
    let other = format!(r#"{{"anonymous_id":"u","timestamp":{},"name":"x","value":0}}"#, T0 + HOUR);
    let counted_other = counted(&[GOOD, &at(T0 + 1)], &[&other], &exclude);
    assert_eq!(skipped(&counted_other.observations), [("immature", 1), ("other_reward", 1)].into());
    // Immature exposures are no faults: no run fails for having more than half of them.
    let counted = counted(&[GOOD, &late, &late, &late], &[], &exclude);
    assert_eq!(skipped(&counted.observations), [("immature", 3)].into());
}

#[test]
fn more_than_half_skipped_fails() {
    let space = space();
    let bad = GOOD.replace("\"a\"", "\"z\"");
    let run = |exposures: &[&str]| Memory::of([("exposures/a.jsonl", exposures.join("\n"))]).count(&plan(&space));
    assert_eq!(run(&[GOOD, &bad]).unwrap().observations.exposures, 1);
    let error = run(&[&bad, GOOD, &bad]).unwrap_err();
    assert_eq!(error.kind(), snapshots::Kind::Invalid);
    assert_eq!(
        error.to_string(),
        "2 of 3 exposures were skipped, more than half; skipped: 2 unknown_variant; for example exposures/a.jsonl, line 1: \
         column \"headline\" is \"z\""
    );
    // Rewards of other names are no faults.
    let rewards = [REWARD.replace("signup", "x"), REWARD.replace("signup", "y")].join("\n");
    let memory = Memory::of([("exposures/a.jsonl", GOOD.to_owned()), ("rewards/a.jsonl", rewards)]);
    assert_eq!(memory.count(&plan(&space)).unwrap().observations.exposures, 1);
}

#[test]
fn nothing_usable_is_an_error_of_its_own() {
    let space = space();
    let bad = GOOD.replace("\"a\"", "\"z\"");
    let cases: [(&str, Vec<(&str, String)>); 5] = [
        ("no usable observation; nothing was skipped", vec![]),
        ("no usable observation; nothing was skipped", vec![("_SUCCESS", String::new())]),
        ("no usable observation; nothing was skipped", vec![("exposures/a.csv", String::new())]),
        ("no usable observation; nothing was skipped", vec![("rewards/a.jsonl", REWARD.into())]),
        (
            "no usable observation; skipped: 2 unknown_variant; for example exposures/a.jsonl, line 1: column \"headline\" is \"z\"",
            vec![("exposures/a.jsonl", format!("{bad}\n{bad}\n"))],
        ),
    ];
    for (message, objects) in cases {
        let error = Memory::of(objects).count(&plan(&space)).unwrap_err();
        assert_eq!(error.kind(), snapshots::Kind::Empty);
        assert_eq!(error.to_string(), message);
        assert!(matches!(error, SnapshotError::NoObservations { .. }));
    }
}

#[test]
fn the_report_has_the_names_of_the_interface() {
    let mut observations = Observations { exposures: 3, rewards: 2, attributed_rewards: 1, ..Observations::default() };
    let reasons = SkipReason::ALL;
    observations.skipped.extend((1..).zip(reasons).map(|(rows, reason)| (reason, rows)));
    let json = serde_json::to_value(&observations).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"exposures": 3, "rewards": 2, "attributed_rewards": 1, "skipped": {
            "unknown_variant": 1, "unknown_context_level": 2, "other_optimization": 3, "other_reward": 4, "null_id": 5,
            "null_timestamp": 6, "bad_json": 7, "bad_value": 8, "zero_value": 9, "immature": 10,
            "implausible_time": 11,
            "null_reward": 12, "filtered": 13,
        }})
    );
    for reason in reasons {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
    }
    assert_eq!(serde_json::from_value::<Observations>(json).unwrap(), observations);
    assert_eq!(serde_json::to_value(Attribution::FirstTouch).unwrap(), "first_touch");
    assert_eq!(serde_json::to_value(Immature::Exclude).unwrap(), "exclude");
}
