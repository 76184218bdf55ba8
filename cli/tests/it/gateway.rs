//! The gateway on its port: whatever is sent, an answer in the envelope, and the server goes on.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::TestServer;

/// Sends bytes as they are and returns all that comes back.
async fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
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
