//! The folder a server keeps its data in, held by one server at a time and read by its owner alone.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::EmbeddedError;

/// Where a server keeps its data.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In this folder, which is made if it is missing. Both servers may be given the same one; each keeps to a subfolder.
    Folder(PathBuf),
    /// In memory or in a temporary folder, gone when the server stops.
    Ephemeral,
}

/// How the names of temporary folders begin.
const PREFIX: &str = "fulcrum-ephemeral-";
const LOCK: &str = "lock";
/// A folder younger than this may be one that another process is about to lock.
const AGE: Duration = Duration::from_mins(1);

/// An open data folder, locked as long as this value lives; the operating system drops the lock when the process is killed.
#[derive(Debug)]
#[must_use = "the folder is free again when this value is dropped"]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
    temporary: Option<TempDir>,
}

impl DataFolder {
    /// Makes the folder if it is missing, locks it by a file `lock` in it, and closes the folder and that file to everybody but
    /// their owner.
    ///
    /// # Errors
    /// [`EmbeddedError::InUse`] where it is locked already, [`EmbeddedError::Folder`] where it cannot be made or written.
    pub fn lock(folder: &Path) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(folder).map_err(fail(folder))?;
        let lock = locked(folder)?;
        for path in [folder, &folder.join(LOCK)] {
            make_private(path).map_err(fail(path))?;
        }
        Ok(Self { path: folder.to_owned(), _lock: lock, temporary: None })
    }

    /// As [`DataFolder::lock`], and closes all that is below the folder as well.
    pub(crate) fn lock_all(folder: &Path) -> Result<Self, EmbeddedError> {
        let locked = Self::lock(folder)?;
        make_all_private(folder).map_err(fail(folder))?;
        Ok(locked)
    }

    /// Makes a temporary folder that is removed with this value, and removes those of processes that were killed.
    ///
    /// # Errors
    /// As [`DataFolder::lock`].
    pub fn ephemeral() -> Result<Self, EmbeddedError> {
        Self::ephemeral_in(&std::env::temp_dir())
    }

    fn ephemeral_in(parent: &Path) -> Result<Self, EmbeddedError> {
        let temporary = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(fail(parent))?;
        let lock = locked(temporary.path())?;
        sweep(parent, temporary.path());
        Ok(Self { path: temporary.path().to_owned(), _lock: lock, temporary: Some(temporary) })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder goes with this value.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.temporary.is_some()
    }
}

fn fail(path: &Path) -> impl FnOnce(io::Error) -> EmbeddedError {
    let path = path.to_owned();
    move |source| EmbeddedError::Folder { path, source }
}

fn locked(folder: &Path) -> Result<File, EmbeddedError> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(fail(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(fail(&path)(source)),
    }
}

/// Gives a folder the mode 0700, or a file 0600. Links are left alone, and so is what they lead to.
#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = fs::symlink_metadata(path)?;
    let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
    if metadata.is_symlink() || metadata.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

fn make_all_private(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        make_private(&entry.path())?;
        if entry.file_type()?.is_dir() {
            make_all_private(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the temporary folders whose processes were killed: nobody holds their locks. What cannot be removed is somebody else's.
fn sweep(parent: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.path() != own {
            remove_abandoned(&entry.path());
        }
    }
}

fn remove_abandoned(folder: &Path) {
    let Ok(lock) = File::options().write(true).open(folder.join(LOCK)) else { return };
    let age = lock.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
    if matches!(age, Ok(Ok(age)) if age > AGE) && lock.try_lock().is_ok() {
        match fs::remove_dir_all(folder) {
            Ok(()) => tracing::debug!(folder = %folder.display(), "removed what a killed process left"),
            Err(error) => tracing::debug!(%error, folder = %folder.display(), "could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn folders_of_killed_processes_go_at_the_next_start() {
        let parent = tempfile::tempdir().unwrap();
        let old = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("data"), "x").unwrap();
            let lock = File::create(folder.join(LOCK)).unwrap();
            lock.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
            (folder, lock)
        };
        let (killed, _) = old("fulcrum-ephemeral-killed");
        let (running, lock) = old("fulcrum-ephemeral-running");
        lock.lock().unwrap();
        let (foreign, _) = old("another-programs");
        let (young, lock_of_young) = old("fulcrum-ephemeral-young");
        lock_of_young.set_modified(SystemTime::now()).unwrap();
        let unlocked = parent.path().join("fulcrum-ephemeral-without-a-lock");
        fs::create_dir(&unlocked).unwrap();

        let started = DataFolder::ephemeral_in(parent.path()).unwrap();
        assert!(!killed.exists());
        for kept in [&running, &foreign, &young, &unlocked] {
            assert!(kept.exists(), "{}", kept.display());
        }
        let own = started.path().to_owned();
        drop(started);
        assert!(!own.exists());
    }
}
