//! Deadlines: when the platform ends a function, and when a training run gives up before that.

use std::time::{Duration, Instant, SystemTime};

use lambda_http::{Request, RequestExt as _};

use crate::app::App;

/// How long before its function's end a run gives up: enough to keep the error with the model, also where storage is slow.
const MARGIN: Duration = Duration::from_secs(15);

/// How long before its function's end a call gives up waiting for another one: a second is the answer's.
const TO_SAY: Duration = Duration::from_millis(1_250);

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub(crate) Instant);

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
    /// The same app for a request, as [`App::until`] its function's end; what it has waited for so far counts.
    #[must_use]
    pub fn for_request(&self, request: &Request) -> Self {
        let arrived = request.extensions().get::<Arrived>();
        let waited = arrived.map_or(Duration::ZERO, |Arrived(at)| at.elapsed());
        Self { wait: self.wait.saturating_sub(waited), ..self.clone() }.until(of(request))
    }

    /// The same app for one call, which the platform ends at `end`: its training runs give up 15 s earlier.
    #[must_use]
    pub fn until(&self, end: Option<Instant>) -> Self {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()).saturating_sub(TO_SAY));
        let wait = left.map_or(self.wait, |left| left.min(self.wait));
        Self { deadline: end.and_then(|end| end.checked_sub(MARGIN)), wait, ..self.clone() }
    }
}
