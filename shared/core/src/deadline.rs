//! Deadlines: when the platform ends a function, and when a training run gives up before that.

use std::time::{Duration, Instant, SystemTime};

use lambda_http::{Request, RequestExt as _};

use crate::app::App;

/// How long before its function's end a run gives up: enough to keep the error with the model, also where storage is slow.
const MARGIN: Duration = Duration::from_secs(15);

/// The moment of a deadline in epoch milliseconds.
pub(crate) fn at(millis: u64) -> Instant {
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    Instant::now() + deadline.duration_since(SystemTime::now()).unwrap_or_default()
}

/// When the platform ends the function that answers a request; `None` where nobody does.
#[must_use]
pub fn of(request: &Request) -> Option<Instant> {
    Some(at(request.lambda_context_ref()?.deadline))
}

impl App {
    /// The same app for one call, which the platform ends at `end`: its training runs give up 15 s earlier.
    #[must_use]
    pub fn until(&self, end: Option<Instant>) -> Self {
        Self { deadline: end.and_then(|end| end.checked_sub(MARGIN)), ..self.clone() }
    }
}
