use fulcrum_core::http::ROUTES;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn made(method: &str, target: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Result<(&'static str, Value), ApiError> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::copy_from_slice(body)).unwrap();
    event("0123", CLIENT, "2026-11-23T19:00:01Z".parse().unwrap(), &request)
}

fn converted(event: &Value) -> Request {
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

#[test]
fn every_route_has_its_function() {
    for route in ROUTES {
        assert!(FUNCTIONS.contains(&route.function), "{} has no handler", route.function);
    }
    for function in FUNCTIONS {
        assert!(ROUTES.iter().any(|route| route.function == *function), "{function} has no route");
    }
}

#[test]
fn the_event_is_the_gateways() {
    let (function, event) = made(
        "GET",
        "/api/v2/models/4754cae0-9a5d-4691-91af-6d15ccc1f82e?a=1&b=x%20y&a=2",
        &[
            ("Host", b"127.0.0.1:3000"),
            ("User-Agent", b"curl/8"),
            ("X-A", b"1"),
            ("X-A", b"2"),
            ("Cookie", b"a=b; c=d"),
        ],
        b"",
    )
    .unwrap();
    assert_eq!(function, "get-model");
    insta::assert_json_snapshot!(event);
}

#[test]
fn the_function_sees_what_was_sent() {
    use lambda_http::RequestExt as _;
    let (_, event) = made(
        "POST",
        "/api/v2/models/a%2Fb%20c/train?x=1",
        &[("Host", b"localhost:3000"), ("Content-Type", b"application/json; charset=utf-8")],
        "{\"ä\": 1}".as_bytes(),
    )
    .unwrap();
    let request = converted(&event);
    assert_eq!(request.path_parameters().first("id"), Some("a/b c"));
    assert_eq!(request.raw_http_path(), "/api/v2/models/a%2Fb%20c/train");
    assert_eq!(request.query_string_parameters().first("x"), Some("1"));
    assert!(matches!(request.body(), Body::Text(text) if text == "{\"ä\": 1}"));
    assert_eq!(fulcrum_core::http::request_id(&request), "req_0123");
}

#[test]
fn a_body_that_is_no_text_travels_in_base64() {
    for (content_type, body, binary) in [
        (&b"application/octet-stream"[..], &b"{}"[..], true),
        (b"application/json", b"\xff\xfe", true),
        (b"text/plain", b"{}", false),
        (b"application/json", b"{}", false),
        (b"", b"{}", true),
    ] {
        let (_, event) = made("POST", "/api/v2/models", &[("Content-Type", content_type)], body).unwrap();
        assert_eq!(event["isBase64Encoded"], binary, "{event}");
        let request = converted(&event);
        assert_eq!(request.body().as_ref(), body);
    }
    let (_, event) = made("POST", "/api/v2/models", &[], b"").unwrap();
    assert_eq!(event["isBase64Encoded"], false);
    assert!(event.get("body").is_none());
}

#[test]
fn odd_requests_become_events_or_errors_but_never_panics() {
    let long = format!("/{}", "a".repeat(TARGET_LIMIT + 1));
    let long_unicode = format!("/{}", "%C3%A4".repeat(1300));
    let targets = [
        "/",
        "//",
        "///api//v2/models",
        "/%",
        "/%f",
        "/%ff",
        "/%00",
        "/%2e%2e/%2e%2e",
        "/../..",
        "/\\",
        "/a|b",
        "/{id}",
        "/api/v2/models/%ff%fe",
        "/api/v2/models/%00",
        "/?",
        "/?&&==&%ff=%zz",
        "/?a=%",
        "/#x",
        "*",
        "/:80",
        "/@x",
        "http://[::1]:80/api/v2/models",
        "http://a:b@c/d",
        "example.org:443",
        "/ä/ö?ü=ß",
        &long,
        &long_unicode,
    ];
    let hosts: [&[u8]; 14] = [
        b"", b" ", b":", b":80", b"a:b", b"a b", b"\xff", b"[::1]", b"[::1", b"a/b?c#d", b"%", b"a:99999", b"x@y", b"-",
    ];
    let forwarded: [&[u8]; 4] = [b"", b"\xff\xff", b"ht tp", b"javascript"];
    let mut events = 0;
    for method in ["GET", "POST", "OPTIONS", "CONNECT", "PROPFIND"] {
        for target in targets {
            let Ok(uri) = target.parse::<http::Uri>() else { continue };
            for host in hosts {
                for proto in forwarded {
                    let request = http::Request::builder()
                        .method(method)
                        .uri(uri.clone())
                        .header("host", host)
                        .header("x-forwarded-proto", proto)
                        .header("x-odd", b"\xff\x80\t \"".as_slice())
                        .header("cookie", b"\xff; ".as_slice())
                        .body(Bytes::from_static(b"\xff"));
                    let Ok(request) = request else { continue };
                    if let Ok((_, event)) = event("0", CLIENT, chrono::DateTime::UNIX_EPOCH, &request) {
                        let _ = converted(&event);
                        events += 1;
                    }
                }
            }
        }
    }
    assert!(events > 1000, "only {events} events were made");
}

#[test]
fn what_is_too_large_is_refused() {
    let long = format!("/{}", "a".repeat(TARGET_LIMIT + 1));
    assert!(matches!(made("GET", &long, &[], b""), Err(ApiError::InvalidRequest { .. })));
    let big = vec![b'x'; BODY_LIMIT + 1];
    assert!(matches!(made("POST", "/api/v2/models", &[], &big), Err(ApiError::PayloadTooLarge { .. })));
}

#[test]
fn a_path_is_known_by_its_route_alone() {
    assert_eq!(route_key("GET", "/api/v2/models/somebody"), "GET /api/v2/models/{id}");
    for (method, path) in [("GET", "/somebody@example.com"), ("PUT", "/api/v2/models/somebody"), ("GET", "*")] {
        assert_eq!(route_key(method, path), "$default", "{method} {path}");
    }
}
