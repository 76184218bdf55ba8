//! The S3 bucket: snapshots in, posteriors out, training requests both ways.

use std::ops::Range;
use std::time::Duration;

use ::events::SnapshotManifest;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, EncodingType};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::Answer;
use super::error::{PAUSES, StoreError, sort};
use crate::error_chain::error_chain;

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
    /// The objects that are read in their place, where a manifest names them.
    pub manifest: Option<SnapshotManifest>,
}

/// One page of a listing.
struct Listed {
    objects: Vec<(String, u64)>,
    folders: Vec<String>,
    next: Option<String>,
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

/// The key of what the run that made a posterior measured, beside it.
#[must_use]
pub fn results_key(organization: &str, model: &str, version: u64) -> String {
    format!("posteriors/{organization}/{model}/{version}.results.json")
}

/// The key of the exposures that policies are valued on, beside what the same run measured.
#[must_use]
pub fn log_key(organization: &str, model: &str, version: u64) -> String {
    format!("posteriors/{organization}/{model}/{version}.log.json")
}

/// The key of the policies of a model's versions.
#[must_use]
pub fn policies_key(organization: &str, model: &str) -> String {
    format!("posteriors/{organization}/{model}/policies.bin")
}

/// The prefix under which training requests wait.
pub const REQUESTS: &str = "requests/";

/// The prefix under which it is noted, in the order of time, which of them wait for a run slot.
pub const WAITING: &str = "waiting/";

/// The key of a training request.
#[must_use]
pub fn request_key(organization: &str, model: &str, request: &str) -> String {
    format!("{REQUESTS}{organization}/{model}/{request}.json")
}

/// The prefix under which somebody asks for a compaction at once.
pub const FLUSHES: &str = "flushes/";

/// The key under which an organization asks for it.
#[must_use]
pub fn flush_key(organization: &str) -> String {
    format!("{FLUSHES}{organization}")
}

impl SnapshotListing {
    /// What its objects hold together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let listed = || self.objects.iter().map(|(_, bytes)| bytes).sum();
        self.manifest.as_ref().map_or_else(listed, SnapshotManifest::bytes)
    }
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

    /// Makes the bucket if it is missing, in the region of the client.
    ///
    /// # Errors
    /// [`StoreError`] if it is neither there nor can be made.
    #[must_use]
    pub fn create_if_missing(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.client.head_bucket().bucket(&self.name).send().await {
                Ok(_) => return Ok(()),
                Err(e) if e.as_service_error().is_none() => return Err(sort("HeadBucket", &e)),
                Err(_) => {}
            }
            let create = self.client.create_bucket().bucket(&self.name);
            match create.set_create_bucket_configuration(self.place()).send().await {
                Ok(_) => Ok(()),
                Err(e) if e.as_service_error().is_some_and(|e| e.is_bucket_already_owned_by_you()) => Ok(()),
                Err(e) => Err(sort("CreateBucket", &e)),
            }
        })
    }

    /// What S3 wants to be told of a region: nothing of its first one, the name of any other.
    fn place(&self) -> Option<CreateBucketConfiguration> {
        let region = self.client.config().region().map(|region| region.as_ref().to_owned());
        let elsewhere = region.filter(|region| region != "us-east-1");
        let place = |region: String| BucketLocationConstraint::from(region.as_str());
        elsewhere.map(|region| CreateBucketConfiguration::builder().location_constraint(place(region)).build())
    }

    /// The names of the folders under a prefix, in ascending order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (mut names, mut token) = (Vec::new(), None);
        loop {
            let page = self.page(prefix.to_owned(), Some("/"), token).await?;
            let folders = page.folders.iter().filter_map(|p| p.strip_prefix(prefix)?.strip_suffix('/'));
            names.extend(folders.map(str::to_owned));
            if page.next.is_none() {
                names.sort_unstable();
                return Ok(names);
            }
            token = page.next;
        }
    }

    /// The ids of the snapshots under a prefix, complete or not, newest first. Names that begin with `_` or `.` are none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot_ids(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut ids = self.folders(prefix).await?;
        ids.retain(|id| !id.starts_with(['_', '.']));
        ids.reverse();
        Ok(ids)
    }

    /// Whether a snapshot is complete.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use]
    pub fn is_complete(&self, prefix: &str, id: &str) -> Answer<'_, bool> {
        let key = format!("{prefix}{id}/_SUCCESS");
        Box::pin(async move {
            match self.client.head_object().bucket(&self.name).key(key).send().await {
                Ok(_) => Ok(true),
                Err(e) if e.as_service_error().is_some_and(|e| e.is_not_found()) => Ok(false),
                Err(e) => Err(sort("HeadObject", &e)),
            }
        })
    }

    /// The id of the latest complete snapshot under a prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn latest_snapshot_id(&self, prefix: &str) -> Result<Option<String>, StoreError> {
        for id in self.snapshot_ids(prefix).await? {
            if self.is_complete(prefix, &id).await? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The latest complete snapshot under a prefix.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn latest_snapshot(&self, prefix: &str) -> Result<Option<SnapshotListing>, StoreError> {
        let Some(id) = self.latest_snapshot_id(prefix).await? else { return Ok(None) };
        let objects = self.list(&format!("{prefix}{id}/")).await?;
        Ok(Some(SnapshotListing { id, objects, manifest: None }))
    }

    /// All objects under a prefix: key from the prefix on, and size in bytes; in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let (mut objects, mut token) = (Vec::new(), None);
        loop {
            let page = self.page(prefix.to_owned(), None, token).await?;
            let found =
                page.objects.iter().filter_map(|(key, size)| Some((key.strip_prefix(prefix)?.to_owned(), *size)));
            objects.extend(found);
            if page.next.is_none() {
                objects.sort_unstable();
                return Ok(objects);
            }
            token = page.next;
        }
    }

    /// The first objects under a prefix whose keys come after `after`: key, size in bytes and when it was written, in the order
    /// of their keys; `most` at the most, and no more than one page of S3's, which has 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use]
    pub fn list_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Answer<'_, Vec<(String, u64, DateTime<Utc>)>> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).encoding_type(EncodingType::Url);
        let list = list.set_start_after(after.map(str::to_owned)).max_keys(i32::try_from(most).unwrap_or(1_000));
        Box::pin(async move {
            let page = list.send().await.map_err(|e| sort("ListObjectsV2", &e))?;
            let encoded = page.encoding_type() == Some(&EncodingType::Url);
            let object = |object: &aws_sdk_s3::types::Object| {
                let key = object.key()?;
                let key = if encoded { decoded(key) } else { key.to_owned() };
                let modified = object.last_modified()?;
                let modified = DateTime::from_timestamp(modified.secs(), modified.subsec_nanos())?;
                let size = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
                Some((key, size, modified))
            };
            Ok(page.contents().iter().filter_map(object).collect())
        })
    }

    fn page(&self, prefix: String, delimiter: Option<&'static str>, token: Option<String>) -> Answer<'_, Listed> {
        Box::pin(async move {
            // A key may have characters that XML cannot hold: asked so, the store writes keys as URLs have them.
            let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).encoding_type(EncodingType::Url);
            let list = list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token);
            let page = list.send().await.map_err(|e| sort("ListObjectsV2", &e))?;
            let size = |bytes: Option<i64>| u64::try_from(bytes.unwrap_or(0)).unwrap_or(0);
            let encoded = page.encoding_type() == Some(&EncodingType::Url);
            let text = |text: &str| if encoded { decoded(text) } else { text.to_owned() };
            let objects = page.contents().iter().filter_map(|o| Some((text(o.key()?), size(o.size()))));
            let folders = page.common_prefixes().iter().filter_map(|p| p.prefix().map(text));
            Ok(Listed {
                objects: objects.collect(),
                folders: folders.collect(),
                next: page.next_continuation_token().map(str::to_owned),
            })
        })
    }

    /// Reads a range of bytes of an object, the end not included.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Gone`] where the object is missing, or is so short that it has none of these bytes.
    pub async fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.get(key.to_owned(), Some(format!("bytes={}-{}", range.start, range.end - 1))).await
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Gone`] where the object is missing.
    pub async fn read_all(&self, key: &str) -> Result<Bytes, StoreError> {
        self.get(key.to_owned(), None).await
    }

    /// Reads an object that may be missing. A body that is cut off is read once more.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use]
    pub fn read_if_there(&self, key: &str) -> Answer<'_, Option<Bytes>> {
        let key = key.to_owned();
        Box::pin(async move {
            let get = self.client.get_object().bucket(&self.name).key(&key);
            let mut again = true;
            loop {
                let found = match get.clone().send().await {
                    Ok(found) => found,
                    Err(e) if e.as_service_error().is_some_and(|e| e.is_no_such_key()) => return Ok(None),
                    Err(e) => return Err(sort("GetObject", &e)),
                };
                match collect(found.body).await {
                    Ok(bytes) => return Ok(Some(bytes)),
                    Err(_) if again => again = false,
                    Err((received, cut)) => {
                        let cause = format!("{key}: cut off after {received} bytes: {cut}");
                        return Err(StoreError::Unavailable { operation: "GetObject", cause });
                    }
                }
            }
        })
    }

    /// Deletes an object; one that is missing is deleted already.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use]
    pub fn delete(&self, key: &str) -> Answer<'_, ()> {
        let delete = self.client.delete_object().bucket(&self.name).key(key);
        Box::pin(async move { delete.send().await.map(drop).map_err(|e| sort("DeleteObject", &e)) })
    }

    /// Reads an object, or a range of it. A body that is cut off is read again; one that is cut off at the same byte is of an
    /// object that is damaged, and no later attempt will read more of it.
    fn get(&self, key: String, range: Option<String>) -> Answer<'_, Bytes> {
        Box::pin(async move {
            let get = self.client.get_object().bucket(&self.name).key(&key).set_range(range);
            let mut before = 0;
            loop {
                let answer = get.clone().send().await.map_err(|e| sort("GetObject", &e))?;
                let (received, cut) = match collect(answer.body).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(cut) => cut,
                };
                let cause = format!("{key}: cut off after {received} bytes: {cut}");
                if before > 0 && received == before {
                    return Err(StoreError::Gone {
                        operation: "GetObject",
                        cause: format!("{cause}, time after time"),
                    });
                }
                if before > 0 || received == 0 {
                    return Err(StoreError::Unavailable { operation: "GetObject", cause });
                }
                before = received;
            }
        })
    }

    /// Writes an object that must not exist yet. `false`: it does, and is as it was. A write that meets another one to the
    /// same key is tried again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_new(&self, key: &str, bytes: Bytes) -> Answer<'_, bool> {
        let key = key.to_owned();
        Box::pin(async move {
            for pause in PAUSES {
                match self.put_if_absent(&key, bytes.clone()).await {
                    Err(StoreError::Contended { .. }) => tokio::time::sleep(pause).await,
                    done => return done,
                }
            }
            self.put_if_absent(&key, bytes).await
        })
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let room = unhurried(bytes.len() as u64);
        let put = self.client.put_object().bucket(&self.name).key(key).if_none_match("*").body(ByteStream::from(bytes));
        match put.customize().config_override(room).send().await {
            Ok(_) => Ok(true),
            Err(e) if is_precondition(&e) => Ok(false),
            Err(e) => Err(sort("PutObject", &e)),
        }
    }

    /// Writes an object, whatever was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(&self, key: &str, body: ByteStream) -> Answer<'_, ()> {
        let room = unhurried(body.size_hint().1.unwrap_or(u64::MAX));
        let put = self.client.put_object().bucket(&self.name).key(key).body(body);
        Box::pin(async move {
            let sent = put.customize().config_override(room).send().await;
            sent.map(drop).map_err(|e| sort("PutObject", &e))
        })
    }
}

/// An upload may take as long as its bytes take over a slow line, 100 kB/s, and a minute besides.
fn unhurried(bytes: u64) -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .disable_read_timeout()
        .disable_operation_timeout()
        .operation_attempt_timeout(Duration::from_secs(60 + bytes / 100_000))
        .build();
    aws_sdk_s3::config::Config::builder().timeout_config(timeouts)
}

/// The bytes of a body; of one that is cut off, how many there were before that, and why.
async fn collect(mut body: ByteStream) -> Result<Bytes, (usize, String)> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut received = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| (received, error_chain(&e)))?;
        received += chunk.len();
        chunks.push(chunk);
    }
    // One that came in one piece is not copied.
    if chunks.len() == 1 {
        return Ok(chunks.swap_remove(0));
    }
    let mut all = BytesMut::with_capacity(received);
    for chunk in chunks {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// A key as it is, from the form that it has in a URL, where a space is a plus. What is no text after that is no key of ours.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn is_precondition<E: ProvideErrorMetadata>(error: &aws_sdk_s3::error::SdkError<E>) -> bool {
    let status = error.raw_response().map(|r| r.status().as_u16());
    status == Some(412) || error.code() == Some("PreconditionFailed")
}
