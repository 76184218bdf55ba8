//! What can keep a server from starting.

use std::io;
use std::path::PathBuf;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder for the data could not be made or opened.
    #[error("cannot use the data folder {path}: {source}", path = path.display())]
    Folder {
        /// The folder or the file within it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another server, of this process or another, holds the folder.
    #[error("the data folder {path} is in use by another running server; stop it or choose another folder", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The address could not be listened on.
    #[error("cannot listen on {place}: {source}")]
    Listen {
        /// The address and port asked for.
        place: std::net::SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The tables could not be opened.
    #[error("cannot open the tables in {place}: {reason}")]
    Tables {
        /// The file, or "memory".
        place: String,
        /// What the database said.
        reason: String,
    },
    /// The object store could not be opened.
    #[error("cannot open the objects in {path}: {reason}", path = path.display())]
    Objects {
        /// The folder.
        path: PathBuf,
        /// What the object store said.
        reason: String,
    },
}
