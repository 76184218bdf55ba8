//! Prewarming: a cold start opens the connections to the stores, TLS included, ahead of its first request, while the
//! platform still starts the function.

use std::time::Duration;

use uuid::Uuid;

use crate::app::App;

/// The most that a start waits for the stores. What is not open then is opened by the first request.
const MOST_WAIT: Duration = Duration::from_secs(1);

/// The stores that a function's requests will call. Each is asked for something that does not exist, under a key that the
/// function may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prewarm {
    /// None.
    Nothing,
    /// The table, for keys and records.
    Records,
    /// The table, and the bucket for posteriors.
    Posteriors,
    /// The table, and the bucket for snapshots.
    Snapshots,
    /// The table and the bucket, for serving.
    Serving,
    /// The table and the bucket, for runs that no caller asks for.
    Runs,
}

impl Prewarm {
    /// Opens the connections. What goes wrong here is left to the first request to find out and to report.
    pub async fn open(self, app: &App) {
        let table = async {
            match self {
                Self::Nothing => {}
                Self::Records | Self::Posteriors | Self::Snapshots => drop(app.table.key_by_hash("-").await),
                Self::Serving => drop(app.table.serving(Uuid::nil()).await),
                Self::Runs => drop(app.table.model("-", Uuid::nil()).await),
            }
        };
        let bucket = async {
            match self {
                Self::Nothing | Self::Records => {}
                Self::Posteriors | Self::Serving => drop(app.bucket.read_if_there("posteriors/-").await),
                Self::Snapshots | Self::Runs => drop(app.bucket.read_if_there("snapshots/-").await),
            }
        };
        if tokio::time::timeout(MOST_WAIT, async { tokio::join!(table, bucket) }).await.is_err() {
            tracing::warn!(milliseconds = MOST_WAIT.as_millis(), "a store did not answer while the function started");
        }
    }
}
