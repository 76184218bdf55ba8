//! What keeps a run from learning of less than there is, and what is told where it goes on.

use bandit::RewardType;
use snapshots::{Plan, SnapshotCounts, SnapshotError, check};

use crate::common::{Memory, cells, plan, skipped, space};

const EXPOSURES: &str = "anonymous_id,timestamp,headline,sticky,device\n\
                         u1,2026-06-01T00:00:00Z,a,true,mobile\nu2,2026-06-01T00:00:00Z,a,true,mobile\n";
const REWARDS: &str = "anonymous_id,timestamp,name\nu1,2026-06-01T00:10:00Z,signup\n";

fn run(objects: &[(&str, &str)]) -> Result<SnapshotCounts, SnapshotError> {
    let objects = objects.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
    Memory::of(objects).count(&plan(&space()))
}

fn error(objects: &[(&str, &str)]) -> String {
    let error = run(objects).unwrap_err();
    assert_eq!(error.kind(), snapshots::Kind::Invalid, "{error}");
    error.to_string()
}

fn codes(counted: &SnapshotCounts) -> Vec<&str> {
    counted.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

#[test]
fn a_file_of_which_nothing_is_read_fails() {
    let bad = "anonymous_id,timestamp,headline,sticky,device\nu3,never,a,true,mobile\n";
    let text = error(&[("exposures/a.csv", EXPOSURES), ("exposures/b.csv", bad)]);
    assert!(
        text.starts_with("exposures/b.csv: 1 of 1 exposures were skipped, more than half; skipped: 1 bad_value"),
        "{text}"
    );
    let bad = "anonymous_id,timestamp,name\n,2026-06-01T00:10:00Z,signup\n";
    let text = error(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", REWARDS), ("rewards/b.csv", bad)]);
    assert!(text.starts_with("rewards/b.csv: 1 of 1 rewards were skipped"), "{text}");
}

#[test]
fn rewards_of_the_model_are_judged_apart_from_others() {
    let mut rewards = REWARDS.to_owned();
    for _ in 0..2 {
        rewards += "u1,,signup\n";
    }
    for _ in 0..20 {
        rewards += "u1,2026-06-01T00:10:00Z,login\n";
    }
    let text = error(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", &rewards)]);
    assert!(
        text.starts_with("2 of 3 rewards were skipped, more than half; skipped: 20 other_reward, 2 null_timestamp"),
        "{text}"
    );
    assert!(text.ends_with("for example rewards/a.csv, line 3: column \"timestamp\""), "{text}");
}

#[test]
fn rewards_of_which_none_is_attributed_fail_unless_that_is_asked_for() {
    let strangers = "anonymous_id,timestamp,name\nu1-x,2026-06-01T00:10:00Z,signup\n";
    let late = "anonymous_id,timestamp,name\nu1,2026-06-03T00:00:00Z,signup\n";
    for (rewards, detail) in [
        (strangers, "no id of rewards/ occurs in exposures/: u1-x against u1"),
        (
            late,
            "no reward lies in the 1 hours after an exposure of its user; one user has an exposure at 2026-06-01T00:00:00Z and a reward at 2026-06-03T00:00:00Z",
        ),
    ] {
        let objects = [("exposures/a.csv", EXPOSURES), ("rewards/a.csv", rewards)];
        let text = error(&objects);
        assert!(text.contains(detail) && text.contains("allow_no_rewards"), "{text}");
        let space = space();
        let allowed = Plan { allow_no_rewards: true, ..plan(&space) };
        assert_eq!(cells(&Memory::of(objects).count(&allowed).unwrap()), [(1, 0, 2, 0.0, 0.0)]);
    }
    let other = "anonymous_id,timestamp,name\nu1,2026-06-01T00:10:00Z,purchase\n";
    assert_eq!(codes(&run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", other)]).unwrap()), ["no_rewards"]);
}

#[test]
fn a_name_that_is_missing_is_null_where_others_have_one() {
    let named = r#"{"anonymous_id":"u1","timestamp":"2026-06-01T00:10:00Z","name":"signup"}"#;
    let unnamed = r#"{"anonymous_id":"u2","timestamp":"2026-06-01T00:10:00Z"}"#;
    for files in [[format!("{named}\n{unnamed}\n"), String::new()], [named.to_owned(), unnamed.to_owned()]] {
        let objects = [
            ("exposures/a.csv", EXPOSURES),
            ("rewards/a.jsonl", files[0].as_str()),
            ("rewards/b.jsonl", files[1].as_str()),
        ];
        let counted = run(&objects).unwrap();
        assert_eq!((counted.observations.rewards, codes(&counted)), (1, vec!["unnamed_rewards"]));
        assert_eq!(skipped(&counted.observations), [("other_reward", 1)].into());
    }
    let counted = run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.jsonl", unnamed)]).unwrap();
    assert_eq!((counted.observations.rewards, codes(&counted).len()), (1, 0));
}

#[test]
fn levels_that_are_nearly_known_are_told() {
    let exposures =
        EXPOSURES.replace("u2,2026-06-01T00:00:00Z,a,true,mobile", "u2,2026-06-01T00:00:00Z,a,true,mobile ");
    let counted = run(&[("exposures/a.csv", &exposures), ("rewards/a.csv", REWARDS)]).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 1, 1.0, 1.0), (1, 2, 1, 0.0, 0.0)]);
    let warning = &counted.warnings[0];
    assert_eq!(warning.code, "unknown_context_level");
    assert!(warning.message.ends_with("device \"mobile \" 1 times: did you mean \"mobile\"?"), "{}", warning.message);
    let example = warning.example.as_ref().unwrap();
    assert_eq!(example.to_string(), "exposures/a.csv, line 3: column \"device\" is \"mobile \"");
}

#[test]
fn paths_carry_columns_that_files_do_not_have() {
    let exposures = "anonymous_id,timestamp,headline,sticky\nu1,2026-06-01T00:00:00Z,a,true\n";
    let rewards = "anonymous_id,timestamp\nu1,2026-06-01T00:10:00Z\n";
    let objects = [
        ("exposures/device=mobile/a.csv", exposures),
        ("exposures/device=tablet/a.csv", exposures),
        ("exposures/device=__HIVE_DEFAULT_PARTITION__/a.csv", exposures),
        ("rewards/name=sign%75p/a.csv", rewards),
        ("rewards/name=login/a.csv", rewards),
    ];
    let counted = run(&objects).unwrap();
    assert_eq!(cells(&counted).iter().map(|c| (c.0, c.1, c.2)).collect::<Vec<_>>(), [(1, 0, 1), (1, 1, 1), (1, 2, 1)]);
    assert_eq!((counted.observations.rewards, counted.observations.attributed_rewards), (1, 1));
    let text = error(&[("exposures/device=tablet/a.csv", EXPOSURES)]);
    assert_eq!(
        text,
        "exposures/device=tablet/a.csv, line 2: column \"device\" is \"mobile\", but the path says \"tablet\""
    );
    assert!(run(&[("exposures/device=mobile/a.csv", EXPOSURES)]).is_ok());
}

#[test]
fn a_null_reward_of_an_observation_is_none() {
    let csv = "headline,sticky,device,reward\na,true,mobile,\na,true,mobile,2\na,true,mobile,\\N\n";
    let space = space();
    for (reward, sum) in [(RewardType::Bool, 1.0), (RewardType::Numeric, 2.0)] {
        let counted = Memory::of([("observations/a.csv", csv)]).count(&Plan { reward, ..plan(&space) }).unwrap();
        assert_eq!(cells(&counted)[0].3.to_bits(), f64::to_bits(sum));
        assert_eq!(skipped(&counted.observations), [("null_reward", 2)].into());
        assert_eq!(codes(&counted), ["null_reward"]);
    }
}

#[test]
fn a_check_tells_what_a_run_would_make_of_it() {
    let exposures =
        format!("{EXPOSURES}u2,2026-06-01T00:00:00Z,a,true,mobile\nu3,2026-06-02T00:00:00Z,A,true,mobile\n");
    let memory = Memory::of([("exposures/a.csv", exposures), ("rewards/a.csv", REWARDS.to_owned())]);
    let space = space();
    let found = check(&memory, &memory.list(), &plan(&space)).unwrap();
    assert_eq!(found.fails, None);
    let files: Vec<_> = found.files.iter().map(|f| (f.folder.as_str(), f.format, f.files)).collect();
    assert_eq!(files, [("exposures", "CSV", 1), ("rewards", "CSV", 1)]);
    let (ids, days) = (found.ids.unwrap(), found.days.unwrap());
    assert_eq!((ids.with_rewards, ids.matched, found.duplicates), (1, 1, 1));
    assert_eq!(
        (days.first.as_str(), days.last.as_str(), days.days),
        ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", 2)
    );
    let level = found.levels.iter().find(|level| level.level == "a").unwrap();
    assert_eq!((level.factor.as_str(), level.n), ("headline", 3));
    assert_eq!((found.unknown[0].value.as_deref(), found.unknown[0].did_you_mean.as_deref()), (Some("A"), Some("a")));
    // What a run would fail with, with all that was found before.
    let memory = Memory::of([("exposures/a.csv", EXPOSURES.to_owned()), ("rewards/a.csv", REWARDS.replace("u1", "x"))]);
    let found = check(&memory, &memory.list(), &plan(&space)).unwrap();
    assert!(found.fails.unwrap().contains("no id of rewards/ occurs in exposures/"));
    assert_eq!(found.observations.unwrap().exposures, 2);
}
