//! Clients as `core` builds them, and what tests ask of their answers.

use aws_sdk_dynamodb as dynamodb;
use aws_sdk_s3 as s3;
use aws_smithy_http_client::Builder;
use embedded::{Credentials, ObjectCreated, Server, Storage, start_dynamodb, start_s3};
use s3::error::{ProvideErrorMetadata, SdkError};
use s3::operation::list_objects_v2::ListObjectsV2Output;
use s3::primitives::ByteStream;
use tokio::sync::mpsc::UnboundedReceiver;

pub const BUCKET: &str = "fulcrum-local";

pub fn credentials() -> Credentials {
    Credentials { access_key_id: "AKLOCAL".to_owned(), secret_access_key: "local/secret+key".to_owned() }
}

pub fn s3_client(url: &str, credentials: &Credentials) -> s3::Client {
    let config = s3::Config::builder()
        .behavior_version(s3::config::BehaviorVersion::latest())
        .region(s3::config::Region::new("us-east-1"))
        .endpoint_url(url)
        .force_path_style(true)
        .http_client(Builder::new().build_http())
        .credentials_provider(s3::config::Credentials::new(
            credentials.access_key_id.as_str(),
            credentials.secret_access_key.as_str(),
            None,
            None,
            "test",
        ))
        .build();
    s3::Client::from_conf(config)
}

pub fn dynamodb_client(url: &str, credentials: &Credentials) -> dynamodb::Client {
    let config = dynamodb::Config::builder()
        .behavior_version(dynamodb::config::BehaviorVersion::latest())
        .region(dynamodb::config::Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(Builder::new().build_http())
        .credentials_provider(dynamodb::config::Credentials::new(
            credentials.access_key_id.as_str(),
            credentials.secret_access_key.as_str(),
            None,
            None,
            "test",
        ))
        .build();
    dynamodb::Client::from_conf(config)
}

/// An ephemeral S3 with a bucket.
pub struct S3 {
    pub server: Server,
    pub client: s3::Client,
    pub created: UnboundedReceiver<ObjectCreated>,
}

impl S3 {
    pub async fn start(storage: &Storage) -> Self {
        let (sender, created) = tokio::sync::mpsc::unbounded_channel();
        let server = start_s3(storage, 0, &credentials(), Some(sender)).await.unwrap();
        let client = s3_client(server.url(), &credentials());
        Self { server, client, created }
    }

    pub async fn new() -> Self {
        let this = Self::start(&Storage::Ephemeral).await;
        this.client.create_bucket().bucket(BUCKET).send().await.unwrap();
        this
    }

    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> Result<String, String> {
        let body = ByteStream::from(body.into());
        let put = self.client.put_object().bucket(BUCKET).key(key).body(body).send().await;
        put.map(|put| put.e_tag.unwrap()).map_err(|error| code(&error))
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        match self.client.get_object().bucket(BUCKET).key(key).send().await {
            Ok(got) => Ok(got.body.collect().await.unwrap().into_bytes().into()),
            Err(error) => Err(code(&error)),
        }
    }

    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let pages = self.client.list_objects_v2().bucket(BUCKET).prefix(prefix).into_paginator().send();
        let pages = pages.try_collect().await.unwrap();
        pages.iter().flat_map(ListObjectsV2Output::contents).map(|object| object.key().unwrap().to_owned()).collect()
    }
}

/// The status and code of a refused request.
pub fn code<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata,
    R: Status,
    SdkError<E, R>: std::fmt::Debug,
{
    let status = error.raw_response().map(Status::status);
    match (status, error.as_service_error().and_then(ProvideErrorMetadata::code)) {
        (Some(status), Some(code)) => format!("{status} {code}"),
        (Some(status), None) => status.to_string(),
        _ => format!("no answer: {error:?}"),
    }
}

pub trait Status {
    fn status(&self) -> u16;
}

impl Status for s3::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

/// An ephemeral DynamoDB.
pub struct Dynamo {
    pub server: Server,
    pub client: dynamodb::Client,
}

impl Dynamo {
    pub async fn new() -> Self {
        let server = start_dynamodb(&Storage::Ephemeral, 0, &credentials()).await.unwrap();
        let client = dynamodb_client(server.url(), &credentials());
        Self { server, client }
    }
}
