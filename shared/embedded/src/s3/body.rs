//! Bodies of puts and parts: checked against their checksums, then let in under the lock on names.
//!
//! s3s-fs writes a body into a temporary file until the stream ends, and renames the file then. So the end of the stream is
//! where a bad body or a failed condition still leaves the old object alone.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use hyper::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3Result, StdError, TrailingHeaders, s3_error};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::conditions::WriteConditions;
use super::place::{Place, remove};

/// The checksums that a request declares, in its headers or in the trailer of its body.
pub(crate) struct Declared {
    md5: Option<String>,
    headers: Checksum,
    trailer: Option<TrailingHeaders>,
    trailer_names: String,
}

impl Declared {
    pub(crate) fn new(
        md5: Option<String>,
        headers: Checksum,
        request: &HeaderMap,
        trailer: Option<TrailingHeaders>,
    ) -> Self {
        let trailer_names = request
            .get_all("x-amz-trailer")
            .iter()
            .filter_map(|names| names.to_str().ok())
            .collect::<Vec<_>>()
            .join(",")
            .to_ascii_lowercase();
        Self { md5, headers, trailer, trailer_names }
    }

    /// The name of the algorithm in the trailer, as s3s-fs wants it to be told.
    pub(crate) fn trailer_algorithm(&self) -> Option<&'static str> {
        ["CRC64NVME", "CRC32C", "CRC32", "SHA1", "SHA256"].into_iter().find(|algorithm| self.in_trailer(algorithm))
    }

    fn in_trailer(&self, algorithm: &str) -> bool {
        let header = format!("x-amz-checksum-{}", algorithm.to_ascii_lowercase());
        self.trailer_names.split(',').any(|name| name.trim() == header)
    }

    fn hasher(&self) -> ChecksumHasher {
        let wanted = |value: &Option<String>, algorithm: &str| value.is_some() || self.in_trailer(algorithm);
        let headers = &self.headers;
        ChecksumHasher {
            crc32: wanted(&headers.checksum_crc32, "CRC32").then(Default::default),
            crc32c: wanted(&headers.checksum_crc32c, "CRC32C").then(Default::default),
            sha1: wanted(&headers.checksum_sha1, "SHA1").then(Default::default),
            sha256: wanted(&headers.checksum_sha256, "SHA256").then(Default::default),
            crc64nvme: wanted(&headers.checksum_crc64nvme, "CRC64NVME").then(Default::default),
        }
    }

    fn check(&self, found: &Checksum, md5: Option<Md5>) -> S3Result<()> {
        if let (Some(wanted), Some(md5)) = (&self.md5, md5) {
            if STANDARD.decode(wanted).is_err() {
                return Err(s3_error!(InvalidDigest));
            }
            if *wanted != STANDARD.encode(md5.finalize()) {
                return Err(s3_error!(BadDigest, "The Content-MD5 does not fit the body."));
            }
        }
        let headers = &self.headers;
        for (algorithm, wanted, found) in [
            ("crc32", &headers.checksum_crc32, &found.checksum_crc32),
            ("crc32c", &headers.checksum_crc32c, &found.checksum_crc32c),
            ("sha1", &headers.checksum_sha1, &found.checksum_sha1),
            ("sha256", &headers.checksum_sha256, &found.checksum_sha256),
            ("crc64nvme", &headers.checksum_crc64nvme, &found.checksum_crc64nvme),
        ] {
            let wanted = wanted.clone().or_else(|| self.trailing(algorithm));
            if found.is_some() && wanted != *found {
                return Err(s3_error!(BadDigest, "The checksum {algorithm} does not fit the body."));
            }
        }
        Ok(())
    }

    fn trailing(&self, algorithm: &str) -> Option<String> {
        let name = format!("x-amz-checksum-{algorithm}");
        self.trailer.as_ref()?.read(|headers| Some(headers.get(name)?.to_str().ok()?.to_owned()))?
    }
}

/// The moment in which an object appears.
pub(crate) struct Commit {
    pub(crate) names: Arc<RwLock<()>>,
    pub(crate) place: Place,
    pub(crate) conditions: WriteConditions,
}

impl Commit {
    /// Takes the lock and checks that the object may appear. The old `ETag` is forgotten here, so that a process killed between
    /// the rename and the new `ETag` leaves an object whose `ETag` is computed, not a wrong one.
    pub(crate) async fn enter(&self) -> S3Result<OwnedRwLockWriteGuard<()>> {
        let lock = Arc::clone(&self.names).write_owned().await;
        self.place.check_free()?;
        self.conditions.check(self.place.current()?.as_ref())?;
        remove(&self.place.info())?;
        Ok(lock)
    }
}

/// What came of a body once its stream has ended.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) size: u64,
    pub(crate) checksum: Checksum,
    pub(crate) error: Option<S3Error>,
    pub(crate) lock: Option<OwnedRwLockWriteGuard<()>>,
}

/// The shared [`Outcome`] of a body.
#[derive(Clone, Default)]
pub(crate) struct Ended(Arc<Mutex<Outcome>>);

impl Ended {
    /// Takes the outcome.
    pub(crate) fn take(&self) -> Outcome {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, outcome: Outcome) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }
}

struct Checked {
    body: StreamingBlob,
    declared: Declared,
    hasher: ChecksumHasher,
    md5: Option<Md5>,
    size: u64,
    /// Keeps the folder from being pruned until s3s-fs has made its temporary file in it, which it does before the first poll.
    begun: Option<OwnedRwLockReadGuard<()>>,
    commit: Option<Commit>,
    ended: Ended,
    done: bool,
}

impl Checked {
    async fn next(&mut self) -> Option<Result<Bytes, StdError>> {
        self.begun = None;
        if self.done {
            return None;
        }
        match self.body.next().await {
            Some(Ok(bytes)) => {
                self.hasher.update(&bytes);
                if let Some(md5) = &mut self.md5 {
                    md5.update(&bytes);
                }
                self.size += bytes.len() as u64;
                Some(Ok(bytes))
            }
            Some(Err(error)) => {
                self.done = true;
                let broken = s3_error!(IncompleteBody, "The body broke off: {error}");
                self.ended.set(Outcome { error: Some(broken), ..Outcome::default() });
                Some(Err(error))
            }
            None => {
                self.done = true;
                let checksum = std::mem::take(&mut self.hasher).finalize();
                let lock = self.end(&checksum).await;
                let mut outcome = Outcome { size: self.size, checksum, ..Outcome::default() };
                let refused = lock.is_err();
                match lock {
                    Ok(lock) => outcome.lock = lock,
                    Err(error) => outcome.error = Some(error),
                }
                self.ended.set(outcome);
                refused.then(|| Err("the object was refused".into()))
            }
        }
    }

    async fn end(&mut self, checksum: &Checksum) -> S3Result<Option<OwnedRwLockWriteGuard<()>>> {
        self.declared.check(checksum, self.md5.take())?;
        match &self.commit {
            Some(commit) => commit.enter().await.map(Some),
            None => Ok(None),
        }
    }
}

/// Wraps a body. Its stream fails instead of ending where the object must not appear; the reason is in the outcome.
pub(crate) fn checked(
    body: StreamingBlob,
    declared: Declared,
    begun: Option<OwnedRwLockReadGuard<()>>,
    commit: Option<Commit>,
) -> (StreamingBlob, Ended) {
    let ended = Ended::default();
    let state = Checked {
        hasher: declared.hasher(),
        md5: declared.md5.is_some().then(Md5::new),
        body,
        declared,
        size: 0,
        begun,
        commit,
        ended: ended.clone(),
        done: false,
    };
    let stream = stream::unfold(state, |mut state| async move { state.next().await.map(|item| (item, state)) });
    (blob(stream), ended)
}

/// A stream whose errors are boxed already, as a body.
pub(crate) fn blob(stream: impl Stream<Item = Result<Bytes, StdError>> + Send + Sync + 'static) -> StreamingBlob {
    StreamingBlob::wrap(stream.map(|item| item.map_err(std::io::Error::other)))
}

/// Reads a body that is not wanted, so that the client gets to read the answer.
pub(crate) async fn drain(mut body: StreamingBlob) {
    while let Some(Ok(_)) = body.next().await {}
}
