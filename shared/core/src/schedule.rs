//! A function that EventBridge invokes with one event, by a schedule or by a rule.

use std::pin::Pin;
use std::time::Instant;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::app::App;
use crate::deadline;
use crate::xray::Trace;

/// What answers an event; it is given the moment at which the platform ends it. An error makes the platform try again.
pub type EventHandler = for<'a> fn(
    &'a App,
    Value,
    Instant,
) -> Pin<Box<dyn Future<Output = Result<Value, lambda_runtime::Error>> + Send + 'a>>;

/// Runs a handler of events as a Lambda function: all of such a function's `main`.
///
/// # Errors
/// Whatever keeps the function from starting.
pub async fn run(handler: EventHandler) -> Result<(), lambda_runtime::Error> {
    crate::logging::init()?;
    let app = App::from_env().await?;
    let app = &app;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let started = Instant::now();
        let answer = handler(app, event.payload, deadline::at(event.context.deadline)).await;
        if let Some(trace) = event.context.xray_trace_id.as_deref().and_then(Trace::parse) {
            trace.send("event", started.elapsed(), &[("failed", Value::Bool(answer.is_err()))]);
        }
        answer
    }))
    .await
}
