//! What keeps a run from learning of less than there is, and what is told where it goes on.

use std::fmt::Write as _;

use bandit::RewardType;
use snapshots::{Plan, SnapshotCounts, SnapshotError};

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
fn a_file_whose_own_rewards_are_mostly_skipped_fails_whatever_else_is_in_it() {
    let mut rewards = "anonymous_id,timestamp,name\n,2026-06-01T00:10:00Z,signup\n".to_owned();
    for _ in 0..9 {
        rewards += "u1,2026-06-01T00:10:00Z,login\n";
    }
    let objects = [("exposures/a.csv", EXPOSURES), ("rewards/a.csv", REWARDS), ("rewards/b.csv", rewards.as_str())];
    let text = error(&objects);
    assert!(text.starts_with("rewards/b.csv: 1 of 1 rewards were skipped, more than half"), "{text}");
}

#[test]
fn a_name_that_is_nearly_the_models_fails_or_is_told() {
    let row = |name: &str| format!("u1,2026-06-01T00:10:00Z,{name}\n");
    let header = "anonymous_id,timestamp,name\n";
    for near in [
        "Signup",
        "sign_up",
        "'signup'",
        "SIGN UP",
        "\"\"\"signup\"\"\"",
        "“signup”",
        "«sign\u{2011}up»",
        "ｓｉｇｎｕｐ",
    ] {
        let rewards = header.to_owned() + &row("purchase") + &row(near);
        let text = error(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", &rewards)]);
        assert!(
            text.starts_with("no reward has the name \"signup\", but one looks like it: rewards/a.csv, line 3"),
            "{text}"
        );
        let rewards = header.to_owned() + &row("login") + &row("signup") + &row(near) + &row(near);
        let counted = run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", &rewards)]).unwrap();
        let warning = counted.warnings.iter().find(|warning| warning.code == "reward_name").unwrap();
        assert!(warning.message.starts_with("2 rewards count as other_reward"), "{}", warning.message);
        let example = warning.example.as_ref().unwrap();
        assert_eq!((example.line, example.value.is_some()), (Some(4), true));
    }
    for other in ["signups", "sign", "purchase", "signup2", "---", "“sign”", "…"] {
        let rewards = header.to_owned() + &row("signup") + &row(other);
        let counted = run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", &rewards)]).unwrap();
        assert_eq!(codes(&counted), Vec::<&str>::new(), "{other}");
    }
}

#[test]
fn rewards_whose_name_is_null_are_told() {
    let rewards = format!("{REWARDS}u2,2026-06-01T00:10:00Z,\nu2,2026-06-01T00:10:00Z,\n");
    let counted = run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", &rewards)]).unwrap();
    assert_eq!((counted.observations.rewards, codes(&counted)), (1, vec!["unnamed_rewards"]));
    assert!(counted.warnings[0].message.starts_with("2 rewards have no name"), "{}", counted.warnings[0].message);
}

/// JSON that leaves nulls out has no column then, and all of its rewards count; a column of nulls may be of anybody's rewards.
#[test]
fn rewards_of_which_none_has_a_name_fail_where_there_is_a_column_for_it() {
    let rewards = REWARDS.replace("signup", "");
    let objects = [("exposures/a.csv", EXPOSURES), ("rewards/a.csv", rewards.as_str())];
    let text = error(&objects);
    assert!(text.starts_with("not one of 1 rewards has a name") && text.contains("rewards/a.csv, line 2"), "{text}");
    let space = space();
    let allowed = Plan { allow_no_rewards: true, ..plan(&space) };
    let counted = Memory::of(objects.map(|(key, text)| (key, text.to_owned()))).count(&allowed).unwrap();
    assert_eq!(codes(&counted), ["no_rewards", "unnamed_rewards"]);
}

#[test]
fn data_in_no_folder_of_ours_fail_where_there_are_no_rewards() {
    let exposures = ("exposures/a.csv", EXPOSURES);
    for key in ["conversions/a.csv", "goals/2026/part-0.json", "signups.csv"] {
        let text = error(&[exposures, (key, REWARDS)]);
        assert!(text.starts_with("there is no rewards/, and ") && text.contains(key), "{text}");
        let space = space();
        let allowed = Plan { allow_no_rewards: true, ..plan(&space) };
        let objects = [exposures, (key, REWARDS)].map(|(key, text)| (key, text.to_owned()));
        assert_eq!(codes(&Memory::of(objects).count(&allowed).unwrap()), ["stray_object"]);
        let with_rewards = run(&[exposures, (key, REWARDS), ("rewards/a.csv", REWARDS)]).unwrap();
        assert_eq!((with_rewards.observations.rewards, codes(&with_rewards)), (1, vec!["stray_object"]));
    }
    for key in ["schema.json", "README.md", "docs/notes.txt"] {
        assert_eq!(codes(&run(&[exposures, (key, "{}")]).unwrap()), ["stray_object"]);
    }
}

#[test]
fn files_of_rewards_without_rows_are_told() {
    let header = "anonymous_id,timestamp,name\n";
    let counted = run(&[("exposures/a.csv", EXPOSURES), ("rewards/a.csv", header)]).unwrap();
    assert_eq!(codes(&counted), ["no_rewards"]);
    assert_eq!(codes(&run(&[("exposures/a.csv", EXPOSURES)]).unwrap()), Vec::<&str>::new());
}

/// Whether the rewards of one file belong to users is no matter of chance where those of the others do. A file of the rewards of
/// strangers, or of a day without exposures, may be right: the run goes on.
#[test]
fn a_file_of_which_no_reward_is_attributed_is_told_where_others_are() {
    let (mut exposures, header) = (EXPOSURES.to_owned(), "anonymous_id,timestamp,name\n");
    let (mut ours, mut others, mut few) = (header.to_owned(), header.to_owned(), header.to_owned());
    for user in 10..40 {
        let _ = writeln!(exposures, "u{user},2026-06-01T00:00:00Z,a,true,mobile");
        let _ = writeln!(ours, "u{user},2026-06-01T00:10:00Z,signup");
        let _ = writeln!(others, "U-{user},2026-06-01T00:10:00Z,signup");
    }
    ours += "stranger,2026-06-01T00:10:00Z,signup\n";
    few += "stranger,2026-06-01T00:10:00Z,signup\n";
    let with = |exposures: &str| {
        run(&[
            ("exposures/a.csv", exposures),
            ("rewards/a.csv", &ours),
            ("rewards/b.csv", &others),
            ("rewards/c.csv", &few),
        ])
    };
    // Later than the last exposure, they may belong to exposures that are still to come.
    assert_eq!(codes(&with(&exposures).unwrap()), Vec::<&str>::new());
    exposures += "u10,2026-06-01T00:10:00Z,a,true,mobile\n";
    let counted = with(&exposures).unwrap();
    assert_eq!(codes(&counted), ["unattributed_file"]);
    let warning = &counted.warnings[0];
    assert!(
        warning.message.starts_with(
            "not one of the 30 rewards of rewards/b.csv belongs to an exposure, where 30 of 32 in the other files do"
        ),
        "{}",
        warning.message
    );
    assert_eq!(warning.example.as_ref().unwrap().object, "rewards/b.csv");
}

#[test]
fn a_column_that_any_json_file_of_the_folder_has_is_null_where_it_is_left_out() {
    let row = r#"{"headline":"a","sticky":true,"device":"mobile""#;
    let with = format!("{row},\"reward\":1}}\n{row}}}\n");
    let without = format!("{row}}}\n{row}}}\n");
    let counted = run(&[("observations/a.json", &without), ("observations/b.json", &with)]).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 4, 1.0, 1.0)]);
    assert_eq!(skipped(&counted.observations), [("null_reward", 3)].into());
    let text = error(&[("observations/a.json", &without), ("observations/b.json", &without)]);
    assert_eq!(text, "observations/a.json: column \"reward\" is missing; the columns are headline, sticky, device");
}
