//! `DynamoDB`: dynoxide over `SQLite`, behind the check of signatures that dynoxide's own server does not have.

mod answer;
mod operations;

use std::sync::Arc;

use dynoxide::Database;
use hyper::service::service_fn;
use tokio::sync::oneshot;

use crate::connections::Connections;
use crate::credentials::Credentials;
use crate::error::EmbeddedError;
use crate::folder::{DataFolder, Storage};
use crate::server::{Place, Server};
use answer::Front;

/// Starts `DynamoDB`: on a port of 127.0.0.1, or at a [`Place`].
///
/// With [`Storage::Folder`] the tables are in `dynamodb/tables.sqlite` below it, written ahead and synced with every write, so
/// that they outlive a killed process. Items past their time to live stay until they are deleted.
///
/// # Errors
///
/// The folder is in use or cannot be written, the file is not a table file, or the port is taken.
pub async fn start_dynamodb(
    storage: &Storage,
    place: impl Into<Place>,
    credentials: &Credentials,
) -> Result<Server, EmbeddedError> {
    let place = place.into();
    let folder = match storage {
        Storage::Folder(folder) => Some(DataFolder::lock_all(&folder.join("dynamodb"))?),
        Storage::Ephemeral => None,
    };
    let database = open(folder.as_ref())?;
    let (listener, address) = place.listen().await?;
    let connections = Connections { name: "DynamoDB", timeouts: place.timeouts, own_body: None };
    let front = Arc::new(Front::new(database, credentials.clone(), place));
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let service = |ends| {
            let front = Arc::clone(&front);
            service_fn(move |request| answer::answer(Arc::clone(&front), ends, request))
        };
        connections.serve(listener, service, stopped).await;
        drop(front);
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
