//! A process that is killed in the middle of a training run.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use fulcrum::client::Client;
use lambda_http::http::Method;
use serde_json::json as value;

use crate::data;
use crate::process::{LocalProcess, command, json, run, run_with_input, trained};

/// Waits until the model is leased by the run that a process asked for; `false` where that ended before anybody looked.
async fn is_training(local: &LocalProcess, id: &str, run: &mut Child) -> bool {
    let client = Client::new(local.variable("FULCRUM_URL"), local.variable("FULCRUM_API_KEY")).unwrap();
    loop {
        let model = client.send(Method::GET, &format!("/api/v2/models/{id}"), None).await.unwrap();
        if model["status"] == "training" {
            return true;
        }
        if run.try_wait().unwrap().is_some() {
            return false;
        }
    }
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_a_model_that_serves_and_trains_again() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--data", folder.path().to_str().unwrap(), "--training-lease", "5"];
    let mut local = LocalProcess::start(&arguments);
    let (body, cells) = data::large();
    let made = run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body.to_string());
    let made = json(&made);
    let (id, optimization) = (made["id"].as_str().unwrap(), made["optimization_id"].as_str().unwrap());
    let snapshot = folder.path().join("snapshot");
    fs::create_dir_all(snapshot.join("cells")).unwrap();
    fs::write(snapshot.join("cells/part-0.jsonl"), cells).unwrap();
    let put = run(&["snapshots", "put", optimization, snapshot.to_str().unwrap()], &local.environment);
    assert_eq!(put.status, Some(0), "{put:?}");
    let train = ["models", "train", id, "--json"];
    let mut good = trained(&run(&train, &local.environment))["posterior_version"].clone();

    let mut killed_within = 0;
    for pause_ms in [0, 0, 50, 0, 0, 0, 0, 0] {
        if killed_within == 2 {
            break;
        }
        let mut asked = command(&train, &local.environment);
        let mut asked = asked.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let training = is_training(&local, id, &mut asked).await;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        local.end("KILL");
        if training && asked.try_wait().unwrap().is_none() {
            killed_within += 1;
        }
        // It would wait for the service to come back.
        asked.kill().unwrap();
        asked.wait().unwrap();

        local = LocalProcess::start(&arguments);
        let ask = |arguments: &[&str]| json(&run(&[arguments, &["--json"]].concat(), &local.environment));
        let model = &ask(&["models", "list"])["models"][0];
        assert_eq!((&model["id"], &model["last_error"]), (&value!(id), &value!(null)), "{model}");
        let version = &model["posterior_version"];
        assert!(version.as_u64() >= good.as_u64(), "{version} after {good}");
        assert_eq!(ask(&["models", "state", id])["posterior_version"], *version, "its last good posterior is told");
        let served = ask(&["serve", optimization, "--anonymous-id", "visitor"]);
        assert_eq!(served["posterior_version"], *version, "and serves: {served}");
        // The lease of the killed run expires, and the command waits for that.
        let answer = trained(&run(&train, &local.environment));
        // Just after a run that the snapshot began, a call takes that one's result.
        let joined = answer["joined"] == true && answer["posterior_version"] == *version;
        assert!(joined || answer["posterior_version"].as_u64() > version.as_u64(), "{answer} after {version}");
        good = answer["posterior_version"].clone();
    }
    assert!(killed_within > 0, "every run was over before it was killed");
}
