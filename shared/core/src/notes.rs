//! What the one log line of a request says of it besides status and duration: written by whoever learns it, read at the end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Notes of one request, by name. Never a secret, an anonymous id or a body.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<&'static str, String>>>);

tokio::task_local! {
    static CURRENT: Notes;
}

/// Notes something of the current request. Outside of one there is nobody to note it for.
pub fn note(name: &'static str, value: impl Into<String>) {
    let _ = CURRENT.try_with(|notes| notes.lock().insert(name, value.into()));
}

/// What was noted of the current request under a name.
#[must_use]
pub fn noted(name: &str) -> Option<String> {
    CURRENT.try_with(|notes| notes.get(name)).ok().flatten()
}

impl Notes {
    /// Runs `future`, taking the notes of its task.
    pub async fn take<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    /// What was noted under a name.
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
    static WARM: AtomicBool = AtomicBool::new(false);
    !WARM.swap(true, Ordering::Relaxed)
}
