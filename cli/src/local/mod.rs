//! The whole service on this machine: stores, functions and gateway in one process.

mod env_file;
mod events;
pub mod examples;
pub mod gateway;
mod keys;
mod queue;
mod server;
mod stores;

use std::net::IpAddr;
use std::path::PathBuf;

use chrono::TimeDelta;
use embedded::FolderLock;
use fulcrum_core::App;
use fulcrum_core::auth::{Issuer, Scope};
use fulcrum_core::config::Endpoints;
use fulcrum_core::store::StoreError;
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;

pub(crate) use env_file::quoted;
pub use env_file::{FILE_NAME, LocalEnv};
pub use events::{Events, is_announced};
pub use keys::new_key;
pub use queue::{FUNCTION_TIME, Queue};
pub use server::{HttpServer, listen};
pub use stores::{Stores, Wanted};

use crate::error::CliError;

/// What a local service is to be.
#[derive(Clone)]
pub struct Settings {
    /// The address of the service and of its stores.
    pub address: IpAddr,
    /// The port of the service; 0 takes any that is free.
    pub port: u16,
    /// The data folder; `None` keeps nothing.
    pub data: Option<PathBuf>,
    /// The organization that the API key is made for.
    pub organization: String,
    /// Stores that run already and are used instead of own ones.
    pub endpoints: Endpoints,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// How long a training run's lease on a model lasts without a sign of life.
    pub lease: TimeDelta,
    /// Whether to put the examples into the stores that the events of the repository name.
    pub examples: bool,
    /// Whether complete snapshots, requests and the schedule train models, as the deployed rules have it.
    pub events: bool,
    /// The issuer whose JWTs are accepted beside API keys.
    pub issuer: Option<Issuer>,
}

/// A running local service.
#[must_use = "the service stops when this value is dropped"]
pub struct Local {
    /// What a client needs to know.
    pub env: LocalEnv,
    /// Where that is written.
    pub env_file: PathBuf,
    app: App,
    http: HttpServer,
    events: Option<Events>,
    stores: Stores,
    temporary: Option<TempDir>,
    _lock: FolderLock,
}

impl Local {
    /// Starts everything, and makes table, bucket and a fresh API key. The key of the start before is revoked, so that a data
    /// folder has one local key at a time.
    ///
    /// # Errors
    /// [`CliError`] that says which part did not start.
    pub async fn start(settings: Settings) -> Result<Self, CliError> {
        if let (true, Some(url)) =
            (settings.examples, settings.endpoints.dynamodb.as_ref().or(settings.endpoints.s3.as_ref()))
        {
            return Err(CliError::ExamplesElsewhere { url: url.clone() });
        }
        let listener = listen(settings.address, settings.port).await?;
        let (folder, temporary) = data_folder(settings.data.as_deref())?;
        // The stores lock what is theirs, but there may be none of this process.
        let lock = FolderLock::take(&folder)?;
        let env_file = folder.join(FILE_NAME);
        let before = LocalEnv::read(&env_file);
        let (created, objects) = unbounded_channel();
        let wanted = Wanted {
            created: settings.events.then_some(created),
            folder: settings.data.is_some().then(|| folder.clone()),
            address: settings.address,
            port: listener.local_addr().map_or(settings.port, |address| address.port()),
            endpoints: settings.endpoints,
        };
        let elsewhere = wanted.endpoints.clone();
        let stores = Stores::start(wanted, before.as_ref()).await?;
        let app = App::new(stores.sdk(), stores.endpoints(), &settings.table, &settings.bucket);
        let app = App { lease: settings.lease, issuer: settings.issuer, ..app };
        let away = |variable: &'static str, url: Option<String>| {
            move |source: StoreError| match url {
                Some(url) => CliError::StoreAway { variable: variable_of(variable), url, source },
                None => CliError::Store(source),
            }
        };
        app.table.create_if_missing().await.map_err(away("AWS_ENDPOINT_URL_DYNAMODB", elsewhere.dynamodb))?;
        app.bucket.create_if_missing().await.map_err(away("AWS_ENDPOINT_URL_S3", elsewhere.s3))?;
        if let Some(before) = before {
            keys::revoke_secret(&app, &before.api_key).await?;
        }
        let (_, secret) = new_key(&app, &settings.organization, "local", Scope::ALL.to_vec()).await?;
        if settings.examples {
            examples::put(&app).await?;
        }
        let http = HttpServer::start(listener, app.clone())?;
        let env = LocalEnv {
            url: http.url(),
            api_key: secret.expose().to_owned(),
            organization: settings.organization,
            table: settings.table,
            bucket: settings.bucket,
            store: stores.access().clone(),
        };
        env.write(&env_file)?;
        let objects = stores.own_s3().then_some(objects);
        let events = settings.events.then(|| Events::start(app.clone(), objects));
        Ok(Self { env, env_file, app, http, events, stores, temporary, _lock: lock })
    }

    /// The app that the functions run on.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Stops everything in the order in which it depends on each other. A service that kept nothing takes its key back, in case
    /// that the table is in a server that goes on.
    pub async fn shutdown(self) {
        self.http.shutdown().await;
        if let Some(events) = self.events {
            events.shutdown().await;
        }
        if self.temporary.is_some()
            && let Err(error) = keys::revoke_secret(&self.app, &self.env.api_key).await
        {
            tracing::warn!(%error, "the API key of this run could not be revoked");
        }
        self.stores.shutdown().await;
    }
}

/// The variable that says where a store is: its own, or the one for both.
fn variable_of(own: &'static str) -> &'static str {
    let set = std::env::var_os(own).is_some_and(|value| !value.is_empty());
    if set { own } else { "AWS_ENDPOINT_URL" }
}

fn data_folder(kept: Option<&std::path::Path>) -> Result<(PathBuf, Option<TempDir>), CliError> {
    if let Some(folder) = kept {
        std::fs::create_dir_all(folder).map_err(|e| CliError::file(folder, e))?;
        let folder = folder.canonicalize().map_err(|e| CliError::file(folder, e))?;
        return Ok((folder, None));
    }
    let temporary =
        tempfile::Builder::new().prefix("fulcrum-").tempdir().map_err(|e| CliError::file(std::env::temp_dir(), e))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// The data folder where none is named: `$XDG_DATA_HOME/fulcrum`, or `~/.local/share/fulcrum`; on Windows `%LOCALAPPDATA%\fulcrum`.
#[must_use]
pub fn default_data_folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_DATA_HOME").or_else(|| {
        if cfg!(windows) { folder("LOCALAPPDATA") } else { folder("HOME").map(|home| home.join(".local/share")) }
    });
    base.map(|base| base.join("fulcrum"))
}
