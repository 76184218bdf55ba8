//! Keyed work: a request with an `Idempotency-Key`, as far as what it does in the table has to know of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

tokio::task_local! {
    static WORK: KeyedWork;
}

/// What a request with a key has done in the table, so that a later attempt under the same key can tell it instead of doing it
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A new model.
    Model(Uuid),
    /// A new version of a model's posterior.
    Posterior(u64),
}

/// The work of a request with a key.
#[derive(Clone, Debug)]
pub struct KeyedWork {
    /// Whose it is.
    pub organization: String,
    /// SHA-256 of route and key, hexadecimal: what the record is kept under.
    pub name: String,
    /// The attempt that asks, as the record names it; none for a run behind the queue, whose asker has gone on.
    pub owner: Option<String>,
    /// What an earlier attempt has done already, whose answer was lost.
    pub done: Option<Effect>,
}

impl KeyedWork {
    /// Does the work of a request with a key.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        WORK.scope(self, work).await
    }

    /// The work that this task does; `None` for a request without a key.
    #[must_use]
    pub fn current() -> Option<Self> {
        WORK.try_with(Clone::clone).ok()
    }

    /// What an earlier attempt of this task's work has done already.
    #[must_use]
    pub fn already_done() -> Option<Effect> {
        WORK.try_with(|work| work.done).ok().flatten()
    }
}
