//! A Lambda function behind an SQS queue: batches in, the messages to be retried out.

use std::pin::Pin;
use std::time::Instant;

use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::deadline;
use crate::prewarm::Prewarm;
use crate::xray::Trace;

/// A batch of messages, as the platform hands it over.
#[derive(Clone, Debug, Deserialize)]
pub struct Batch {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<Message>,
}

/// One message.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub message_id: String,
    /// What it says.
    pub body: String,
    /// What the queue says of it.
    #[serde(default)]
    pub attributes: Attributes,
}

/// What the queue says of a message.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Attributes {
    /// How often it was received so far, this time included.
    #[serde(default, rename = "ApproximateReceiveCount")]
    receive_count: String,
}

impl Message {
    /// How often it was received so far, this time included; 0 where the queue does not say.
    #[must_use]
    pub fn receives(&self) -> u32 {
        self.attributes.receive_count.parse().unwrap_or(0)
    }
}

/// The messages that are to come again; the others are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// Them.
    pub batch_item_failures: Vec<Failure>,
}

/// A message that is to come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Its id.
    pub item_identifier: String,
}

/// What answers a batch; it is given the moment at which the platform ends it.
pub type BatchHandler = for<'a> fn(&'a App, Batch, Instant) -> Pin<Box<dyn Future<Output = BatchAnswer> + Send + 'a>>;

/// Runs a handler of batches as a Lambda function: all of such a function's `main`.
///
/// # Errors
/// Whatever keeps the function from starting.
pub async fn run(handler: BatchHandler) -> Result<(), lambda_runtime::Error> {
    crate::logging::init()?;
    let app = App::from_env_with_events().await?;
    Prewarm::Runs.open(&app).await;
    let app = &app;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Batch>| async move {
        let (started, messages) = (Instant::now(), event.payload.records.len());
        let answer = handler(app, event.payload, deadline::at(event.context.deadline)).await;
        if let Some(trace) = event.context.xray_trace_id.as_deref().and_then(Trace::parse) {
            let failed = answer.batch_item_failures.len();
            trace.send("batch", started.elapsed(), &[("messages", json!(messages)), ("failed", json!(failed))]);
        }
        Ok::<_, std::convert::Infallible>(answer)
    }))
    .await
}
