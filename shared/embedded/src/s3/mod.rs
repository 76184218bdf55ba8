//! S3: s3s and s3s-fs behind a guard.
//!
//! s3s speaks the protocol and checks signatures, s3s-fs keeps each object as a file. The guard between them
//! 1. serialises the moment an object becomes visible, so that of many conditional puts exactly one wins;
//! 2. answers conditional reads;
//! 3. checks a body against its checksums before the object is replaced;
//! 4. lists with `ETag`s, URL encoding and the order and paging of S3;
//! 5. refuses what a folder of files cannot hold: keys with empty, `.` or `..` segments, a key below another key, names that
//!    are too long.
//!
//! What is not built answers `NotImplemented` (versions, tags, locks, ACLs, encryption with the client's key).

mod body;
mod buckets;
mod conditions;
mod copy;
mod guard;
mod http;
mod list;
mod multipart;
mod orphans;
mod place;
mod read;
mod store;
mod write;

use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::credentials::Credentials;
use crate::error::EmbeddedError;
use crate::folder::{DataFolder, Storage};
use crate::server::{Place, Server};

pub use store::ObjectCreated;

/// Knows one key pair.
struct OneKey(Credentials);

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key_id {
            Ok(SecretKey::from(self.0.secret_access_key.as_str()))
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The access key id you provided does not exist in our records."))
        }
    }
}

/// Starts S3: on a port of 127.0.0.1, or at a [`Place`].
///
/// With [`Storage::Folder`] the objects are in `s3/objects/BUCKET/KEY` below it. An object appears whole or not at all, also
/// when the process is killed. After each put, copy and completed multipart upload the object is sent to `created`.
///
/// # Errors
///
/// The folder is in use or cannot be written, or the port is taken.
pub async fn start_s3(
    storage: &Storage,
    place: impl Into<Place>,
    credentials: &Credentials,
    created: Option<UnboundedSender<ObjectCreated>>,
) -> Result<Server, EmbeddedError> {
    let place = place.into();
    let folder = match storage {
        Storage::Folder(folder) => DataFolder::lock_all(&folder.join("s3"))?,
        Storage::Ephemeral => DataFolder::ephemeral()?,
    };
    let store = store::Store::open(&folder.path().join("objects"), created)?;
    let mut service = S3ServiceBuilder::new(guard::Guard::new(store));
    service.set_auth(OneKey(credentials.clone()));
    let service = service.build();
    let (listener, address) = place.listen().await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(http::serve(listener, place, service, folder, stopped));
    Ok(Server::new(address, stop, task))
}
