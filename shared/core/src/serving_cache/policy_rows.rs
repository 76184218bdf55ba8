//! Lazily computed policy rows, of contexts that were not compiled, and the posteriors that they are computed from.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bandit::{Posterior, Row};
use tokio::sync::OnceCell;

/// What the lazily computed rows of one version may take in memory.
pub(super) const MOST_LAZY_ROW_BYTES: usize = 8 * 1024 * 1024;

/// Posteriors that one process caches. A posterior's draws take up to 32 MB.
const MOST_POSTERIORS: usize = 4;

/// The place of one posterior.
pub(crate) type PosteriorSlot = Arc<OnceCell<Arc<Posterior>>>;

/// The posteriors that rows were computed from last, by their objects.
#[derive(Clone, Default)]
pub(super) struct PosteriorCache(Arc<Mutex<VecDeque<(String, PosteriorSlot)>>>);

impl PosteriorCache {
    /// The place of an object's posterior; empty until somebody has read it.
    pub(super) fn slot(&self, object: &str) -> PosteriorSlot {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(name, _)| name == object).and_then(|at| kept.remove(at));
        let entry = known.unwrap_or_else(|| (object.to_owned(), PosteriorSlot::default()));
        let slot = Arc::clone(&entry.1);
        if kept.len() >= MOST_POSTERIORS {
            kept.pop_front();
        }
        kept.push_back(entry);
        slot
    }
}

/// Rows of one version by their contexts.
#[derive(Default)]
pub(super) struct LazyPolicyRows {
    rows: HashMap<u64, Arc<Row>>,
    bytes: usize,
}

impl LazyPolicyRows {
    pub(super) fn get(&self, context: u64) -> Option<Arc<Row>> {
        self.rows.get(&context).cloned()
    }

    pub(super) fn put(&mut self, context: u64, row: &Arc<Row>) {
        // Two numbers of 4 bytes for each entry, and what the map and the row itself take.
        let bytes = 100 + 8 * row.as_ref().as_ref().iter().count();
        if self.bytes + bytes > MOST_LAZY_ROW_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.rows.insert(context, Arc::clone(row));
    }
}
