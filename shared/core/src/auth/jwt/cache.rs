//! The cache of an issuer's keys: fetched by one request at a time, at most once a minute, kept while the issuer is away.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fetch::Fetcher;
use super::keys::KeySet;
use crate::error::ApiError;

/// Keys older than this are fetched again when they are next used.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// The time between two fetches once there are keys.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The same while there never were any, so that a hiccup of the issuer does not shut a new process for a minute.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);

/// The keys of one issuer.
#[derive(Clone)]
pub(super) struct KeyCache(Arc<Inner>);

struct Inner {
    fetcher: Fetcher,
    known: RwLock<Known>,
    // Whoever has it may fetch.
    turn: Arc<Mutex<()>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<KeySet>,
    fetched_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
    /// Why the last try failed.
    failure: Option<String>,
}

/// By how much two moments differ. A clock that was set back must not stop fetches until it has caught up.
fn apart(one: DateTime<Utc>, other: DateTime<Utc>) -> TimeDelta {
    (one - other).abs()
}

impl Known {
    /// Whether the use of a key is a reason to fetch now.
    fn is_due(&self, id: &str, now: DateTime<Utc>) -> bool {
        let fresh = self.fetched_at.is_some_and(|at| apart(now, at) < FRESH);
        !(fresh && self.keys.knows(id)) && self.pause(now).is_none()
    }

    /// How long it is until the next try; none where that may be now.
    fn pause(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let pause = if self.fetched_at.is_some() { PAUSE } else { FIRST_PAUSE };
        self.tried_at.map(|at| pause - apart(now, at)).filter(|left| *left > TimeDelta::zero())
    }
}

impl KeyCache {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self(Arc::new(Inner { fetcher, known: RwLock::default(), turn: Arc::default() }))
    }

    fn known(&self) -> Known {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys, if one of them has this id; `None` if the issuer has no such key.
    ///
    /// # Errors
    /// [`ApiError::IssuerUnavailable`] where the key is not known and the last fetch failed.
    pub(super) async fn with(&self, id: &str, now: DateTime<Utc>) -> Result<Option<Arc<KeySet>>, ApiError> {
        let known = self.known();
        let turn = if known.keys.knows(id) {
            if !known.is_due(id, now) {
                return Ok(Some(known.keys));
            }
            // One request looks for news; the others go on with what there is.
            let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() else { return Ok(Some(known.keys)) };
            turn
        } else {
            Arc::clone(&self.0.turn).lock_owned().await
        };
        // Whoever had the turn before may have fetched.
        if self.known().is_due(id, now) {
            self.fetch(turn, now).await?;
        }
        let known = self.known();
        if known.keys.knows(id) {
            return Ok(Some(known.keys));
        }
        let left = known.pause(now).and_then(|left| left.to_std().ok()).unwrap_or_default();
        let Some(cause) = known.failure else { return Ok(None) };
        // Whole seconds, rounded up: coming back too early would be in vain.
        let retry_after = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        Err(ApiError::IssuerUnavailable { cause, retry_after })
    }

    /// Fetches, and remembers what came of it. In a task of its own, since a caller who goes away in the middle must not make
    /// room for another fetch.
    async fn fetch(&self, turn: OwnedMutexGuard<()>, now: DateTime<Utc>) -> Result<(), ApiError> {
        let cache = self.clone();
        let task = tokio::spawn(async move {
            let fetched = cache.0.fetcher.fetch().await;
            let mut known = cache.0.known.write().unwrap_or_else(PoisonError::into_inner);
            known.tried_at = Some(now);
            match fetched {
                Ok(keys) => {
                    *known = Known { keys: Arc::new(keys), fetched_at: Some(now), tried_at: Some(now), failure: None };
                }
                Err(error) => {
                    let cause = error.to_string();
                    tracing::warn!(cause, "the issuer's keys could not be fetched");
                    known.failure = Some(cause);
                }
            }
            drop(known);
            drop(turn);
        });
        task.await.map_err(|e| ApiError::internal(format!("the fetch of the issuer's keys ended early: {e}")))
    }
}
