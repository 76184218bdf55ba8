//! What the commands print, and how they end.

use std::fs;

use fulcrum::local::examples;

use crate::data;
use crate::process::{LocalProcess, json, run, run_with_input, trained};

#[test]
fn usage_errors_end_with_2() {
    for arguments in [
        &[][..],
        &["nothing"],
        &["models"],
        &["models", "show"],
        &["models", "show", "42"],
        &["models", "train", "4754cae0-9a5d-4691-91af-6d15ccc1f82e", "--bias", "headline"],
        &["local", "--port", "70000"],
        &["local", "--data", "x", "--ephemeral"],
        &["keys", "create", "--name", "x", "--scope", "everything", "--table", "t", "--organization", "o"],
        &["snapshots", "put", "4754cae0-9a5d-4691-91af-6d15ccc1f82e", "x", "--bucket", "b", "--organization", "../o"],
    ] {
        let ended = run(arguments, &[]);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["demo", "--help"], &["models", "train", "--help"]] {
        assert_eq!(run(arguments, &[]).status, Some(0), "{arguments:?}");
    }
}

#[test]
fn a_service_that_is_not_there_or_no_service_is_told() {
    let key = ("FULCRUM_API_KEY".to_owned(), "flk_x".to_owned());
    let list = |url: &str| run(&["models", "list", "--url", url], std::slice::from_ref(&key));
    let away = list("http://127.0.0.1:9");
    assert_eq!((away.status, away.stdout.as_str()), (Some(1), ""));
    assert!(away.stderr.starts_with("error: cannot reach http://127.0.0.1:9/"), "{}", away.stderr);
    assert!(away.stderr.contains("fulcrum local"), "{}", away.stderr);
    for bad in ["127.0.0.1:3000", "ftp://127.0.0.1", "http://"] {
        let ended = list(bad);
        assert_eq!(ended.status, Some(1), "{bad}");
        assert!(ended.stderr.contains("is not the URL of a service"), "{bad}: {}", ended.stderr);
    }
    let keyless = run(&["models", "list"], &[]);
    assert_eq!(keyless.status, Some(1));
    assert!(keyless.stderr.contains("FULCRUM_API_KEY"), "{}", keyless.stderr);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let with_file =
        || run(&["models", "list", "--api-key-file", file.to_str().unwrap(), "--url", "http://127.0.0.1:9"], &[]);
    assert!(with_file().stderr.contains("No such file"));
    fs::write(&file, "flk_x\n").unwrap();
    assert!(with_file().stderr.contains("cannot reach"));
}

#[test]
fn a_model_by_the_command_alone() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let env = &local.environment;
    let fulcrum = |arguments: &[&str]| run(arguments, env);

    let made = run_with_input(&["models", "create", "--file", "-", "--json"], env, &data::cmab().to_string());
    let made = json(&made);
    let (id, optimization) = (made["id"].as_str().unwrap(), made["optimization_id"].as_str().unwrap());

    let early = fulcrum(&["models", "train", id]);
    assert_eq!((early.status, early.stdout.as_str()), (Some(1), ""));
    assert!(early.stderr.contains("(422 no_observations)"), "{}", early.stderr);
    assert!(early.stderr.contains(&format!("snapshots/org_local/{optimization}/")), "{}", early.stderr);
    assert!(early.stderr.contains("request id: req_"), "{}", early.stderr);

    let folder = tempfile::tempdir().unwrap();
    for (name, text) in data::exposures_and_rewards() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let put = |id: &str| {
        fulcrum(&["snapshots", "put", optimization, folder.path().to_str().unwrap(), "--snapshot-id", id, "--json"])
    };
    assert_eq!(json(&put("2026-11-02"))["objects"], 2);
    let again = put("2026-11-02");
    assert_eq!(again.status, Some(1));
    assert!(again.stderr.contains("already complete"), "{}", again.stderr);
    let listed = json(&fulcrum(&["snapshots", "list", optimization, "--json"]));
    assert_eq!(listed["snapshots"][0]["snapshot_id"], "2026-11-02");
    assert_eq!(listed["snapshots"][0]["complete"], true);
    assert_eq!(listed["snapshots"][0]["folders"], serde_json::json!(["exposures", "rewards"]));
    let empty = tempfile::tempdir().unwrap();
    let none = fulcrum(&["snapshots", "put", optimization, empty.path().to_str().unwrap()]);
    assert!(none.status == Some(1) && none.stderr.contains("is not a snapshot"), "{none:?}");

    let bad = fulcrum(&["models", "train", id, "--bias", "colour=1"]);
    assert_eq!(bad.status, Some(1));
    assert!(bad.stderr.contains("\n  bias.colour: there is no factor"), "{}", bad.stderr);
    let answer =
        trained(&fulcrum(&["models", "train", id, "--bias", "headline=0.1", "--bias", "device=0.2", "--json"]));
    assert_eq!(answer["observations"]["exposures"], data::EXPOSURES);
    // Before it may be the run that the snapshot began by itself, but none comes after it.
    let posteriors = json(&fulcrum(&["models", "posteriors", id, "--json"]));
    let newest = &posteriors["posteriors"][0];
    assert_eq!((&newest["posterior_version"], &newest["active"]), (&answer["posterior_version"], &true.into()));
    assert_eq!(newest["bias"], serde_json::json!({"headline": 0.1, "device": 0.2}));

    let shown = fulcrum(&["models", "show", id]);
    assert!(shown.stdout.contains("headline (A, B)") && shown.stdout.contains("trained"), "{}", shown.stdout);
    let state = fulcrum(&["models", "state", id]);
    assert!(state.stdout.contains("Variants") && state.stdout.contains("headline=B"), "{}", state.stdout);
    assert!(!state.stdout.contains('\u{1b}') && !state.stdout.contains('━'), "colour or bars without a terminal");
    let list = fulcrum(&["models", "list"]);
    assert!(list.stdout.contains(id) && list.stdout.lines().count() == 2, "{}", list.stdout);

    assert_eq!(json(&fulcrum(&["models", "delete", id, "--json"]))["status"], "archived");
    assert_eq!(json(&fulcrum(&["models", "list", "--json"]))["models"], serde_json::json!([]));
    let all = json(&fulcrum(&["models", "list", "--include-archived", "--json"]));
    assert_eq!(all["models"][0]["status"], "archived");
}

#[test]
fn a_snapshot_is_checked_before_it_is_put() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let fulcrum = |arguments: &[&str]| run(arguments, &local.environment);
    let body = data::cmab().to_string();
    let made = json(&run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body));
    let optimization = made["optimization_id"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, text) in data::exposures_and_rewards() {
        write(name, &text);
    }
    let files = folder.path().to_str().unwrap();
    let found = json(&fulcrum(&["snapshots", "check", optimization, files, "--json"]));
    assert_eq!(found["fails"], serde_json::Value::Null);
    assert_eq!(found["observations"]["exposures"], data::EXPOSURES);
    let first = serde_json::json!({"folder": "exposures", "column": "anonymous_id", "type": "text", "read_as": "anonymous_id", "files": 1});
    assert_eq!(found["columns"][0], first);
    let text = fulcrum(&["snapshots", "check", optimization, files]);
    assert_eq!((text.status, text.stderr.as_str()), (Some(0), ""));
    for part in ["Columns", "Levels", "exposures  anonymous_id", "exposures/: 1 of JSON", "with an exposure", "days"] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }

    // What has been put is read where it is.
    let put = |more: &[&str]| fulcrum(&[&["snapshots", "put", optimization, files, "--json"], more].concat());
    let url = json(&put(&["--snapshot-id", "1"]))["url"].as_str().unwrap().to_owned();
    let stored = json(&fulcrum(&["snapshots", "check", optimization, &url, "--json"]));
    assert_eq!((&stored["observations"], &stored["columns"]), (&found["observations"], &found["columns"]));

    // A run would fail with it: it says why, ends with 1, and uploads nothing.
    write("rewards/part-0.csv", "anonymous_id,timestamp,name\nu-0,1793491800,signup\n");
    let failing = fulcrum(&["snapshots", "check", optimization, files, "--json"]);
    let why = "no id of rewards/ occurs in exposures/: u-0 against u0";
    assert_eq!(failing.status, Some(1));
    assert!(failing.stderr.contains("a training run would fail with this snapshot") && failing.stderr.contains(why));
    let answer: serde_json::Value = serde_json::from_str(&failing.stdout).unwrap();
    assert!(answer["fails"].as_str().unwrap().contains(why), "{answer}");
    let refused = put(&["--snapshot-id", "2"]);
    assert!(refused.status == Some(1) && refused.stderr.contains(why), "{}", refused.stderr);
    let ids = || json(&fulcrum(&["snapshots", "list", optimization, "--json"]))["snapshots"].as_array().unwrap().len();
    assert_eq!(ids(), 1);
    assert_eq!(json(&put(&["--snapshot-id", "2", "--no-check"]))["complete"], true);
    assert_eq!(ids(), 2);

    // Where the model is not known, nothing is uploaded unchecked.
    let mut env = local.environment.clone();
    env.retain(|(name, _)| name != "TABLE_NAME");
    let unchecked = run(&["snapshots", "put", optimization, files, "--snapshot-id", "3"], &env);
    assert!(unchecked.status == Some(2) && unchecked.stderr.contains("--table <TABLE>"), "{unchecked:?}");
    assert_eq!(ids(), 2);
}

/// What a run would warn of against the posterior in force, a check tells before.
#[test]
fn a_check_tells_what_changes_against_the_posterior_in_force() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let fulcrum = |arguments: &[&str]| run(arguments, &local.environment);
    let body = data::mab().to_string();
    let made = json(&run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body));
    let (model, optimization) = (made["id"].as_str().unwrap(), made["optimization_id"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cells")).unwrap();
    let write = |cells: &[(&str, u32, u32)]| {
        let line = |&(headline, n, sum): &(&str, u32, u32)| {
            format!("{}\n", serde_json::json!({"variant": {"headline": headline}, "n": n, "reward_sum": sum}))
        };
        let lines: String = cells.iter().map(line).collect();
        fs::write(folder.path().join("cells/part-0.jsonl"), lines).unwrap();
    };
    let files = folder.path().to_str().unwrap();
    let codes = || {
        let found = json(&fulcrum(&["snapshots", "check", optimization, files, "--json"]));
        let warnings = found["warnings"].as_array().unwrap().clone();
        warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let levels = made["training_data_config"]["design_factors"][0]["levels"].as_array().unwrap().clone();
    let (first, second) = (levels[0].as_str().unwrap(), levels[1].as_str().unwrap());
    write(&[(first, 100, 10), (second, 100, 10)]);
    assert_eq!(codes(), Vec::<String>::new());
    let put = fulcrum(&["snapshots", "put", optimization, files, "--snapshot-id", "1"]);
    assert_eq!(put.status, Some(0), "{put:?}");
    let trained = fulcrum(&["models", "train", model, "--json"]);
    assert_eq!(trained.status, Some(0), "{trained:?}");
    assert_eq!(codes(), Vec::<String>::new());
    write(&[(first, 100, 50)]);
    assert_eq!(codes(), ["rate_moved", "lost_level"]);
}

#[test]
fn keys_are_made_shown_without_secret_and_revoked() {
    let local = LocalProcess::start(&["--ephemeral", "--organization", "org_mine"]);
    let env = &local.environment;
    let made = json(&run(&["keys", "create", "--name", "reader", "--scope", "models:read", "--json"], env));
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(
        (made["organization_id"].as_str(), made["scopes"].as_array().map(Vec::len)),
        (Some("org_mine"), Some(1))
    );

    let with_key = |arguments: &[&str]| {
        let mut env = env.clone();
        env.retain(|(name, _)| name != "FULCRUM_API_KEY");
        env.push(("FULCRUM_API_KEY".into(), secret.into()));
        run_with_input(arguments, &env, &data::mab().to_string())
    };
    assert_eq!(with_key(&["models", "list"]).status, Some(0));
    let forbidden = with_key(&["models", "create", "--file", "-"]);
    assert!(forbidden.status == Some(1) && forbidden.stderr.contains("403 forbidden"), "{forbidden:?}");

    let list = run(&["keys", "list", "--json"], env);
    assert_eq!(json(&list)["keys"].as_array().map(Vec::len), Some(2));
    assert!(!list.stdout.contains("flk_") && !list.stdout.contains("hash"), "{}", list.stdout);
    for _ in 0..2 {
        assert!(json(&run(&["keys", "revoke", id, "--json"], env))["revoked_at"].is_string());
    }
    let revoked = with_key(&["models", "list"]);
    assert!(revoked.status == Some(1) && revoked.stderr.contains("401 unauthorized"), "{revoked:?}");
    let unknown = run(&["keys", "revoke", "4754cae0-9a5d-4691-91af-6d15ccc1f82e"], env);
    assert!(unknown.status == Some(1) && unknown.stderr.contains("there is no API key"), "{unknown:?}");
}

#[test]
fn a_restart_keeps_the_models_and_the_addresses_of_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    // An address where no other test can take the ports between the two starts; other systems have only the one.
    let address = if cfg!(target_os = "linux") { "127.0.0.3" } else { "127.0.0.1" };
    let data = ["--data", folder.path().to_str().unwrap(), "--address", address];
    let first = LocalProcess::start(&data);
    let made =
        run_with_input(&["models", "create", "--file", "-", "--json"], &first.environment, &data::mab().to_string());
    let id = json(&made)["id"].clone();
    let before = first.environment.clone();

    let second_at_once = run(&["local", "--port", "0", "--data", data[1]], &[]);
    assert_eq!(second_at_once.status, Some(1));
    assert!(second_at_once.stderr.contains("in use by another running server"), "{}", second_at_once.stderr);

    let ended = first.end("TERM");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("\"message\":\"request\"") && ended.stderr.contains("\"status\":201"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("flk_"), "a key in the log: {}", ended.stderr);

    let second = LocalProcess::start(&data);
    let value = |env: &[(String, String)], name: &str| env.iter().find(|(n, _)| n == name).unwrap().1.clone();
    for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3", "AWS_SECRET_ACCESS_KEY", "FULCRUM_ORGANIZATION"] {
        assert_eq!(second.variable(name), value(&before, name), "{name}");
    }
    assert_ne!(second.variable("FULCRUM_API_KEY"), value(&before, "FULCRUM_API_KEY"));
    let list = json(&run(&["models", "list", "--json"], &second.environment));
    assert_eq!(list["models"][0]["id"], id);
    // The key of the start before is revoked.
    let url = ("FULCRUM_URL".to_owned(), second.variable("FULCRUM_URL").to_owned());
    let old = run(&["models", "list"], &[url, ("FULCRUM_API_KEY".into(), value(&before, "FULCRUM_API_KEY"))]);
    assert!(old.status == Some(1) && old.stderr.contains("revoked"), "{old:?}");
    assert_eq!(second.end("INT").status, Some(0));
}

#[test]
fn stores_that_run_already_are_used() {
    let with_stores = LocalProcess::start(&["--ephemeral"]);
    let mut env: Vec<_> = with_stores.environment.clone();
    env.retain(|(name, _)| name.starts_with("AWS_") && name != "AWS_REGION");
    env.push(("AWS_REGION".into(), "eu-central-1".into()));
    env.push(("TABLE_NAME".into(), "another-table".into()));
    env.push(("BUCKET_NAME".into(), "another-bucket".into()));
    let mut child = crate::process::command(&["local", "--port", "0", "--ephemeral"], &env);
    let second = LocalProcess::spawn(&mut child);
    for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert_eq!(second.variable(name), with_stores.variable(name), "{name}");
    }
    assert_eq!(second.variable("TABLE_NAME"), "another-table");
    let made =
        run_with_input(&["models", "create", "--file", "-", "--json"], &second.environment, &data::mab().to_string());
    json(&made);
    assert_eq!(json(&run(&["models", "list", "--json"], &with_stores.environment))["models"], serde_json::json!([]));
    // What kept nothing takes its key back.
    let environment = second.environment.clone();
    assert_eq!(second.end("TERM").status, Some(0));
    let keys = json(&run(&["keys", "list", "--json"], &environment));
    assert!(keys["keys"][0]["revoked_at"].is_string(), "{keys}");
}

#[test]
fn a_call_that_does_not_wait_says_how_to_go_on() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let made =
        run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &data::mab().to_string());
    let id = json(&made)["id"].as_str().unwrap().to_owned();
    let ended = run(&["models", "train", &id, "--no-wait"], &local.environment);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&format!("`fulcrum models show {id}`")), "{}", ended.stdout);
}

#[test]
fn the_demonstration_finds_the_best_variant() {
    let ended = run(&["demo", "--exit", "--port", "0", "--exposures", "20000"], &[]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("The model's best variant is the true best"), "{}", ended.stdout);
    assert!(ended.stdout.contains("In-sample metrics"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn an_issuer_that_cannot_be_trusted_stops_local_at_its_start() {
    for (name, value) in [("JWT_ISSUER", "http://issuer.example"), ("JWT_AUDIENCE", "fulcrum")] {
        let ended = run(&["local", "--ephemeral", "--port", "0"], &[(name.to_owned(), value.to_owned())]);
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("JWT_ISSUER"), "{}", ended.stderr);
    }
}

#[test]
fn examples_are_put_into_own_stores_alone() {
    // Other systems have only one address of their own by default.
    let address = if cfg!(target_os = "linux") { "127.0.0.2" } else { "127.0.0.1" };
    let local = LocalProcess::start(&["--ephemeral", "--with-examples", "--address", address]);
    for name in ["FULCRUM_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3"] {
        assert!(local.variable(name).starts_with(&format!("http://{address}:")), "{name}");
    }
    let environment = [
        ("FULCRUM_URL".to_owned(), local.variable("FULCRUM_URL").to_owned()),
        ("FULCRUM_API_KEY".to_owned(), examples::KEY.to_owned()),
    ];
    let model = examples::model_id(1).to_string();
    let shown = json(&run(&["models", "show", &model, "--json"], &environment));
    assert_eq!((&shown["status"], &shown["posterior_version"]), (&"trained".into(), &2.into()));

    let elsewhere = ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), local.variable("AWS_ENDPOINT_URL_DYNAMODB").to_owned());
    let ended = run(&["local", "--port", "0", "--ephemeral", "--with-examples"], &[elsewhere]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("--with-examples"), "{ended:?}");
}
