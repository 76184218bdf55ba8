//! The stores under a local service: own ones inside the process, or servers that run already.

use std::net::IpAddr;
use std::path::PathBuf;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use embedded::{EmbeddedError, ObjectCreated, Place, Server, Storage, start_dynamodb, start_s3};
use fulcrum_core::auth::Secret;
use fulcrum_core::config::{Endpoints, Timeouts, http_client, sdk_config};
use fulcrum_core::error_chain;
use tokio::sync::mpsc::UnboundedSender;

use super::env_file::{LocalEnv, OwnStores, StoreAccess};
use crate::error::CliError;

const REGION: &str = "us-east-1";

/// What the stores are to be.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data folder; `None` keeps nothing.
    pub folder: Option<PathBuf>,
    /// The address of own stores.
    pub address: IpAddr,
    /// Names under which own stores may be called, beside `localhost` and their addresses.
    pub hosts: Vec<String>,
    /// The port of the service; own stores take the two after it where they are free.
    pub port: u16,
    /// Servers that run already.
    pub endpoints: Endpoints,
    /// Who is told of each object that the own S3 takes.
    pub created: Option<UnboundedSender<ObjectCreated>>,
}

/// Running stores.
#[derive(Debug)]
pub struct Stores {
    dynamodb: Option<Server>,
    s3: Option<Server>,
    sdk: SdkConfig,
    endpoints: Endpoints,
    access: StoreAccess,
}

impl Stores {
    /// Starts the stores that are not there. OwnStores ones listen where they did at the start `before`, else on the two ports after
    /// the service's, else on any free one, so that addresses in other people's scripts last.
    ///
    /// # Errors
    /// [`CliError::Embedded`], [`CliError::Credentials`].
    pub async fn start(options: StoreOptions, before: Option<&LocalEnv>) -> Result<Self, CliError> {
        let StoreOptions { folder, address, hosts, port, endpoints, created } = options;
        let own = OwnStores { dynamodb: endpoints.dynamodb.is_none(), s3: endpoints.s3.is_none() };
        let (sdk, credentials) = access(&endpoints, before).await?;
        let dynamodb_before = before.filter(|b| b.store.own.dynamodb).map(|b| &b.store.dynamodb);
        let s3_before = before.filter(|b| b.store.own.s3).map(|b| &b.store.s3);
        let storage = folder.map_or(Storage::Ephemeral, Storage::Folder);
        let next = |offset: u16| if port == 0 { 0 } else { port.checked_add(offset).unwrap_or(0) };
        let place = |port: u16| Place::from((address, port)).with_hosts(hosts.iter().cloned());
        let pair = embedded::Credentials {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
        };
        let mut dynamodb = None;
        if endpoints.dynamodb.is_none() {
            let ports = [port_of(dynamodb_before), next(1)];
            dynamodb =
                Some(on_first_free(&ports, async |port| start_dynamodb(&storage, place(port), &pair).await).await?);
        }
        let mut s3 = None;
        if endpoints.s3.is_none() {
            let ports = [port_of(s3_before), next(2)];
            let start = async |port| start_s3(&storage, place(port), &pair, created.clone()).await;
            s3 = Some(on_first_free(&ports, start).await?);
        }
        let url = |own: &Option<Server>, given: Option<String>| own.as_ref().map(|s| s.url().to_owned()).or(given);
        let endpoints = Endpoints { dynamodb: url(&dynamodb, endpoints.dynamodb), s3: url(&s3, endpoints.s3) };
        let access = StoreAccess {
            dynamodb: endpoints.dynamodb.clone().unwrap_or_default(),
            s3: endpoints.s3.clone().unwrap_or_default(),
            region: sdk.region().map_or(REGION, AsRef::as_ref).to_owned(),
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().map(str::to_owned),
            own,
        };
        Ok(Self { dynamodb, s3, sdk, endpoints, access })
    }

    /// The configuration of clients.
    #[must_use]
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// Where the stores are.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Whether S3 is an own one, which tells of its objects.
    #[must_use]
    pub fn own_s3(&self) -> bool {
        self.s3.is_some()
    }

    /// How others reach them.
    #[must_use]
    pub fn access(&self) -> &StoreAccess {
        &self.access
    }

    /// Stops the own stores.
    pub async fn shutdown(self) {
        for server in [self.dynamodb, self.s3].into_iter().flatten() {
            server.shutdown().await;
        }
    }
}

/// The configuration and the credentials. OwnStores stores get a key pair of their own, random and kept in `local.env`, never
/// one that may be worth something elsewhere; servers that run already get what the environment has, and so does an own
/// store beside one, since clients have one key pair for both.
async fn access(endpoints: &Endpoints, before: Option<&LocalEnv>) -> Result<(SdkConfig, Credentials), CliError> {
    let foreign = endpoints.dynamodb.as_ref().or(endpoints.s3.as_ref());
    let Some(url) = foreign else {
        // The pair of a start on other stores is theirs, and earlier versions gave every folder the same id.
        let kept = before.map(|before| &before.store);
        let kept = kept.filter(|store| store.own == OwnStores::BOTH && store.access_key_id != "local");
        let credentials = match kept {
            Some(store) => pair(&store.access_key_id, &store.secret_access_key),
            None => pair(&format!("LOCAL{}", random()?.replace(['-', '_'], "x")), &random()?),
        };
        return Ok((own_config(credentials.clone()), credentials));
    };
    let config = sdk_config(Timeouts::FUNCTION).await;
    let fail = |cause: String| CliError::Credentials { url: url.clone(), cause };
    let provider = config.credentials_provider().ok_or_else(|| fail("no source provides any".into()))?;
    let credentials = provider.provide_credentials().await.map_err(|e| fail(error_chain(&e)))?;
    let config = match config.region() {
        Some(_) => config,
        None => config.into_builder().region(Region::new(REGION)).build(),
    };
    Ok((config, credentials))
}

/// 43 random letters, digits, hyphens and underscores.
fn random() -> Result<String, CliError> {
    Ok(Secret::generate()?.expose().trim_start_matches(fulcrum_core::auth::KEY_PREFIX).to_owned())
}

fn pair(id: &str, secret: &str) -> Credentials {
    Credentials::new(id, secret, None, None, "fulcrum local")
}

/// As the deployed functions' configuration, but with nothing taken from the environment that could lead elsewhere.
fn own_config(credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client())
        .timeout_config(Timeouts::FUNCTION.timeout_config())
        .retry_config(RetryConfig::standard())
        .build()
}

/// The port of a URL of an own store, or 0.
fn port_of(url: Option<&String>) -> u16 {
    url.and_then(|url| url.rsplit_once(':')).and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

/// Starts a server on the first port that can be had, or on any free one; 0 stands for no wish.
async fn on_first_free<F>(ports: &[u16], start: F) -> Result<Server, CliError>
where
    F: AsyncFn(u16) -> Result<Server, EmbeddedError>,
{
    for &port in ports.iter().filter(|&&port| port != 0) {
        match start(port).await {
            Err(EmbeddedError::Listen { .. }) => {}
            done => return Ok(done?),
        }
    }
    Ok(start(0).await?)
}
