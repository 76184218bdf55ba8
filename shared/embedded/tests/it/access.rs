//! Who gets an answer: requests signed with the key pair, for this machine, from no web page, and in time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_s3 as s3;
use embedded::{Place, Server, Storage, Timeouts, start_dynamodb, start_s3};
use s3::error::ProvideErrorMetadata;
use s3::presigning::PresigningConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clients::{BUCKET, Dynamo, S3, credentials, dynamodb_client, s3_client};
use crate::dynamodb::{TABLE, create_table, text};

/// Sends bytes as they are and returns all that comes back before the connection ends.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    read.expect("the server neither answers nor closes").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

fn scan(more: &str) -> String {
    let body = format!("{{\"TableName\": \"{TABLE}\"}}");
    format!(
        "POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.Scan\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n{body}",
        body.len()
    )
}

async fn with_an_item() -> Dynamo {
    let dynamo = Dynamo::new().await;
    create_table(&dynamo.client).await;
    let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("secret-item"));
    put.send().await.unwrap();
    dynamo
}

/// What a page of another site can send without a preflight, and what it can dress up as a signature.
#[tokio::test]
async fn a_web_page_reads_no_table() {
    let dynamo = with_an_item().await;
    let page = "host: 127.0.0.1\r\norigin: https://attacker.example\r\n";
    let forged = "authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=x\r\nx-amz-date: 20260101T000000Z\r\n";
    for (headers, expected) in [
        (format!("{page}content-type: application/x-amz-json-1.0\r\n{forged}"), 403),
        (format!("{page}content-type: text/plain\r\n"), 403),
        // The same without the browser's header, as a rebound name has it.
        (format!("host: attacker.example\r\ncontent-type: application/x-amz-json-1.0\r\n{forged}"), 403),
        (format!("host: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n{forged}"), 400),
        ("host: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n".to_owned(), 400),
    ] {
        let answer = raw(&dynamo.server, scan(&headers).as_bytes()).await;
        assert_eq!(status(&answer), expected, "{headers}: {answer}");
        assert!(!answer.contains("secret-item") && !answer.contains("access-control"), "{headers}: {answer}");
    }
}

#[tokio::test]
async fn no_preflight_is_answered() {
    let (dynamo, s3) = (Dynamo::new().await, S3::new().await);
    for server in [&dynamo.server, &s3.server] {
        for origin in ["", "origin: https://attacker.example\r\n"] {
            let preflight = format!(
                "OPTIONS / HTTP/1.1\r\nhost: localhost\r\n{origin}access-control-request-method: POST\r\n\
                 access-control-request-headers: x-amz-target\r\nconnection: close\r\n\r\n"
            );
            let answer = raw(server, preflight.as_bytes()).await;
            assert!(status(&answer) >= 400, "{answer}");
            assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
        }
    }
}

#[tokio::test]
async fn tables_are_for_the_key_pair_alone() {
    let dynamo = with_an_item().await;
    let url = dynamo.server.url();
    let code = async |change: fn(&mut embedded::Credentials)| {
        let mut pair = credentials();
        change(&mut pair);
        let refused = dynamodb_client(url, &pair).list_tables().send().await.unwrap_err().into_service_error();
        refused.code().unwrap_or_default().to_owned()
    };
    assert_eq!(code(|pair| pair.secret_access_key.push('x')).await, "InvalidSignatureException");
    assert_eq!(code(|pair| pair.access_key_id.push('x')).await, "UnrecognizedClientException");
    assert_eq!(dynamo.client.list_tables().send().await.unwrap().table_names(), [TABLE]);
}

/// A request that was signed, with another body, another operation, or sent a second time later on.
#[tokio::test]
async fn a_signature_is_for_one_request() {
    let dynamo = with_an_item().await;
    let request =
        |change: fn(&mut HttpRequest)| dynamo.client.list_tables().customize().interceptor(AfterSigning(change)).send();
    request(|_| {}).await.unwrap();
    request(|request| {
        request.headers_mut().insert("x-not-signed", "is no part of it");
    })
    .await
    .unwrap();
    let changes: [fn(&mut HttpRequest); 3] = [
        |request| *request.body_mut() = "{\"Limit\": 1}".into(),
        |request| {
            request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.Scan");
        },
        |request| {
            request.headers_mut().remove("x-amz-target");
        },
    ];
    for change in changes {
        let refused = request(change).await.unwrap_err().into_service_error();
        assert_eq!(refused.code(), Some("InvalidSignatureException"), "{refused:?}");
    }
}

/// Looks at a request after it was signed, and may change it.
struct AfterSigning<F>(F);

impl<F> std::fmt::Debug for AfterSigning<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AfterSigning")
    }
}

impl<F: Fn(&mut HttpRequest) + Send + Sync> Intercept for AfterSigning<F> {
    fn name(&self) -> &'static str {
        "AfterSigning"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        (self.0)(context.request_mut());
        Ok(())
    }
}

/// With a good signature, and yet from a page or for another machine.
#[tokio::test]
async fn a_signed_request_names_this_machine_and_comes_from_no_page() {
    let (dynamo, s3) = (with_an_item().await, S3::new().await);
    s3.put("k", "x").await.unwrap();
    for (name, value, served) in [
        ("origin", "https://attacker.example", false),
        ("origin", "http://127.0.0.1", false),
        ("origin", "null", false),
        ("host", "attacker.example", false),
        ("host", "localhost.attacker.example:80", false),
        ("host", "localhost:1234", true),
        ("host", "host.docker.internal:3001", true),
        ("host", "127.0.0.9", true),
        ("host", "[::1]:80", true),
    ] {
        let list = dynamo.client.list_tables().customize().mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        });
        assert_eq!(list.send().await.is_ok(), served, "{name}: {value}");
        let get = s3.client.get_object().bucket(BUCKET).key("k").customize().mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        });
        assert_eq!(get.send().await.is_ok(), served, "S3, {name}: {value}");
    }
}

#[tokio::test]
async fn more_names_can_be_allowed() {
    let place = Place::from(0).with_hosts(["my.laptop".to_owned()]);
    let server = start_dynamodb(&Storage::Ephemeral, place, &credentials()).await.unwrap();
    for (host, served) in [("my.laptop:3001", true), ("their.laptop:3001", false)] {
        let client = dynamodb_client(server.url(), &credentials());
        let list = client.list_tables().customize().mutate_request(move |request| {
            request.headers_mut().insert("host", host);
        });
        assert_eq!(list.send().await.is_ok(), served, "{host}");
    }
}

#[tokio::test]
async fn a_presigned_url_is_good_for_its_object_and_its_time() {
    let s3 = S3::new().await;
    s3.put("k", "content").await.unwrap();
    let signed = async |client: &s3::Client, start: SystemTime| {
        let config = PresigningConfig::builder().start_time(start).expires_in(Duration::from_mins(1)).build().unwrap();
        let signed = client.get_object().bucket(BUCKET).key("k").presigned(config).await.unwrap();
        let path = signed.uri().trim_start_matches(s3.server.url()).to_owned();
        format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            s3.server.url().trim_start_matches("http://")
        )
    };
    let now = SystemTime::now();
    let good = signed(&s3.client, now).await;
    assert!(raw(&s3.server, good.as_bytes()).await.ends_with("content"));
    let mut wrong = credentials();
    wrong.secret_access_key.push('x');
    for (bad, why) in [
        (good.replace("/k?", "/another?"), "another object"),
        (good.replace("GET", "DELETE"), "another method"),
        (signed(&s3.client, now - Duration::from_mins(2)).await, "too late"),
        (signed(&s3.client, now + Duration::from_hours(1)).await, "too early"),
        (signed(&s3_client(s3.server.url(), &wrong), now).await, "another secret"),
    ] {
        let answer = raw(&s3.server, bad.as_bytes()).await;
        assert_eq!(status(&answer), 403, "{why}: {answer}");
    }
    assert_eq!(s3.get("k").await.unwrap(), b"content");
}

/// Half a head, a head without its body, a body that drips: each connection ends by itself.
#[tokio::test]
async fn slow_requests_end() {
    let timeouts = Timeouts { head: Duration::from_millis(300), body: Duration::from_millis(300) };
    let place = || Place::from(0).with_timeouts(timeouts);
    let tables = start_dynamodb(&Storage::Ephemeral, place(), &credentials()).await.unwrap();
    let objects = start_s3(&Storage::Ephemeral, place(), &credentials(), None).await.unwrap();
    for server in [&tables, &objects] {
        for half in ["", "POST / HT", "POST / HTTP/1.1\r\nhost: localhost\r\n"] {
            let started = Instant::now();
            raw(server, half.as_bytes()).await;
            assert!(started.elapsed() < Duration::from_secs(5), "{half:?} took {:?}", started.elapsed());
        }
    }
    // Signed, so that the body is waited for, of which only a part comes.
    let head = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&head);
    let look = AfterSigning(move |request: &mut HttpRequest| {
        let lines = request.headers().iter().filter(|(name, _)| *name != "content-length");
        let lines: Vec<String> = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        *seen.lock().unwrap() = lines.concat();
    });
    dynamodb_client(tables.url(), &credentials()).list_tables().customize().interceptor(look).send().await.unwrap();
    let head = head.lock().unwrap().clone();
    let address = tables.url().trim_start_matches("http://");
    let request = format!("POST / HTTP/1.1\r\nhost: {address}\r\n{head}content-length: 1000\r\n\r\n{{");
    let answer = raw(&tables, request.as_bytes()).await;
    assert_eq!(status(&answer), 408, "{answer}");

    let client = s3_client(objects.url(), &credentials());
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let put = client.put_object().bucket(BUCKET).key("k");
    let put = put.presigned(PresigningConfig::expires_in(Duration::from_mins(1)).unwrap()).await.unwrap();
    let path = put.uri().trim_start_matches(objects.url());
    let address = objects.url().trim_start_matches("http://");
    let request = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000\r\n\r\nhalf");
    let answer = raw(&objects, request.as_bytes()).await;
    assert!(status(&answer) >= 400, "{answer}");
    let keys = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(keys.key_count(), Some(0));
}
