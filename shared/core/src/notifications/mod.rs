//! What others are told of training runs: events of the source `fulcrum`, logged, and sent where the app is told to.
//!
//! A run is over when it is told of. What cannot be sent is logged and does not fail it; it is not sent again.

mod event_bridge;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::rfc3339;
use crate::log_fields::log_field;

pub use event_bridge::EventBridge;

/// How all events say where they come from.
pub const SOURCE: &str = "fulcrum";
/// How long an event may take to be sent.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A run put a version in force.
    Trained,
    /// A run failed, and nothing changed.
    TrainingFailed,
    /// A run found guardrails violated that the run before it did not.
    GuardrailViolated,
    /// A run found that data fail checks that they passed in the run before it.
    DataSuspect,
}

impl Subject {
    /// The `detail-type` of its events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::TrainingFailed => "training_failed",
            Self::GuardrailViolated => "guardrail_violated",
            Self::DataSuspect => "data_suspect",
        }
    }
}

/// An event of the source `fulcrum`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What it is about.
    pub subject: Subject,
    /// When that was.
    pub at: DateTime<Utc>,
    /// Whose model it was, and what there is to say.
    pub detail: Map<String, Value>,
}

impl Notification {
    /// The event as `EventBridge` delivers it, less what only `EventBridge` knows.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "source": SOURCE, "detail-type": self.subject.name(), "time": rfc3339(self.at), "detail": self.detail,
        })
    }
}

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);

/// An event on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// Whom events are sent to.
pub trait Recipient: Send + Sync {
    /// Sends an event.
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a>;
}

/// Where events go: into the log, and to a recipient where there is one.
#[derive(Clone, Default)]
pub struct Notifications(Option<Arc<dyn Recipient>>);

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Notifications(sent)" } else { "Notifications(logged)" })
    }
}

impl Notifications {
    /// To a recipient too.
    #[must_use]
    pub fn to(recipient: Arc<dyn Recipient>) -> Self {
        Self(Some(recipient))
    }

    /// Tells of something.
    pub async fn tell(&self, notification: &Notification) {
        let request_id = log_field("request_id");
        let (event, detail) = (notification.subject.name(), &notification.detail);
        let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
        tracing::info!(
            request_id,
            organization = of("organization_id"),
            optimization_id = of("optimization_id"),
            model_id = of("model_id"),
            event,
            "event"
        );
        let Some(recipient) = &self.0 else { return };
        if let Err(SendError(cause)) = send_within(TIMEOUT, recipient.as_ref(), notification).await {
            tracing::warn!(request_id, model_id = of("model_id"), event, cause, "an event was not sent");
        }
    }
}

/// Sends an event, once.
async fn send_within(time: Duration, recipient: &dyn Recipient, notification: &Notification) -> Result<(), SendError> {
    let late = |_| SendError(format!("it took longer than {} s", time.as_secs_f64()));
    tokio::time::timeout(time, recipient.send(notification)).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Slow;

    impl Recipient for Slow {
        fn send<'a>(&'a self, _: &'a Notification) -> Sending<'a> {
            Box::pin(std::future::pending())
        }
    }

    #[derive(Default)]
    struct Broken(Mutex<u32>);

    impl Recipient for Broken {
        fn send<'a>(&'a self, _: &'a Notification) -> Sending<'a> {
            *self.0.lock().unwrap() += 1;
            Box::pin(async { Err(SendError("no".into())) })
        }
    }

    fn notification() -> Notification {
        let detail = json!({"organization_id": "org", "model_id": "m"});
        let Value::Object(detail) = detail else { panic!() };
        Notification { subject: Subject::DataSuspect, at: DateTime::UNIX_EPOCH, detail }
    }

    #[test]
    fn an_event_has_the_fields_that_event_bridge_delivers() {
        let expected = json!({
            "source": "fulcrum", "detail-type": "data_suspect", "time": "1970-01-01T00:00:00Z",
            "detail": {"organization_id": "org", "model_id": "m"},
        });
        assert_eq!(notification().document(), expected);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_recipient_that_does_not_answer_and_none_is_asked_twice() {
        let late = send_within(Duration::from_millis(20), &Slow, &notification()).await.unwrap_err();
        assert_eq!(late.to_string(), "it took longer than 0.02 s");
        let broken = Arc::new(Broken::default());
        Notifications::to(broken.clone()).tell(&notification()).await;
        assert_eq!(*broken.0.lock().unwrap(), 1);
    }
}
