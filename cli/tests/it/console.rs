//! The console: its page and files, and the one-time code that signs a browser in.

use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::{CODE_TIME, HttpOptions, SESSION_PATH, SignIn, gateway::dispatch};
use fulcrum_core::{App, Body, Response};
use lambda_http::http::Request;
use serde_json::json;

use crate::harness::TestServer;
use crate::process::LocalProcess;

async fn get(app: &App, path: &str) -> Response<Body> {
    dispatch(app, Request::builder().uri(path).header("host", "localhost").body(Bytes::new()).unwrap()).await
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn the_page_names_files_that_may_be_kept_and_may_not_be_kept_itself() {
    let server = TestServer::start().await;
    let page = get(&server.app, "/console").await;
    assert_eq!((page.status().as_u16(), header(&page, "cache-control")), (200, "no-cache"));
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
    let html = std::str::from_utf8(page.body()).unwrap();
    let named: Vec<&str> = html.split('"').filter(|part| part.starts_with("/console/")).collect();
    let ends = [".js", ".css", ".svg"];
    assert!(ends.iter().all(|end| named.iter().any(|name| name.ends_with(end))), "{named:?}");
    for name in named {
        let file = get(&server.app, name).await;
        assert_eq!(file.status().as_u16(), 200, "{name}");
        assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
        assert!(!file.body().is_empty(), "{name}");
    }
    for unknown in
        ["/console/", "/console/index.html", "/console/nothing.js", "/console/a/b", "/console/..%2FCargo.toml"]
    {
        assert_eq!(get(&server.app, unknown).await.status().as_u16(), 404, "{unknown}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_only_by_the_services_own_pages() {
    let sign_in = SignIn::default();
    let options = HttpOptions { sign_in: sign_in.clone(), ..HttpOptions::default() };
    let server = TestServer::start_with_options(options).await;
    let now = server.app.clock.now();
    let post = async |body: String, headers: &[(&str, &str)]| server.send("POST", SESSION_PATH, headers, body).await;
    let of = |code: &str| json!({"code": code}).to_string();

    let code = sign_in.issue(&server.key, now).unwrap();
    let foreign = post(of(&code), &[("origin", "https://attacker.example")]).await;
    assert_eq!(foreign.status, 400, "{}", foreign.body);
    let first = post(of(&code), &[]).await;
    assert_eq!((first.status, first.text("/token")), (200, server.key.clone()), "{}", first.body);
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let second = post(of(&code), &[]).await;
    assert_eq!((second.status, second.text("/error/code")), (401, "unauthorized".to_owned()), "{}", second.body);
    assert!(second.text("/error/message").contains("this link has been used, or is older than 10 minutes"));

    let old = sign_in.issue(&server.key, now - CODE_TIME - TimeDelta::seconds(1)).unwrap();
    assert_eq!(post(of(&old), &[]).await.status, 401);
    for (body, status) in [
        (String::new(), 400),
        ("{}".to_owned(), 400),
        (r#"{"code": 1}"#.to_owned(), 400),
        (of(&"x".repeat(2_000)), 413),
    ] {
        let refused = post(body, &[]).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        assert!(!refused.text("/error/message").is_empty());
    }
    server.shutdown().await;
}

/// In the cloud there is no such endpoint: the gateway's own dispatch knows none.
#[tokio::test]
async fn the_cloud_exchanges_no_codes() {
    let server = TestServer::start().await;
    let request = Request::builder().method("POST").uri(SESSION_PATH).header("host", "localhost");
    let answer = dispatch(&server.app, request.body(Bytes::from_static(b"{\"code\": \"x\"}")).unwrap()).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET"));
    server.shutdown().await;
}

#[test]
fn a_local_service_prints_a_link_that_is_no_key() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let link = local.greeting.lines().find_map(|line| line.strip_prefix("Console")).unwrap().trim().to_owned();
    let (url, code) = link.split_once("/console#code=").unwrap();
    assert_eq!(url, local.variable("FULCRUM_URL"));
    assert!(code.len() == 43 && !local.variable("FULCRUM_API_KEY").contains(code), "{link}");
}
