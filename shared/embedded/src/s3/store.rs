//! The folder of objects and what all operations share.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use s3s::dto::ETag;
use s3s::{S3Error, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;
use tokio::sync::mpsc::UnboundedSender;

use super::orphans;
use super::place::Place;
use crate::error::EmbeddedError;

/// An object was made or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCreated {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
    /// The `ETag`, without quotes.
    pub etag: String,
}

/// The objects of a server.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// One s3s-fs per folder. s3s-fs numbers its temporary files, so there must never be two for one folder.
    folders: Mutex<HashMap<PathBuf, Arc<FileSystem>>>,
    /// Held for writing while an object or folder appears or goes, and for reading while one is looked up or a put begins.
    pub(crate) names: Arc<RwLock<()>>,
    created: Option<UnboundedSender<ObjectCreated>>,
}

impl Store {
    /// Opens the folder, making it if it is missing, and removes what a killed process left half-done.
    pub(crate) fn open(
        root: &Path,
        created: Option<UnboundedSender<ObjectCreated>>,
    ) -> Result<Arc<Self>, EmbeddedError> {
        let failed = |source| EmbeddedError::Folder { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        orphans::sweep(&root).map_err(failed)?;
        Ok(Arc::new(Self { root, folders: Mutex::default(), names: Arc::default(), created }))
    }

    /// The folder with the buckets.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a bucket that exists.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(s3_error!(InvalidBucketName));
        }
        let path = self.root.join(bucket);
        if path.is_dir() { Ok(path) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The place of a key in a bucket that exists.
    pub(crate) fn place(&self, bucket: &str, key: &str) -> S3Result<Place> {
        Place::new(self.bucket(bucket)?, bucket, key)
    }

    /// The s3s-fs of a folder that exists.
    pub(crate) fn files(&self, folder: &Path) -> S3Result<Arc<FileSystem>> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = folders.get(folder) {
            return Ok(Arc::clone(files));
        }
        let files = Arc::new(
            FileSystem::new(folder).map_err(|error| s3_error!(InternalError, "cannot open the folder: {error:?}"))?,
        );
        folders.insert(folder.to_owned(), Arc::clone(&files));
        Ok(files)
    }

    /// Tells of a new object.
    pub(crate) fn announce(&self, place: &Place, size: u64, etag: Option<&ETag>) {
        let Some(created) = &self.created else { return };
        // Nobody listens any more when this fails, which is theirs to decide.
        let _ = created.send(ObjectCreated {
            bucket: place.bucket.clone(),
            key: place.key.clone(),
            size,
            etag: etag.map(|etag| etag.value().to_owned()).unwrap_or_default(),
        });
    }
}

/// Runs a change to its end, also when the client goes away meanwhile.
pub(crate) async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<T> {
    tokio::spawn(change).await.map_err(S3Error::internal_error)?
}
