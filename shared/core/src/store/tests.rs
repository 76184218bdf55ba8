//! What is asked of a store that has neither table nor bucket, by a server that answers as it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

use crate::App;
use crate::config::Endpoints;

const REGION: &str = "eu-central-1";

/// Answers one request after the other with these statuses and bodies; its URL, and the requests with their bodies.
fn server(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |(status, body): (u16, &str)| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut request).unwrap() > 0, "{request}");
        }
        let length =
            request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        reader.take(length.unwrap_or(0)).read_to_string(&mut request).unwrap();
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
            .unwrap();
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
