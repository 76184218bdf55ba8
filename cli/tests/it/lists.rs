//! The list of models: order, pages, archived ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use fulcrum_core::App;
use serde_json::json;

use crate::data;
use crate::harness::{Reply, TestServer};

fn ids(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["models"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_newest_change_is_first_and_pages_follow_each_other() {
    let (server, clock) = TestServer::start_at("2026-11-23T19:00:00Z").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.model(&data::mab()).await.0);
        clock.advance(TimeDelta::seconds(1));
    }
    let mut newest_first = made.clone();
    newest_first.reverse();
    assert_eq!(ids(&server.call("GET", "/api/v2/models", None).await), newest_first);

    let mut paged = Vec::new();
    let mut path = "/api/v2/models?limit=2".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = server.call("GET", &path, None).await;
        sizes.push(ids(&page).len());
        paged.extend(ids(&page));
        let Some(cursor) = page.body["meta"]["next_cursor"].as_str() else { break };
        path = format!("/api/v2/models?limit=2&cursor={cursor}");
    }
    assert_eq!((paged, sizes), (newest_first.clone(), vec![2, 2, 1]));

    // A change moves a model to the front.
    server.train(&made[0]).await;
    newest_first.rotate_right(1);
    assert_eq!(ids(&server.call("GET", "/api/v2/models", None).await), newest_first);
    server.shutdown().await;
}

#[tokio::test]
async fn deleted_models_are_listed_only_when_asked_for() {
    let (server, clock) = TestServer::start_at("2026-11-23T19:00:00Z").await;
    let (kept, _) = server.model(&data::mab()).await;
    clock.advance(TimeDelta::seconds(1));
    let (deleted, _) = server.model(&data::mab()).await;
    clock.advance(TimeDelta::seconds(1));
    for _ in 0..2 {
        let reply = server.call("DELETE", &format!("/api/v2/models/{deleted}"), None).await;
        assert_eq!((reply.status, reply.text("/status")), (200, "archived".to_owned()));
    }
    let list = async |query: &str| ids(&server.call("GET", &format!("/api/v2/models{query}"), None).await);
    assert_eq!(list("").await, std::slice::from_ref(&kept));
    assert_eq!(list("?include_archived=false").await, std::slice::from_ref(&kept));
    assert_eq!(list("?include_archived=true").await, [deleted.clone(), kept.clone()]);
    // A page of one is full although the newest model is not to be seen.
    assert_eq!(list("?limit=1").await, [kept]);
    let optimizations = server.call("GET", "/api/v2/optimizations", None).await;
    assert_eq!(optimizations.body["optimizations"].as_array().map(Vec::len), Some(2), "{}", optimizations.body);
    server.shutdown().await;
}

/// More than one page of the store (1 MB), in one answer.
#[tokio::test]
async fn all_pages_of_the_store_are_followed() {
    let server = TestServer::start().await;
    let mut body = data::mab();
    let levels: Vec<String> = (0..50).map(|i| format!("{i:02}{}", "x".repeat(254))).collect();
    let factor = |i: usize| json!({"name": format!("f{i}"), "dtype": "str", "levels": levels});
    body["training_data_config"]["design_factors"] = json!([factor(0)]);
    body["training_data_config"]["excluded_combinations"] =
        json!(levels[1..41].iter().flat_map(|level| (0..4).map(move |_| json!({"f0": level}))).collect::<Vec<_>>());
    let bytes = body.to_string().len();
    let count = 1_200_000 / bytes + 1;
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(server.model(&body).await.0);
    }
    let mut listed = ids(&server.call("GET", "/api/v2/models", None).await);
    made.sort();
    listed.sort();
    assert_eq!(listed, made);
    server.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_would_grow_too_large_ends_early_and_says_where_to_go_on() {
    let server = TestServer::start_with(None, |app| App { answer_bytes: 5_000, ..app }).await;
    let mut body = data::mab();
    // As an answer travels inside JSON, each of these takes four bytes.
    body["training_data_config"]["design_factors"][0]["levels"] = json!(["\"".repeat(200), "B"]);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.model(&body).await.0);
    }
    let (mut listed, mut path, mut pages) = (Vec::new(), "/api/v2/models".to_owned(), 0);
    loop {
        let page = server.call("GET", &path, None).await;
        let travels = serde_json::to_string(&page.body["models"].to_string()).unwrap();
        assert!(travels.len() <= 5_000, "{}", travels.len());
        listed.extend(ids(&page));
        pages += 1;
        let Some(cursor) = page.body["meta"]["next_cursor"].as_str() else { break };
        path = format!("/api/v2/models?cursor={cursor}");
    }
    assert!((2..=5).contains(&pages), "{pages}");
    listed.sort();
    made.sort();
    assert_eq!(listed, made);
    server.shutdown().await;
}

#[tokio::test]
async fn a_cursor_is_one_that_we_gave() {
    let server = TestServer::start().await;
    let id = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";
    let ask = async |place: String| {
        let cursor = URL_SAFE_NO_PAD.encode(place);
        server.call("GET", &format!("/api/v2/models?cursor={cursor}"), None).await.status
    };
    assert_eq!(ask(format!("MODEL#001793491200000#{id}")).await, 200);
    for place in [
        "MODEL#".to_owned(),
        "MODEL#~".to_owned(),
        format!("MODEL#1793491200000#{id}"),
        format!("MODEL#+01793491200000#{id}"),
        format!("MODEL#001793491200000#{}", id.to_uppercase()),
        format!("MODEL#001793491200000#{id}#"),
        "MODEL#001793491200000".to_owned(),
        format!("OPTIMIZATION#001793491200000#{id}"),
    ] {
        assert_eq!(ask(place.clone()).await, 400, "{place}");
    }
    server.shutdown().await;
}
