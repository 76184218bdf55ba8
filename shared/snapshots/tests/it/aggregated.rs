//! The shapes `observations/` and `cells/`.

use crate::common::{HOUR, Memory, T0, cells, doubles, micros, parquet, plan, skipped, space, strings, texts};
use bandit::RewardType;
use snapshots::{Immature, Plan, SnapshotCounts, SnapshotError};

fn run(key: &str, text: &str, plan: &Plan<'_>) -> Result<SnapshotCounts, SnapshotError> {
    Memory::of([(key, text.to_owned())]).count(plan)
}

const OBSERVATIONS: &str = "headline,sticky,device,reward,optimization_id
a,true,mobile,2.5,opt
a,true,mobile,0,
a,true,mobile,-1,opt
a,true,tv,true,
a,false,mobile,false,
a,true,mobile,,
a,true,mobile,NaN,
z,true,mobile,1,
a,true,mobile,1,other
";

#[test]
fn observations_of_a_numeric_reward() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let counted = run("observations/a.csv", OBSERVATIONS, &numeric).unwrap();
    assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (1, 0, 4, 1.5, 7.25), (1, 2, 1, 1.0, 1.0)]);
    let expected = [
        ("bad_value", 1),
        ("null_reward", 1),
        ("other_optimization", 1),
        ("unknown_context_level", 1),
        ("unknown_variant", 1),
    ];
    assert_eq!(skipped(&counted.observations), expected.into());
    let report = counted.observations;
    assert_eq!((report.exposures, report.rewards, report.attributed_rewards), (6, 3, 3));
}

#[test]
fn observations_of_a_bool_reward() {
    let space = space();
    let counted = run("observations/a.csv", OBSERVATIONS, &plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (1, 0, 4, 2.0, 2.0), (1, 2, 1, 1.0, 1.0)]);
}

#[test]
fn observations_in_other_formats() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let columns = vec![
        ("variant", texts(&[r#"{"headline":"a","sticky":true}"#; 3])),
        ("REWARD", doubles(&[1.5, f64::NAN, -0.5])),
        ("device", strings(&[Some("tablet"); 3])),
    ];
    let counted = Memory::of([("observations/x/a.parquet", parquet(columns, 2))]).count(&numeric).unwrap();
    assert_eq!(cells(&counted), [(1, 1, 2, 1.0, 2.5)]);
    assert_eq!(skipped(&counted.observations), [("bad_value", 1)].into());
    let line = r#"{"variant":{"headline":"a","sticky":true},"context":{"device":"tablet"},"reward":"#;
    let lines = format!("{line}1.5}}\n{line}\"nan\"}}\n{line}-0.5}}\n");
    assert_eq!(cells(&run("observations/a.ndjson", &lines, &numeric).unwrap()), cells(&counted));
}

#[test]
fn immature_observations_are_left_out_where_the_time_is_known() {
    let space = space();
    let exclude = Plan { immature: Immature::Exclude, ..plan(&space) };
    let columns = |times: Option<[i64; 3]>| {
        let mut columns =
            vec![("variant", texts(&[r#"{"headline":"a","sticky":true}"#; 3])), ("reward", doubles(&[1.0, 1.0, 0.0]))];
        columns.extend(times.map(|times| ("timestamp", micros(&times))));
        parquet(columns, 2)
    };
    let count = |times, plan: &Plan<'_>| Memory::of([("observations/a.parquet", columns(times))]).count(plan).unwrap();
    let times = Some([T0, T0 + HOUR, T0 + 1]);
    let counted = count(times, &exclude);
    assert_eq!(cells(&counted), [(1, 2, 1, 1.0, 1.0)]);
    assert_eq!(skipped(&counted.observations), [("immature", 2), ("unknown_context_level", 1)].into());
    assert_eq!(cells(&count(times, &plan(&space))), [(1, 2, 3, 2.0, 2.0)]);
    assert_eq!(cells(&count(None, &exclude)), [(1, 2, 3, 2.0, 2.0)]);
}

#[test]
fn cells_add_up() {
    let space = space();
    let csv = "VARIANT,CONTEXT,N,REWARD_SUM
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",\"{\"\"device\"\":\"\"mobile\"\"}\",10,3
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",\"{\"\"device\"\":\"\"mobile\"\"}\",5,0
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",\"{\"\"device\"\":\"\"tv\"\"}\",7,7
\"{\"\"headline\"\":\"\"z\"\",\"\"sticky\"\":true}\",,6,1
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",,-6,1
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",,,1
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",,4,
\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":true}\",,0,0
";
    let counted = run("cells/a.csv", csv, &plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 15, 3.0, 3.0), (1, 2, 11, 7.0, 7.0)]);
    // A row that is skipped costs as many observations as it stands for.
    let expected = [("bad_value", 1 + 1), ("null_reward", 4), ("unknown_context_level", 7 + 4), ("unknown_variant", 6)];
    assert_eq!(skipped(&counted.observations), expected.into());
    let report = counted.observations;
    assert_eq!((report.exposures, report.rewards, report.attributed_rewards), (26, 10, 10));
}

/// SUM over a join that found nothing is null: to leave such cells out would leave out those without a conversion.
#[test]
fn a_sum_that_is_null_is_0() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let csv = "headline,sticky,device,n,reward_sum,reward_sum_sq\na,true,mobile,10,4,8\na,false,mobile,10,,\n1,true,mobile,10,NULL,null\n";
    for plan in [plan(&space), numeric] {
        let counted = run("cells/a.csv", csv, &plan).unwrap();
        let n: Vec<_> = cells(&counted).iter().map(|cell| (cell.2, cell.3)).collect();
        assert_eq!(n, [(10, 0.0), (10, 4.0), (10, 0.0)]);
        assert_eq!(skipped(&counted.observations), [("null_reward", 20)].into());
        let example = counted.warnings[0].example.as_ref().unwrap();
        assert_eq!((example.line, example.column.as_deref()), (Some(3), Some("reward_sum")));
    }
    // A sum that is not known beside squares that are is no sum over nothing.
    let half = csv.replace("10,,", "10,,5").replace("NULL,null", "0,0");
    let counted = run("cells/a.csv", &half, &numeric).unwrap();
    assert_eq!(skipped(&counted.observations), [("bad_value", 10)].into());
}

#[test]
fn observations_whose_rewards_are_all_null_fail_unless_that_is_asked_for() {
    let space = space();
    for (key, csv) in [
        ("observations/a.csv", "headline,sticky,device,reward\na,true,mobile,\na,true,mobile,NA\n"),
        ("cells/a.csv", "headline,sticky,device,n,reward_sum\na,true,mobile,1,\na,true,mobile,1,NULL\n"),
    ] {
        let error = run(key, csv, &plan(&space)).unwrap_err();
        assert_eq!(error.kind(), snapshots::Kind::Invalid);
        let text = error.to_string();
        assert!(
            text.starts_with("the rewards of all 2 observations are null, as where a join finds nothing"),
            "{text}"
        );
        assert!(text.contains(&format!("for example {key}, line 2")) && text.contains("allow_no_rewards"), "{text}");
        let allowed = Plan { allow_no_rewards: true, ..plan(&space) };
        assert_eq!(cells(&run(key, csv, &allowed).unwrap()), [(1, 0, 2, 0.0, 0.0)]);
    }
}

/// Whoever writes `purchased` or nothing has the outcome in what cannot be read; so has whoever writes 1 or NaN.
#[test]
fn rewards_that_cannot_be_read_fail_where_they_are_more_than_an_outcome() {
    let space = space();
    let with = |rewards: &[&str]| {
        let rows: Vec<String> = rewards.iter().map(|reward| format!("a,true,mobile,{reward}\n")).collect();
        run("observations/a.csv", &format!("headline,sticky,device,reward\n{}", rows.concat()), &plan(&space))
    };
    for (rewards, expected) in [
        (
            &["", "purchased", "", "", "purchased"][..],
            "2 observations have a reward that cannot be read, and 0 have another reward than 0",
        ),
        (&["1", "1", "1", "NaN", "NaN"], "2 observations have a reward that cannot be read, and 0 have the reward 0"),
        (&["1", "0", "1", "0", "much", "much"], ""),
    ] {
        match with(rewards) {
            Ok(counted) => assert_eq!((expected, skipped(&counted.observations)), ("", [("bad_value", 2)].into())),
            Err(error) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.starts_with(expected), "{text}");
                assert!(
                    text.contains("for example observations/a.csv, line ") && text.contains("column \"reward\" is"),
                    "{text}"
                );
            }
        }
    }
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    // Amounts of which none is 0 say nothing about those that are missing.
    let amounts = "headline,sticky,device,reward\na,true,mobile,2.5\na,true,mobile,NaN\n";
    assert!(run("observations/a.csv", amounts, &numeric).is_ok());
}

#[test]
fn cells_of_a_numeric_reward() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let csv = "headline,sticky,device,n,reward_sum,reward_sum_sq\na,true,mobile,2,-3,5\n1,true,tablet,4.0,1.5,2.25\na,true,mobile,9,1,\n";
    let counted = run("cells/a.csv", csv, &numeric);
    assert_eq!(
        counted.unwrap_err().to_string(),
        "9 of 15 observations in cells were skipped, more than half; skipped: 9 bad_value; for example cells/a.csv, line 4: column \"reward_sum_sq\""
    );
    let counted = run("cells/a.csv", &csv.replace("mobile,9", "mobile,1"), &numeric).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 2, -3.0, 5.0), (5, 1, 4, 1.5, 2.25)]);
    assert_eq!((counted.observations.exposures, counted.observations.rewards), (6, 0));
}

#[test]
fn impossible_cells_fail() {
    let space = space();
    let bool = plan(&space);
    let numeric = Plan { reward: RewardType::Numeric, ..bool };
    let error = |row: &str, plan: &Plan<'_>| {
        let csv =
            format!("headline,sticky,device,n,reward_sum,reward_sum_sq\na,true,mobile,5,1,1\na,true,mobile,{row}\n");
        run("cells/a.csv", &csv, plan).unwrap_err().to_string()
    };
    for (row, plan, message) in [
        ("5,6,6", &bool, "column \"reward_sum\" is 6; it must be a whole number from 0 to n = 5"),
        ("5,-1,6", &bool, "column \"reward_sum\" is -1; it must be a whole number from 0 to n = 5"),
        ("5,0.5,6", &bool, "column \"reward_sum\" is 0.5; it must be a whole number from 0 to n = 5"),
        ("0,1,1", &bool, "column \"reward_sum\" is 1; it must be a whole number from 0 to n = 0"),
        ("5.5,1,1", &bool, "column \"n\" is 5.5; it must be a whole number up to 2^53"),
        ("1e300,1,1", &numeric, "column \"n\" is 1"),
        ("2,3,4", &numeric, "column \"reward_sum_sq\" is 4; it must be at least reward_sum² / n = 4.5"),
        ("2,0,-1", &numeric, "column \"reward_sum_sq\" is -1; it must be at least reward_sum² / n = 0"),
        ("0,1,1", &numeric, "column \"reward_sum\" is 1; it must be 0 where n is 0"),
    ] {
        let error = error(row, plan);
        assert!(error.starts_with(&format!("cells/a.csv, line 3: {message}")), "{row}: {error}");
    }
    let columns = vec![
        ("variant", texts(&[r#"{"headline":"a","sticky":true}"#; 3])),
        ("n", doubles(&[1.0, 1.0, 1.0])),
        ("reward_sum", doubles(&[0.0, 1.0, 2.0])),
    ];
    let error = Memory::of([("cells/a.parquet", parquet(columns, 2))]).count(&bool).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Value { place: snapshots::Place::Row { row_group: 1, row: 0 }, .. }),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("cells/a.parquet, row group 1, row 0: column \"reward_sum\" is 2;"),
        "{error}"
    );
}

#[test]
fn an_unreadable_time_is_no_mature_observation() {
    let space = space();
    let exclude = Plan { immature: Immature::Exclude, ..plan(&space) };
    let csv = "headline,sticky,device,reward,timestamp
a,true,mobile,1,2026-06-01T00:00:00Z
a,true,mobile,1,soon
a,true,mobile,0,
z,true,mobile,1,2026-13-01T00:00:00Z
a,true,mobile,1,2026-06-01T01:00:00Z
a,true,mobile,1,2026-06-01T00:00:00Z
";
    let counted = run("observations/a.csv", csv, &exclude).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 3, 2.0, 2.0)]);
    assert_eq!(skipped(&counted.observations), [("bad_value", 2), ("immature", 1)].into());
    // The time of an observation says its stratum too, so that it must be readable where none is left out.
    let counted = run("observations/a.csv", csv, &plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 4, 3.0, 3.0)]);
    assert_eq!(skipped(&counted.observations), [("bad_value", 2)].into());
}
