//! Log fields of the current request: what its one log line says besides status and duration, set by whoever knows it and
//! read at the end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The log fields of one request, by name. Never a secret, an anonymous id or a body.
#[derive(Clone, Debug, Default)]
pub struct LogFields(Arc<Mutex<BTreeMap<&'static str, String>>>);

tokio::task_local! {
    static CURRENT: LogFields;
}

/// Sets a log field of the current request. Outside of one there is no line to set it on.
pub fn set_log_field(name: &'static str, value: impl Into<String>) {
    let _ = CURRENT.try_with(|fields| fields.lock().insert(name, value.into()));
}

/// A log field of the current request, if it was set.
#[must_use]
pub fn log_field(name: &str) -> Option<String> {
    CURRENT.try_with(|fields| fields.get(name)).ok().flatten()
}

impl LogFields {
    /// Runs `future`, collecting the log fields that its task sets.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    /// A field, if it was set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this is the first call in this process: the one that waited for its start.
pub fn cold_start() -> bool {
    static STARTED: AtomicBool = AtomicBool::new(false);
    !STARTED.swap(true, Ordering::Relaxed)
}
