//! What can end a command without success.

use std::fmt::Write as _;
use std::path::PathBuf;

use fulcrum_core::store::StoreError;
use serde_json::Value;

use crate::terminal;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The service refused, in its own words.
    #[error("{}", api_error(*status, body))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The answer.
        body: Value,
        /// Whether it says that the same request may succeed later.
        retryable: bool,
    },
    /// The service answered something that is not its envelope.
    #[error("{url} does not seem to be a Fulcrum API; it answered with status {status} and {beginning:?}")]
    NotTheApi {
        /// The URL of the request.
        url: String,
        /// HTTP status.
        status: u16,
        /// How the answer begins.
        beginning: String,
    },
    /// Nobody answers at the URL.
    #[error(
        "cannot reach {url}: {cause}\nIs the service running? Start one with `fulcrum local`, or point to another with --url."
    )]
    Unreachable {
        /// The URL of the request.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// The service was reached and did not answer in time, or broke off.
    #[error("{url} did not answer: {cause}")]
    NoAnswer {
        /// The URL of the request.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// The address of the service is none.
    #[error("{url:?} is not the URL of a service, such as http://127.0.0.1:3000: {cause}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no API key, or none that can be sent.
    #[error("no usable API key: {cause}")]
    ApiKey {
        /// What is missing.
        cause: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },
    /// A folder is not a snapshot.
    #[error("{} is not a snapshot: {cause}", path.display())]
    NoSnapshot {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        cause: String,
    },
    /// A training run would fail with this snapshot.
    #[error("a training run would fail with this snapshot: {cause}")]
    CheckFailed {
        /// Why.
        cause: String,
    },
    /// A snapshot with this id is complete already.
    #[error(
        "the snapshot {id} of this optimization is already complete, and complete snapshots never change; choose another --snapshot-id"
    )]
    SnapshotExists {
        /// The snapshot.
        id: String,
    },
    /// A snapshot with this id has objects of another upload.
    #[error(
        "the snapshot {id} of this optimization is incomplete and contains objects that are not in the folder, perhaps from an interrupted upload: {}; choose another --snapshot-id, or delete them first",
        some(keys)
    )]
    Leftovers {
        /// The snapshot.
        id: String,
        /// The objects, from the snapshot's prefix on.
        keys: Vec<String>,
    },
    /// There is no such key.
    #[error("there is no API key {id} in the organization {organization}")]
    NoSuchKey {
        /// As given.
        id: String,
        /// The organization that was searched.
        organization: String,
    },
    /// The environment.
    #[error(transparent)]
    Config(#[from] fulcrum_core::config::ConfigError),
    /// Storage.
    #[error("storage: {0}")]
    Store(#[from] StoreError),
    /// The table or the bucket that a command works on itself cannot be used.
    #[error(
        "{store} {} cannot be used: {source}\n{}",
        url.as_ref().map_or_else(|| "of AWS".to_owned(), |url| format!("at {url}")),
        stores_hint(url.as_deref())
    )]
    StoreOf {
        /// Which.
        store: String,
        /// Where, if not where AWS has it.
        url: Option<String>,
        /// What went wrong.
        source: StoreError,
    },
    /// A store that the environment names cannot be used.
    #[error(
        "the store at {url} cannot be used: {source}\nIs a server running there? It comes from {variable}; unset that to run a store inside this process."
    )]
    StoreAway {
        /// The variable.
        variable: &'static str,
        /// Its value.
        url: String,
        /// What went wrong.
        source: StoreError,
    },
    /// A fault of the service's own code, called directly.
    #[error("{}", .0.cause().map_or_else(|| .0.to_string(), str::to_owned))]
    Core(#[from] fulcrum_core::ApiError),
    /// The demonstration's columns do not make a batch of rows.
    #[error("the demonstration's rows: {0}")]
    DemoRows(#[from] arrow_schema::ArrowError),
    /// The demonstration's rows do not make a file.
    #[error("the demonstration's files: {0}")]
    DemoFiles(#[from] parquet::errors::ParquetError),
    /// The demonstration was stopped before its end.
    #[error("the demonstration was stopped before it was finished")]
    Stopped,
    /// No training run of the demonstration saw all of its visitors.
    #[error("the last training run saw {seen} of {sent} exposures, and no other came within two minutes")]
    DemoUnseen {
        /// What it saw.
        seen: u32,
        /// What there was to see.
        sent: u32,
    },
    /// The demonstration's model did not find the best variant.
    #[error("the model's best variant is not the true best")]
    WrongBest,
    /// Some lines of a file of events are not stored.
    #[error("{}", not_stored(*count, first))]
    EventsRejected {
        /// How many.
        count: u64,
        /// The first of them: line and reason.
        first: Vec<(u64, String)>,
    },
    /// One of the servers inside the process did not start.
    #[error(transparent)]
    Embedded(#[from] embedded::EmbeddedError),
    /// The port of the service cannot be listened on.
    #[error("cannot listen on {place}: {source}{}", listen_hint(source))]
    Listen {
        /// The address and the port.
        place: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Examples belong into stores of this process alone: their keys are known to everybody.
    #[error(
        "--with-examples creates API keys that are public, so it works only with stores inside this process; {url} is another store"
    )]
    ExamplesElsewhere {
        /// The store.
        url: String,
    },
    /// A signal could not be listened for.
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
    /// Credentials for a store that is not ours are missing.
    #[error("cannot find credentials for the store at {url}: {cause}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    Credentials {
        /// The store.
        url: String,
        /// What went wrong.
        cause: String,
    },
}

impl CliError {
    /// A file that cannot be used.
    pub fn file(path: impl Into<PathBuf>, cause: impl std::fmt::Display) -> Self {
        Self::File { path: path.into(), cause: cause.to_string() }
    }

    /// Whether the same request, under the same `Idempotency-Key`, may get another answer: this one was lost on the way, came
    /// from a gateway that has none, or says to come back.
    pub(crate) fn says_again(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { retryable, .. } => *retryable,
            Self::NotTheApi { status, .. } => matches!(status, 429 | 502..=504),
            _ => false,
        }
    }
}

/// At most three of some names, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = names.iter().take(SHOWN).map(|name| terminal::value(name)).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

/// What may help where a store does not answer, or not as it should.
fn stores_hint(url: Option<&str>) -> &'static str {
    match url {
        Some(_) => "Is `fulcrum local` running there? `set -a; . local.env; set +a` loads where its stores are now.",
        None => "To use the stores of `fulcrum local`, load its variables first: `set -a; . local.env; set +a`.",
    }
}

/// What may help where a port cannot be listened on: another port, if that is what is taken.
fn listen_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "; choose another port with --port (0 picks any free one)",
        std::io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

/// How many lines of events are not stored, and why the first of them are not.
fn not_stored(count: u64, first: &[(u64, String)]) -> String {
    let mut lines = format!("{count} of the lines are not stored:");
    for (line, why) in first {
        let _ = write!(lines, "\n  line {line}: {}", terminal::value(why));
    }
    if count > first.len() as u64 {
        let _ = write!(lines, "\n  and {} more", count - first.len() as u64);
    }
    lines
}

/// The service's own words, each detail on a line, and the request id by which its log can be searched.
fn api_error(status: u16, body: &Value) -> String {
    let text = |pointer: &str| terminal::value(body.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let mut lines = format!("{} ({status} {})", text("/error/message"), text("/error/code"));
    let details = body.pointer("/error/details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        let part = |name: &str| terminal::value(detail.get(name).and_then(Value::as_str).unwrap_or_default());
        let _ = write!(lines, "\n  {}: {}", part("field"), part("message"));
    }
    let _ = write!(lines, "\nrequest id: {}", text("/meta/request_id"));
    lines
}
