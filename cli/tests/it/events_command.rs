//! `fulcrum events`, and what else the command says of events; the lines of docs/events.md as they stand.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{LocalProcess, command, json as printed, run, run_with_input, signal};

const FOREIGN: &str = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";

/// A model of the headlines A and B: its id and its optimization's.
fn model(local: &LocalProcess) -> (String, String) {
    let body = json!({"model_type": "mab", "training_data_config": {
        "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
    }});
    let made = run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body.to_string());
    let made = printed(&made);
    (made["id"].as_str().unwrap().to_owned(), made["optimization_id"].as_str().unwrap().to_owned())
}

fn exposure(optimization: &str, user: usize) -> String {
    let level = if user.is_multiple_of(2) { "A" } else { "B" };
    json!({"anonymous_id": format!("user-{user}"), "optimization_id": optimization, "variant": {"headline": level}})
        .to_string()
}

/// Waits until the model was trained on so many exposures and rewards.
fn trained(local: &LocalProcess, id: &str, exposures: u64, rewards: u64) -> Value {
    let started = Instant::now();
    loop {
        let model = printed(&run(&["models", "show", id, "--json"], &local.environment));
        let seen = &model["observations"];
        if (seen["exposures"].as_u64(), seen["rewards"].as_u64()) == (Some(exposures), Some(rewards)) {
            return model;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "{model}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_file_of_events_is_sent_once_however_often_it_is_sent_and_seen_where_it_went() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let (id, optimization) = model(&local);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let mut lines = String::new();
    for user in 0..1_200 {
        writeln!(lines, "{}", exposure(&optimization, user)).unwrap();
    }
    writeln!(lines, "\n{{\"anonymous_id\": \"user-1\", \"name\": \"signup\"}}").unwrap();
    fs::write(&file, &lines).unwrap();
    let send = ["events", "send", file.to_str().unwrap(), "--flush"];
    let sent = run(&send, &local.environment);
    assert_eq!((sent.status, sent.stderr.as_str()), (Some(0), ""), "{sent:?}");
    assert_eq!(sent.stdout, "1200 exposures and 1 rewards are stored.\n");
    trained(&local, &id, 1_200, 1);

    // Again, with some lines that cannot be stored behind it.
    let bad = [
        exposure(FOREIGN, 1),
        "{\"anonymous_id\": \"v\"".to_owned(),
        json!({"anonymous_id": "v", "name": ""}).to_string(),
        json!({"anonymous_id": "v"}).to_string(),
    ];
    fs::write(&file, format!("{lines}{}\n", bad.join("\n"))).unwrap();
    let again = run(&[&send[..], &["--json"]].concat(), &local.environment);
    let told: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(told, json!({"exposures": 1200, "rewards": 1, "rejected": 4, "warnings": 0}));
    assert_eq!(again.status, Some(1));
    for line in [
        "4 of the lines are not stored:",
        &format!("line 1203: events[200].optimization_id: {FOREIGN}"),
        "line 1204: it is no object of JSON: EOF",
        "line 1205: name: \"\" is not a string of 1 to 256 characters",
        "line 1206: it has neither a variant, as exposures have, nor a name, as rewards have",
    ] {
        assert!(again.stderr.contains(line), "{line}: {}", again.stderr);
    }
    // From standard input, a new one; it is the last that a training run sees.
    let last = run_with_input(&["events", "send", "-", "--flush"], &local.environment, &exposure(&optimization, 5_000));
    assert_eq!(last.stdout, "1 exposures and 0 rewards are stored.\n", "{last:?}");
    let model = trained(&local, &id, 1_201, 1);

    let listed = printed(&run(&["snapshots", "list", &optimization, "--json"], &local.environment));
    let newest = &listed["snapshots"][0];
    assert_eq!((&newest["snapshot_id"], &newest["complete"]), (&model["snapshot_id"], &json!(true)), "{listed}");
    let manifest = &newest["manifest"];
    assert_eq!((&manifest["exposures"]["rows"], &manifest["rewards"]["rows"]), (&json!(1201), &json!(1)), "{listed}");
    assert_eq!(manifest["key"], model["snapshot_manifest"], "a model says by which manifest it was trained");
    let table = run(&["snapshots", "list", &optimization], &local.environment);
    assert!(table.stdout.contains("(1201 rows), rewards 1 (1 rows)"), "{table:?}");
    let snapshot = format!("s3://{}/{}", local.variable("BUCKET_NAME"), manifest["key"].as_str().unwrap());
    let check =
        run(&["snapshots", "check", &optimization, snapshot.trim_end_matches("_MANIFEST.json")], &local.environment);
    assert_eq!(check.status, Some(0), "{check:?}");
}

#[test]
fn events_that_cannot_be_sent_are_told() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let missing = run(&["events", "send", "/nowhere.jsonl"], &local.environment);
    assert_eq!(missing.status, Some(1));
    assert!(missing.stderr.contains("/nowhere.jsonl: No such file"), "{missing:?}");
    let event = "{\"anonymous_id\": \"v\", \"name\": \"signup\"}";
    let mut environment = local.environment.clone();
    environment.retain(|(name, _)| name != "FULCRUM_API_KEY");
    environment.push(("FULCRUM_API_KEY".to_owned(), "flk_wrong".to_owned()));
    let refused = run_with_input(&["events", "send", "-"], &environment, event);
    assert!(refused.status == Some(1) && refused.stderr.contains("(401 unauthorized)"), "{refused:?}");
    let away = run_with_input(&["events", "send", "-", "--url", "http://127.0.0.1:9"], &local.environment, event);
    assert!(away.status == Some(1) && away.stderr.contains("cannot reach http://127.0.0.1:9"), "{away:?}");
}

/// Compaction may take an event between two looks: then another one is sent.
#[test]
fn events_are_seen_as_they_come_in() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let (_, optimization) = model(&local);
    let mut tail = command(&["events", "tail", "--json"], &local.environment);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap());
    let started = Instant::now();
    let (told, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            let _ = told.send(serde_json::from_str::<Value>(&line).unwrap());
            line.clear();
        }
    });
    for user in 0.. {
        run_with_input(&["events", "send", "-"], &local.environment, &exposure(&optimization, user));
        if let Ok(event) = seen.recv_timeout(Duration::from_secs(2)) {
            assert_eq!(
                (&event["kind"], &event["optimization_id"]),
                (&json!("exposures"), &json!(optimization)),
                "{event}"
            );
            assert!(event["anonymous_id"].as_str().unwrap().starts_with("user-"), "{event}");
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "no event was seen");
    }
    signal(&tail, "TERM");
    tail.wait().unwrap();
    reader.join().unwrap();
    // What waits is shown without going on, for people.
    for user in 10_000.. {
        run_with_input(&["events", "send", "-"], &local.environment, &exposure(&optimization, user));
        let shown = run(&["events", "tail", "--no-follow"], &local.environment);
        assert_eq!(shown.status, Some(0), "{shown:?}");
        if shown.stdout.contains(&format!("exposure  user-{user}  headline=")) {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(2), "{shown:?}");
    }
    let nowhere = run(&["events", "tail", "--no-follow", "--bucket", "none"], &local.environment);
    assert!(nowhere.status == Some(1) && nowhere.stderr.contains("the bucket \"none\" at"), "{nowhere:?}");
}

/// Every line of the first example of docs/events.md, in a shell, against the local service.
#[test]
fn the_first_model_of_the_documentation_is_trained_by_its_lines_as_they_stand() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md")).unwrap();
    let lines = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(lines.lines().count(), 10, "ten lines of curl:\n{lines}");
    let local = LocalProcess::start(&["--ephemeral"]);
    let path = ("PATH".to_owned(), std::env::var("PATH").unwrap());
    let shell = Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .env_clear()
        .envs(local.environment.iter().cloned().chain([path]))
        .output()
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(shell.status.success(), "{out}\n{error}");
    assert!(out.contains("\"status\":\"trained\"") && out.contains("\"snapshot_manifest\""), "{out}\n{error}");
    assert!(out.lines().last().unwrap_or_default().contains("\"prob_best\""), "{out}\n{error}");
    assert_eq!(out.matches("\"accepted\":1").count(), 2, "{out}");
}
