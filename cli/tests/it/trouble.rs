//! What the command says when something is in its way: ports, folders, files, stores.

use std::fs;
use std::net::TcpListener;

use crate::data;
use crate::process::{Ended, LocalProcess, command, json, run, run_with_input};

const ID: &str = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";
/// Nothing listens on the discard port.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Variables of a machine that has credentials.
fn environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let credentials = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "us-east-1")];
    credentials.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn failed(ended: &Ended, texts: &[&str]) {
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    for text in texts {
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
}

#[test]
fn a_store_that_does_not_answer_is_named_with_what_may_help() {
    let nowhere = environment(&[("AWS_ENDPOINT_URL", NOWHERE)]);
    let keys = run(&["keys", "list", "--table", "records", "--organization", "o"], &nowhere);
    failed(&keys, &["the table \"records\" at http://127.0.0.1:9 cannot be used: Query: ", "efused", "local.env"]);
    let snapshots = run(&["snapshots", "list", ID, "--bucket", "objects", "--organization", "o"], &nowhere);
    failed(&snapshots, &["the bucket \"objects\" at http://127.0.0.1:9 cannot be used: ListObjectsV2: ", "local.env"]);
    for ended in [keys, snapshots] {
        assert!(!ended.stderr.contains("DispatchFailure"), "{}", ended.stderr);
    }
    let local = LocalProcess::start(&["--ephemeral"]);
    let missing = run(&["keys", "list", "--table", "records"], &local.environment);
    let table = format!("the table \"records\" at {} cannot be used", local.variable("AWS_ENDPOINT_URL_DYNAMODB"));
    failed(&missing, &[&table, "ResourceNotFoundException"]);
}

#[test]
fn a_store_of_somebody_else_that_is_away_stops_local_and_names_the_variable() {
    for (variable, other) in
        [("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"), ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL;")]
    {
        let ended = run(&["local", "--ephemeral", "--port", "0"], &environment(&[(variable, NOWHERE)]));
        failed(&ended, &["the store at http://127.0.0.1:9 cannot be used", &format!("It comes from {variable};")]);
        assert!(!ended.stderr.contains(other), "{}", ended.stderr);
    }
}

#[test]
fn a_store_of_somebody_else_needs_credentials() {
    let variables = [("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE), ("AWS_EC2_METADATA_DISABLED", "true")];
    let without = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let ended = run(&["local", "--ephemeral", "--port", "0"], &without);
    failed(&ended, &["cannot find credentials for the store at http://127.0.0.1:9", "AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_secret_for_ids_that_is_too_short_stops_local_and_is_not_shown() {
    let ended = run(&["local", "--ephemeral", "--port", "0"], &[("HASH_IDS".to_owned(), "sesame".to_owned())]);
    failed(&ended, &["the environment variable HASH_IDS has 6 characters; a secret has at least 32"]);
    assert!(!ended.stderr.contains("sesame"), "{}", ended.stderr);
}

#[test]
fn a_port_that_is_taken_and_an_address_that_is_none_are_told() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for arguments in [&["local", "--ephemeral", "--port", &port][..], &["demo", "--port", &port]] {
        let place = format!("cannot listen on 127.0.0.1:{port}: ");
        failed(&run(arguments, &[]), &[&place, "choose another port with --port"]);
    }
    // An address of documentation, which nobody has.
    let ended = run(&["local", "--ephemeral", "--port", "0", "--address", "192.0.2.1"], &[]);
    failed(&ended, &["cannot listen on 192.0.2.1:0: ", "this machine does not have that address"]);
    assert!(!ended.stderr.contains("--port"), "{}", ended.stderr);
}

#[test]
fn a_data_folder_that_cannot_be_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let ended = run(&["local", "--port", "0", "--data", file.to_str().unwrap()], &[]);
    failed(&ended, &[file.to_str().unwrap()]);
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).unwrap();
    // Whoever may do everything can write there all the same.
    if fs::write(locked.join("file"), "").is_err() {
        let ended = run(&["local", "--port", "0", "--data", locked.to_str().unwrap()], &[]);
        failed(&ended, &[locked.to_str().unwrap(), "ermission"]);
    }
}

#[test]
fn a_lease_that_is_none_is_wrong_usage() {
    for value in ["0", "3601", "x", "-1"] {
        let lease = [("TRAINING_LEASE_SECONDS".to_owned(), value.to_owned())];
        let ended = run(&["local", "--ephemeral", "--port", "0"], &lease);
        assert_eq!(ended.status, Some(2), "{value}: {ended:?}");
        assert!(ended.stderr.contains("TRAINING_LEASE_SECONDS"), "{value}: {}", ended.stderr);
    }
}

#[test]
fn a_model_that_cannot_be_read_is_told() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let missing = run(&["models", "create", "--file", "no-such.json"], &local.environment);
    failed(&missing, &["no-such.json: "]);
    let broken = run_with_input(&["models", "create", "--file", "-"], &local.environment, "{\"model_type\": ");
    failed(&broken, &["(400 "]);
}

#[test]
fn one_service_at_a_time_has_a_data_folder_also_without_stores_in_it() {
    let stores = LocalProcess::start(&["--ephemeral"]);
    let mut elsewhere = stores.environment.clone();
    elsewhere.retain(|(name, _)| name.starts_with("AWS_"));
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["local", "--port", "0", "--data", folder.path().to_str().unwrap()];
    let first = LocalProcess::spawn(&mut command(&arguments, &elsewhere));
    failed(&run(&arguments, &elsewhere), &["is in use by another running server"]);
    // What it left there alone are its variables.
    assert_eq!(json(&run(&["models", "list", "--json"], &first.environment))["models"], serde_json::json!([]));

    // Stores of its own have neither the key pair nor the places of those.
    assert_eq!(first.end("TERM").status, Some(0));
    let own = LocalProcess::start(&arguments[3..]);
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3"] {
        assert_ne!(own.variable(name), stores.variable(name), "{name}");
    }
    let secret = own.variable("AWS_SECRET_ACCESS_KEY").to_owned();
    assert_eq!(own.end("TERM").status, Some(0));
    assert_eq!(LocalProcess::start(&arguments[3..]).variable("AWS_SECRET_ACCESS_KEY"), secret, "its own is kept");
}

#[test]
fn a_snapshot_does_not_mix_with_what_an_upload_left() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalProcess::start(&["--data", folder.path().to_str().unwrap()]);
    let left = folder.path().join(format!("s3/objects/fulcrum/snapshots/org_local/{ID}/1/exposures/left.csv"));
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "anonymous_id,timestamp,variant\n").unwrap();
    let snapshot = tempfile::tempdir().unwrap();
    for (name, text) in data::exposures_and_rewards() {
        let path = snapshot.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // There is no optimization of this id that the files could be checked for.
    let files = snapshot.path().to_str().unwrap();
    let put = ["snapshots", "put", ID, files, "--snapshot-id", "1", "--no-check", "--json"];
    failed(&run(&put, &local.environment), &["an interrupted upload: exposures/left.csv;", "--snapshot-id"]);
    let list = || json(&run(&["snapshots", "list", ID, "--json"], &local.environment))["snapshots"][0].clone();
    assert_eq!((&list()["complete"], &list()["objects"]), (&false.into(), &1.into()), "nothing was added");
    fs::remove_file(&left).unwrap();
    assert_eq!(json(&run(&put, &local.environment))["objects"], 2);
    assert_eq!((&list()["complete"], &list()["objects"]), (&true.into(), &2.into()));
}
