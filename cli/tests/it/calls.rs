//! How many storage calls a request makes.

use std::collections::BTreeMap;

use fulcrum::local::gateway::dispatch;
use fulcrum_core::storage_calls::StorageCalls;
use serde_json::Value;

use crate::data;
use crate::harness::{Reply, TestServer, request};

async fn count(server: &TestServer, method: &str, path: &str, body: Option<&Value>) -> (Reply, BTreeMap<String, u64>) {
    let calls = StorageCalls::default();
    let answer = calls.count(dispatch(&server.app, request(method, path, &server.key, body))).await;
    (Reply::of(answer), calls.so_far())
}

fn expected(calls: &[(&str, u64)]) -> BTreeMap<String, u64> {
    calls.iter().map(|(call, n)| ((*call).to_owned(), *n)).collect()
}

#[tokio::test]
async fn no_request_makes_more_calls_than_it_needs() {
    let server = TestServer::start().await;
    let (made, calls) = count(&server, "POST", "/api/v2/models", Some(&data::cmab())).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 1), ("DynamoDB.TransactWriteItems", 1)]));
    let (id, optimization) = (made.text("/id"), made.text("/optimization_id"));
    let path = format!("/api/v2/models/{id}");

    let (_, calls) = count(&server, "GET", "/api/v2/models", None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 1), ("DynamoDB.Query", 1)]));
    let (_, calls) = count(&server, "GET", &path, None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 2)]));

    server.snapshot(&optimization, "1", &data::cells()).await;
    let (trained, calls) = count(&server, "POST", &format!("{path}/train"), None).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
    insta::assert_json_snapshot!("calls_of_training", calls);
    let (state, calls) = count(&server, "GET", &format!("{path}/state"), None).await;
    assert_eq!(state.status, 200, "{}", state.body);
    insta::assert_json_snapshot!("calls_of_state", calls);

    // Authentication, the model and its optimization; and the versions and what was in force when.
    let (_, calls) = count(&server, "GET", &format!("{path}/posteriors"), None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 3), ("DynamoDB.Query", 2)]));
    let (_, calls) = count(&server, "GET", &format!("/api/v2/optimizations/{optimization}/history"), None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 2), ("DynamoDB.Query", 1)]));

    // The optimization says how what is archived was served.
    let (_, calls) = count(&server, "DELETE", &path, None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 3), ("DynamoDB.TransactWriteItems", 1)]));
    let (_, calls) = count(&server, "DELETE", &path, None).await;
    assert_eq!(calls, expected(&[("DynamoDB.GetItem", 2)]), "deleting again writes nothing");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_that_is_refused_early_makes_no_call() {
    let server = TestServer::start().await;
    for (method, path, status) in [("GET", "/nowhere", 404), ("PUT", "/api/v2/models", 405)] {
        let (reply, calls) = count(&server, method, path, None).await;
        assert_eq!((reply.status, calls), (status, BTreeMap::new()), "{method} {path}");
    }
    let calls = StorageCalls::default();
    let bad = request("GET", "/api/v2/models", "flk_short", None);
    let reply = Reply::of(calls.count(dispatch(&server.app, bad)).await);
    assert_eq!((reply.status, calls.so_far()), (401, BTreeMap::new()));
    server.shutdown().await;
}
