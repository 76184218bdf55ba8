//! The gateway on its port: whatever is sent, an answer in the envelope, and the server goes on.

use std::time::{Duration, Instant};

use embedded::Timeouts;
use fulcrum::local::HttpOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::TestServer;

/// Sends bytes as they are and returns all that comes back.
async fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    read.expect("the server neither answers nor closes").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn odd_requests_get_the_envelope_and_do_no_harm() {
    let server = TestServer::start().await;
    let long = format!("/{}", "a".repeat(20_000));
    for target in [
        "/",
        "//",
        "//api/v2/models",
        "/%",
        "/%ff",
        "/%00",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../../etc",
        "/api/v2/models/%ff",
        "/api/v2/models/%00",
        "/api/v2/models/%2F",
        "/api/v2/models?%ff=%zz&&=",
        "/ä/ö?ü=ß",
        "*",
        &long,
    ] {
        for host in ["Host: localhost\r\n", "", "Host: \r\n", "Host: a b\r\n", "Host: [::1\r\n", "Host: a:99999\r\n"] {
            let answer =
                raw(&server, format!("GET {target} HTTP/1.1\r\n{host}Connection: close\r\n\r\n").as_bytes()).await;
            let status: u16 =
                answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"));
            assert!((400..500).contains(&status), "{target} {host}: {answer}");
            assert!(answer.contains("{\"error\":{\"code\":"), "{target} {host}: {answer}");
            assert!(answer.contains("\"request_id\":\"req_"), "{target} {host}: {answer}");
        }
    }
    assert_eq!(server.call("GET", "/api/v2/models", None).await.status, 200, "the server is gone");
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_http_closes_its_connection_only() {
    let server = TestServer::start().await;
    for bytes in
        [&b"\x16\x03\x01\x00\xff\xff\xff"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\0\0\r\n\r\n"]
    {
        let _ = raw(&server, bytes).await;
    }
    assert_eq!(server.call("GET", "/api/v2/models", None).await.status, 200, "the server is gone");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_id_is_fresh_for_every_request() {
    let server = TestServer::start().await;
    let one = server.call("GET", "/api/v2/models", None).await.text("/meta/request_id");
    let two = server.call("GET", "/api/v2/models", None).await.text("/meta/request_id");
    assert!(one.starts_with("req_") && one.len() == 36, "{one}");
    assert_ne!(one, two);
    server.shutdown().await;
}

/// A request with its head as given, on a connection that ends after it.
fn head(line: &str, headers: &[&str]) -> Vec<u8> {
    let lines = headers.iter().map(|header| [header, "\r\n"].concat()).collect::<Vec<_>>().concat();
    format!("{line} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n").into_bytes()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn only_names_of_this_machine_are_answered() {
    let server = TestServer::start().await;
    let token = format!("authorization: Bearer {}", server.key);
    for (host, expected) in [
        ("host: localhost:3000", 200),
        ("host: 127.0.0.1", 200),
        ("host: host.docker.internal:3000", 200),
        ("host: attacker.example", 400),
        ("host: localhost.attacker.example", 400),
        ("host: 10.1.2.3", 400),
        ("x-forwarded-host: localhost", 400),
    ] {
        let answer = raw(&server, &head("GET /api/v2/models", &[host, &token])).await;
        assert_eq!(status(&answer), expected, "{host}: {answer}");
    }
    let answer = raw(&server, &head("GET http://attacker.example/api/v2/models", &["host: localhost", &token])).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("attacker.example") && answer.contains("--allow-host"), "{answer}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_page_of_another_origin_reaches_the_serving_routes_alone() {
    let server = TestServer::start().await;
    let (_, optimization) = server.model(&crate::data::mab()).await;
    let token = format!("authorization: Bearer {}", server.key);
    let (host, page) = ("host: localhost:3000", "origin: https://page.example");
    let ask = ["access-control-request-method: POST", "access-control-request-headers: content-type"];
    let serving = format!("/api/v2/optimizations/{optimization}/serve");
    let policy = format!("/api/v2/optimizations/{optimization}/policy");
    for path in [serving.as_str(), &policy, "/api/v2/optimizations/best-variant"] {
        let answer = raw(&server, &head(&format!("OPTIONS {path}"), &[host, page, ask[0], ask[1]])).await;
        assert_eq!(status(&answer), 204, "{path}: {answer}");
        for header in [
            "access-control-allow-origin: *",
            "access-control-allow-methods: GET, POST",
            "access-control-allow-headers: content-type, if-none-match",
            "access-control-max-age: 86400",
        ] {
            assert!(answer.contains(header), "{path}: {answer}");
        }
    }
    let one = format!("/api/v2/optimizations/{optimization}");
    for path in ["/api/v2/models", &one, "/", &format!("{serving}/"), "/api/v2/optimizations"] {
        for method in ["OPTIONS", "GET", "POST", "DELETE"] {
            let answer = raw(&server, &head(&format!("{method} {path}"), &[host, page, ask[0], &token])).await;
            assert_eq!(status(&answer), 400, "{method} {path}: {answer}");
            assert!(answer.contains("page.example") && !answer.contains("access-control"), "{method} {path}: {answer}");
        }
    }
    // The policy of a model that was never trained is an error, and a page reads that too.
    let answer = raw(&server, &head(&format!("GET {policy}"), &[host, page])).await;
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
    assert!(answer.contains("access-control-expose-headers: age, etag, retry-after\r\n"), "{answer}");
    // No page, no headers for one; and a page of the service's own is none of another origin.
    let answer = raw(&server, &head(&format!("GET {policy}"), &[host])).await;
    assert!(!answer.contains("access-control"), "{answer}");
    let own = ["origin: http://localhost:3000", host, &token];
    assert_eq!(status(&raw(&server, &head("GET /api/v2/models", &own)).await), 200);
    server.shutdown().await;
}

#[tokio::test]
async fn a_body_is_read_after_its_sender_is_known() {
    let server = TestServer::start().await;
    // None of the body ever comes; whoever waits for it answers after 30 s.
    for (line, token, expected) in [
        ("POST /api/v2/models", "x-none: 1".to_owned(), 401),
        ("POST /api/v2/models", format!("authorization: Bearer flk_{}", "A".repeat(43)), 401),
        ("POST /nowhere", format!("authorization: Bearer {}", server.key), 404),
        ("PUT /api/v2/models", format!("authorization: Bearer {}", server.key), 405),
    ] {
        let address = server.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = head(line, &["host: localhost", &token, "content-length: 1000000"]);
        stream.write_all(&head).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut answer)).await;
        let read = read.expect("it waits for the body").unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert_eq!(status(&answer), expected, "{line}: {answer}");
        assert!(answer.contains("{\"error\":{\"code\":"), "{line}: {answer}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn slow_requests_end() {
    let timeouts = Timeouts { head: Duration::from_millis(300), body: Duration::from_millis(300) };
    let server = TestServer::start_with_options(HttpOptions { timeouts, ..HttpOptions::default() }).await;
    for half in ["", "GET /api", "GET /api/v2/models HTTP/1.1\r\nhost: localhost\r\n"] {
        let started = Instant::now();
        raw(&server, half.as_bytes()).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{half:?} took {:?}", started.elapsed());
    }
    let token = format!("authorization: Bearer {}", server.key);
    let mut request = head("POST /api/v2/models", &["host: localhost", &token, "content-length: 1000"]);
    request.extend_from_slice(b"{\"model_type\"");
    let answer = raw(&server, &request).await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("the body did not come within 0.3 s; 13 bytes did"), "{answer}");
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_refused_unread_has_the_envelope_too() {
    let server = TestServer::start().await;
    let many: Vec<String> = (0..200).map(|i| format!("x-{i}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("GET /{}", "a".repeat(70_000));
    for (request, expected) in [
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), 400),
        (b"G\x01T / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nhost localhost\r\n\r\n".to_vec(), 400),
        (head("GET /api/v2/models", &many), 431),
        (head(&long, &["host: localhost"]), 414),
        // Behind a request that is answered.
        (b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\nrubbish\r\n\r\n".to_vec(), 400),
    ] {
        let answer = raw(&server, &request).await;
        let start = answer.rfind("HTTP/1.1 ").unwrap();
        let (head, body) = answer[start..].split_once("\r\n\r\n").unwrap();
        assert_eq!(status(head), expected, "{answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
        assert_eq!(body["error"]["code"], "invalid_request", "{answer}");
        assert!(body["meta"]["request_id"].as_str().unwrap().starts_with("req_"), "{answer}");
    }
    server.shutdown().await;
}
