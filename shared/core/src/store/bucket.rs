//! The bucket: snapshots in, posteriors out.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::error::{StoreError, sort};

/// The one bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotListing {
    /// Its id.
    pub id: String,
    /// Its objects: key from the snapshot's own prefix on, and size in bytes.
    pub objects: Vec<(String, u64)>,
}

/// The prefix under which the snapshots of an optimization lie.
#[must_use]
pub fn snapshots_prefix(organization: &str, optimization: &str) -> String {
    format!("snapshots/{organization}/{optimization}/")
}

/// The key of a posterior.
#[must_use]
pub fn posterior_key(organization: &str, model: &str, version: u64) -> String {
    format!("posteriors/{organization}/{model}/{version}.safetensors")
}

impl Bucket {
    /// The bucket of a name, behind a client.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the bucket if it is missing.
    ///
    /// # Errors
    /// [`StoreError`] if it is neither there nor can be made.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        if self.client.head_bucket().bucket(&self.name).send().await.is_ok() {
            return Ok(());
        }
        match self.client.create_bucket().bucket(&self.name).send().await {
            Ok(_) => Ok(()),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_bucket_already_owned_by_you()) => Ok(()),
            Err(e) => Err(sort("CreateBucket", &e)),
        }
    }

    /// The ids of the snapshots under a prefix, complete or not, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot_ids(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).delimiter("/");
        let mut pages = list.into_paginator().send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| sort("ListObjectsV2", &e))?;
            let names =
                page.common_prefixes().iter().filter_map(|p| p.prefix()?.strip_prefix(prefix)?.strip_suffix('/'));
            ids.extend(names.map(str::to_owned));
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Whether a snapshot is complete.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_complete(&self, prefix: &str, id: &str) -> Result<bool, StoreError> {
        let key = format!("{prefix}{id}/_SUCCESS");
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_not_found()) => Ok(false),
            Err(e) => Err(sort("HeadObject", &e)),
        }
    }

    /// The latest complete snapshot under a prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn latest_snapshot(&self, prefix: &str) -> Result<Option<SnapshotListing>, StoreError> {
        for id in self.snapshot_ids(prefix).await? {
            if self.is_complete(prefix, &id).await? {
                let objects = self.list(&format!("{prefix}{id}/")).await?;
                return Ok(Some(SnapshotListing { id, objects }));
            }
        }
        Ok(None)
    }

    /// All objects under a prefix: key from the prefix on, and size in bytes; in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| sort("ListObjectsV2", &e))?;
            for object in page.contents() {
                let key = object.key().and_then(|k| k.strip_prefix(prefix));
                if let Some(key) = key {
                    objects.push((key.to_owned(), u64::try_from(object.size().unwrap_or(0)).unwrap_or(0)));
                }
            }
        }
        objects.sort_unstable();
        Ok(objects)
    }

    /// Reads a range of bytes of an object, the end not included.
    ///
    /// # Errors
    /// [`StoreError`], also where the object is missing.
    pub async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let span = format!("bytes={}-{}", range.start, range.end - 1);
        let sent = self.client.get_object().bucket(&self.name).key(key).range(span).send().await;
        let body = sent.map_err(|e| sort("GetObject", &e))?.body;
        let collected = body
            .collect()
            .await
            .map_err(|e| StoreError::Unavailable { operation: "GetObject", cause: format!("{key}: {e}") })?;
        Ok(collected.into_bytes())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreError`], also where the object is missing.
    pub async fn read_all(&self, key: &str) -> Result<Bytes, StoreError> {
        let sent = self.client.get_object().bucket(&self.name).key(key).send().await;
        collect(key, sent.map_err(|e| sort("GetObject", &e))?.body).await
    }

    /// Writes an object that must not exist yet. `false`: it does, and is as it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let put = self.client.put_object().bucket(&self.name).key(key).if_none_match("*").body(ByteStream::from(bytes));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(e) if is_precondition(&e) => Ok(false),
            Err(e) => Err(sort("PutObject", &e)),
        }
    }

    /// Writes an object, whatever was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, key: &str, body: ByteStream) -> Result<(), StoreError> {
        let sent = self.client.put_object().bucket(&self.name).key(key).body(body).send().await;
        sent.map(drop).map_err(|e| sort("PutObject", &e))
    }
}

async fn collect(key: &str, body: ByteStream) -> Result<Bytes, StoreError> {
    let collected = body.collect().await;
    let collected =
        collected.map_err(|e| StoreError::Unavailable { operation: "GetObject", cause: format!("{key}: {e}") })?;
    Ok(collected.into_bytes())
}

fn is_precondition<E: ProvideErrorMetadata>(error: &aws_sdk_s3::error::SdkError<E>) -> bool {
    let status = error.raw_response().map(|r| r.status().as_u16());
    status == Some(412) || error.code() == Some("PreconditionFailed")
}
