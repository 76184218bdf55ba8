//! What is asked of a store that has neither table nor bucket, by a server that answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

use super::StoreError;
use crate::App;
use crate::config::Endpoints;
use crate::error::ApiError;

const REGION: &str = "eu-central-1";

/// Answers one request after the other with these statuses and bodies; its URL, and the requests with their bodies.
fn server(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    cutting_server(answers.into_iter().map(|(status, body)| (status, body, body.len())).collect())
}

/// The same, which says of each body how long it is, whatever it sends before it closes the connection.
fn cutting_server(answers: Vec<(u16, &'static str, usize)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |(status, body, said): (u16, &str, usize)| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut request).unwrap() > 0, "{request}");
        }
        let length =
            request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        reader.take(length.unwrap_or(0)).read_to_string(&mut request).unwrap();
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {said}\r\nconnection: close\r\n\r\n{body}").unwrap();
        request
    };
    (url, std::thread::spawn(move || answers.into_iter().map(answer).collect()))
}

fn app(url: &str) -> App {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    App::new(&config, &Endpoints { dynamodb: Some(url.to_owned()), s3: Some(url.to_owned()) }, "table", "bucket")
}

#[tokio::test]
async fn a_bucket_is_made_in_the_region_of_the_client() {
    let (url, asked) = server(vec![(404, ""), (200, "")]);
    app(&url).bucket.create_if_missing().await.unwrap();
    let asked = asked.join().unwrap();
    assert!(asked[0].starts_with("HEAD /bucket"), "{}", asked[0]);
    assert!(asked[1].starts_with("PUT /bucket"), "{}", asked[1]);
    assert!(asked[1].contains(&format!("<LocationConstraint>{REGION}</LocationConstraint>")), "{}", asked[1]);
}

#[tokio::test]
async fn a_table_is_waited_for() {
    let (url, asked) = server(vec![
        (400, r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "none"}"#),
        (200, r#"{"TableDescription": {"TableStatus": "CREATING"}}"#),
        (200, r#"{"Table": {"TableStatus": "CREATING"}}"#),
        (200, r#"{"Table": {"TableStatus": "ACTIVE"}}"#),
    ]);
    app(&url).table.create_if_missing().await.unwrap();
    let asked = asked.join().unwrap();
    let operations: Vec<&str> = asked
        .iter()
        .filter_map(|request| request.lines().find_map(|line| line.strip_prefix("x-amz-target: ")))
        .collect();
    let named =
        ["DescribeTable", "CreateTable", "DescribeTable", "DescribeTable"].map(|o| format!("DynamoDB_20120810.{o}"));
    assert_eq!(operations, named);
}

/// The parts of an object of ten bytes that a store sends, reading after reading.
async fn read_of(parts: &[&'static str]) -> (Result<bytes::Bytes, StoreError>, usize) {
    let (url, asked) = cutting_server(parts.iter().map(|part| (200, *part, 10)).collect());
    let read = app(&url).bucket.read_all("posteriors/o/m/1.safetensors").await;
    (read, asked.join().unwrap().len())
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_read_once_more() {
    let (read, asked) = read_of(&["01234", "0123456789"]).await;
    assert_eq!((read.unwrap().as_ref(), asked), (b"0123456789".as_slice(), 2));
}

#[tokio::test]
async fn a_body_that_is_cut_off_at_one_byte_twice_is_of_a_damaged_object() {
    let (read, asked) = read_of(&["01234", "01234"]).await;
    let Err(StoreError::Gone { operation: "GetObject", cause }) = read else { panic!("{read:?}") };
    assert!(cause.starts_with("posteriors/o/m/1.safetensors: cut off after 5 bytes: "), "{cause}");
    assert!(cause.ends_with(", time after time"), "{cause}");
    assert_eq!(asked, 2);
    // It is a fault, and no reason to come back.
    let error = ApiError::from(StoreError::Gone { operation: "GetObject", cause });
    assert_eq!(error.code(), "internal");
}

#[tokio::test]
async fn a_body_that_is_cut_off_here_and_there_is_of_a_bad_connection() {
    for (parts, bytes) in [(["01234", "012"], 3), (["012", "01234567"], 8)] {
        let (read, asked) = read_of(&parts).await;
        let Err(StoreError::Unavailable { cause, .. }) = &read else { panic!("{read:?}") };
        assert!(cause.contains(&format!("cut off after {bytes} bytes: ")), "{cause}");
        assert_eq!(asked, 2);
    }
    // Nothing at all may be a store that stops.
    let (read, asked) = read_of(&[""]).await;
    assert!(matches!(&read, Err(StoreError::Unavailable { .. })), "{read:?}");
    assert_eq!(asked, 1);
}
