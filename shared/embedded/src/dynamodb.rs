//! `DynamoDB`: dynoxide over `SQLite`.

use dynoxide::Database;
use tokio::sync::oneshot;

use crate::folder::DataFolder;
use crate::server::listen;
use crate::{EmbeddedError, Place, Server, Storage};

/// Starts `DynamoDB`: on a port of 127.0.0.1, or at a [`Place`].
///
/// With [`Storage::Folder`] the tables are in `dynamodb/tables.sqlite` below it, written ahead and synced with every write, so
/// that they outlive a killed process. Every key pair is accepted. Items past their time to live stay until they are deleted.
///
/// # Errors
///
/// The folder is in use or cannot be written, the file is not a table file, or the port is taken.
pub async fn start_dynamodb(storage: &Storage, place: impl Into<Place>) -> Result<Server, EmbeddedError> {
    let folder = match storage {
        Storage::Folder(folder) => Some(DataFolder::lock(folder, "dynamodb")?),
        Storage::Ephemeral => None,
    };
    let database = open(folder.as_ref())?;
    let (listener, address) = listen(place.into()).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let until = async move {
            let _ = stopped.await;
        };
        if let Err(reason) = dynoxide::server::serve_with_shutdown(listener, database, until).await {
            tracing::error!(reason, "the DynamoDB server ended");
        }
        drop(folder);
    });
    Ok(Server::new(address, stop, task))
}

fn open(folder: Option<&DataFolder>) -> Result<Database, EmbeddedError> {
    let Some(folder) = folder else {
        return Database::memory()
            .map_err(|error| EmbeddedError::Tables { place: "memory".to_owned(), reason: error.to_string() });
    };
    let file = folder.path().join("tables.sqlite");
    let place = file.display().to_string();
    let path = file
        .to_str()
        .ok_or_else(|| EmbeddedError::Tables { place: place.clone(), reason: "the path is not UTF-8".to_owned() })?;
    Database::new(path).map_err(|error| EmbeddedError::Tables { place, reason: error.to_string() })
}
