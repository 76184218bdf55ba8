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

/// The lock on a folder. It lasts as long as this value, and the operating system drops it when the process is killed.
#[derive(Debug)]
#[must_use = "the folder is free again when this value is dropped"]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder if it is missing, and locks it by a file `lock` in it.
    ///
    /// # Errors
    /// [`EmbeddedError::InUse`] where it is locked already, [`EmbeddedError::Folder`] where it cannot be made or written.
    pub fn take(folder: &Path) -> Result<Self, EmbeddedError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| EmbeddedError::Folder { path, source }
        };
        fs::create_dir_all(folder).map_err(fail(folder))?;
        let path = folder.join("lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(fail(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(fail(&path)(source)),
        }
    }
}

/// An open data folder, locked where it is kept.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: Option<FolderLock>,
    _temporary: Option<TempDir>,
}

impl DataFolder {
    /// Opens the subfolder `name` of `folder` and locks it.
    pub(crate) fn lock(folder: &Path, name: &str) -> Result<Self, EmbeddedError> {
        let path = folder.join(name);
        let lock = FolderLock::take(&path)?;
        Ok(Self { path, _lock: Some(lock), _temporary: None })
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
