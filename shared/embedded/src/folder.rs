//! The folder a server keeps its data in, held by one server at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::EmbeddedError;

/// Where a server keeps its data.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In this folder, which is made if it is missing. Both servers may be given the same one; each keeps to a subfolder.
    Folder(PathBuf),
    /// In memory or in a temporary folder, gone when the server stops.
    Ephemeral,
}

/// An open data folder. The lock lasts as long as this value, and the operating system drops it when the process is killed.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: Option<File>,
    _temporary: Option<TempDir>,
}

impl DataFolder {
    /// Opens the subfolder `name` of `folder` and locks it.
    pub(crate) fn lock(folder: &Path, name: &str) -> Result<Self, EmbeddedError> {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|source| EmbeddedError::Folder { path: path.clone(), source })?;
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|source| EmbeddedError::Folder { path: lock_path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: Some(lock), _temporary: None }),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(EmbeddedError::Folder { path: lock_path, source }),
        }
    }

    /// Makes a temporary folder that is removed with this value.
    pub(crate) fn temporary() -> Result<Self, EmbeddedError> {
        let temporary = tempfile::Builder::new()
            .prefix("fulcrum-")
            .tempdir()
            .map_err(|source| EmbeddedError::Folder { path: std::env::temp_dir(), source })?;
        Ok(Self { path: temporary.path().to_owned(), _lock: None, _temporary: Some(temporary) })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
