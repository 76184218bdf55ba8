//! Stores, functions, gateway and events in one process.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use embedded::DataFolder;
use fulcrum_core::App;
use fulcrum_core::auth::{Issuer, Scope};
use fulcrum_core::config::Endpoints;
use fulcrum_core::store::StoreError;
use tokio::sync::mpsc::unbounded_channel;

use super::env_file::{FILE_NAME, LocalEnv};
use super::events::Events;
use super::examples;
use super::server::{HttpOptions, HttpServer, listen};
use super::sign_in::SignIn;
use super::stores::{StoreOptions, Stores};
use crate::api_keys::{new_key, revoke_secret};
use crate::error::CliError;

/// What a local service is to be.
#[derive(Clone)]
pub struct Settings {
    /// The address of the service and of its stores.
    pub address: IpAddr,
    /// The port of the service; 0 takes any that is free.
    pub port: u16,
    /// Names under which the service and its stores may be called, beside `localhost` and their addresses.
    pub hosts: Vec<String>,
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
    /// How long a training run's lease on a model lasts unless it is renewed.
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
    sign_in: SignIn,
    events: Option<Events>,
    stores: Stores,
    folder: DataFolder,
}

impl Local {
    /// Starts everything, and makes table, bucket and a fresh API key. The key of the start before is revoked, so that a data
    /// folder has one local key at a time.
    ///
    /// # Errors
    /// [`CliError`] that says which part did not start.
    pub async fn start(settings: Settings) -> Result<Self, CliError> {
        Self::start_with(settings, |app| app).await
    }

    /// As [`Local::start`], with an app that is changed before anything runs on it.
    ///
    /// # Errors
    /// As [`Local::start`].
    pub async fn start_with(settings: Settings, change: impl FnOnce(App) -> App) -> Result<Self, CliError> {
        if let (true, Some(url)) =
            (settings.examples, settings.endpoints.dynamodb.as_ref().or(settings.endpoints.s3.as_ref()))
        {
            return Err(CliError::ExamplesElsewhere { url: url.clone() });
        }
        let listener = listen(settings.address, settings.port).await?;
        // The stores lock what is theirs, but there may be none of this process.
        let folder = data_folder(settings.data.as_deref())?;
        let env_file = folder.path().join(FILE_NAME);
        let before = LocalEnv::read(&env_file);
        let (created, objects) = unbounded_channel();
        let options = StoreOptions {
            created: settings.events.then_some(created),
            folder: settings.data.is_some().then(|| folder.path().to_owned()),
            address: settings.address,
            hosts: settings.hosts.clone(),
            port: listener.local_addr().map_or(settings.port, |address| address.port()),
            endpoints: settings.endpoints,
        };
        let elsewhere = options.endpoints.clone();
        let stores = Stores::start(options, before.as_ref()).await?;
        let app = App::new(stores.sdk(), stores.endpoints(), &settings.table, &settings.bucket);
        let app = change(App { lease: settings.lease, issuer: settings.issuer, ..app });
        let away = |variable: &'static str, url: Option<String>| {
            move |source: StoreError| match url {
                Some(url) => CliError::StoreAway { variable: variable_of(variable), url, source },
                None => CliError::Store(source),
            }
        };
        app.table.create_if_missing().await.map_err(away("AWS_ENDPOINT_URL_DYNAMODB", elsewhere.dynamodb))?;
        app.bucket.create_if_missing().await.map_err(away("AWS_ENDPOINT_URL_S3", elsewhere.s3))?;
        if let Some(before) = before {
            revoke_secret(&app, &before.api_key).await?;
        }
        let (_, secret) = new_key(&app, &settings.organization, "local", Scope::ALL.to_vec()).await?;
        if settings.examples {
            examples::put(&app).await?;
        }
        let sign_in = SignIn::default();
        let options = HttpOptions { hosts: settings.hosts, sign_in: sign_in.clone(), ..HttpOptions::default() };
        let http = HttpServer::start_with(listener, app.clone(), options)?;
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
        Ok(Self { env, env_file, app, http, sign_in, events, stores, folder })
    }

    /// The app that the functions run on.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The console's URL with a code that signs one browser in, once and within [`CODE_TIME`](super::CODE_TIME).
    ///
    /// # Errors
    /// [`CliError`] of the operating system's randomness.
    pub fn console(&self) -> Result<String, CliError> {
        let code = self.sign_in.issue(&self.env.api_key, self.app.clock.now())?;
        Ok(format!("{}/console#code={code}", self.env.url))
    }

    /// Stops everything in the order in which it depends on each other. A service that kept nothing takes its key back, in case
    /// that the table is in a server that goes on.
    pub async fn shutdown(self) {
        self.http.shutdown().await;
        if let Some(events) = self.events {
            events.shutdown().await;
        }
        if self.folder.is_ephemeral()
            && let Err(error) = revoke_secret(&self.app, &self.env.api_key).await
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

/// What there is in a data folder.
const CONTENT: [&str; 4] = [FILE_NAME, "lock", "dynamodb", "s3"];

/// Opens the data folder. A folder that holds something else and nothing of ours is left as it is: its mode would change, and
/// it may be a home.
fn data_folder(kept: Option<&Path>) -> Result<DataFolder, CliError> {
    let Some(folder) = kept else { return Ok(DataFolder::ephemeral()?) };
    let failed = |error| CliError::file(folder, error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    let mut names = std::fs::read_dir(&folder).map_err(failed)?.flatten().map(|entry| entry.file_name()).peekable();
    if names.peek().is_some() && !names.any(|name| CONTENT.iter().any(|ours| name == *ours)) {
        return Err(CliError::file(
            folder,
            "this folder contains other files; choose an empty folder, or the data folder of an earlier start",
        ));
    }
    Ok(DataFolder::lock(&folder)?)
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
