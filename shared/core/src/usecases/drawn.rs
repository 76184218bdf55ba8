//! Rows of contexts that were not compiled, drawn from the posterior at serving time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bandit::{CompileLimits, PolicyOptions, Posterior, Row, draw_row, serving_seed};
use tokio::sync::OnceCell;

use super::at_hand::Ready;
use super::train::blocking;
use crate::app::App;
use crate::error::ApiError;

/// What the rows that one version keeps at hand may take in memory.
pub(super) const MOST_DRAWN_BYTES: usize = 8 * 1024 * 1024;

/// Posteriors that one process keeps at hand. A posterior's draws take up to 32 MB.
const MOST_POSTERIORS: usize = 4;

type Slot = Arc<OnceCell<Arc<Posterior>>>;

/// The posteriors that rows were drawn from last, by their objects.
#[derive(Clone, Default)]
pub(super) struct Posteriors(Arc<Mutex<VecDeque<(String, Slot)>>>);

impl Posteriors {
    /// The place of an object's posterior; empty until somebody has read it.
    fn slot(&self, object: &str) -> Slot {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(name, _)| name == object).and_then(|at| kept.remove(at));
        let entry = known.unwrap_or_else(|| (object.to_owned(), Slot::default()));
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
pub(super) struct DrawnRows {
    rows: HashMap<u64, Arc<Row>>,
    bytes: usize,
}

impl DrawnRows {
    fn get(&self, context: u64) -> Option<Arc<Row>> {
        self.rows.get(&context).cloned()
    }

    fn put(&mut self, context: u64, row: &Arc<Row>) {
        // Two numbers of 4 bytes for each entry, and what the map and the row itself take.
        let bytes = 100 + 8 * row.as_ref().as_ref().iter().count();
        if self.bytes + bytes > MOST_DRAWN_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.rows.insert(context, Arc::clone(row));
    }
}

impl App {
    /// The row of a context that was not compiled: drawn once for a version, the same on every machine.
    pub(super) async fn drawn_row(
        &self,
        optimization: &str,
        ready: &Arc<Ready>,
        context: u64,
    ) -> Result<Arc<Row>, ApiError> {
        let known = ready.rows.lock().unwrap_or_else(PoisonError::into_inner).get(context);
        if let Some(row) = known {
            return Ok(row);
        }
        let version = ready.served.posterior_version;
        let missing = || ApiError::internal(format!("version {version} has a policy with holes and no posterior"));
        let object = ready.served.object.as_deref().ok_or_else(missing)?;
        let slot = self.serving.posteriors.slot(object);
        let posterior = Arc::clone(slot.get_or_try_init(|| self.posterior_of(object)).await?);
        let seed = serving_seed(optimization, version, context);
        let of = Arc::clone(ready);
        let draw = move || {
            let options = PolicyOptions {
                bias: &of.served.bias,
                exploration: of.checked.settings.exploration,
                limits: CompileLimits::default(),
                threads: 1,
            };
            draw_row(&of.checked.space, &posterior, &options, context, &seed).map_err(ApiError::internal)
        };
        let row = Arc::new(blocking(draw).await??);
        ready.rows.lock().unwrap_or_else(PoisonError::into_inner).put(context, &row);
        Ok(row)
    }

    async fn posterior_of(&self, object: &str) -> Result<Arc<Posterior>, ApiError> {
        let bytes = self.bucket.read_all(object).await?;
        let stored = blocking(move || bandit::stored::decode(&bytes)).await?;
        let mut posterior = stored.map_err(|e| ApiError::internal(format!("{object}: {e}")))?.posterior;
        // Drawing a row needs the draws and their mean alone.
        posterior.precision_cholesky = Vec::new();
        Ok(Arc::new(posterior))
    }
}
