//! Batches of events on their way to the service: the same batch again, with the same keys, until it is taken.

use std::time::Duration;

use bytes::Bytes;
use events::Kind;
use lambda_http::http::Method;
use serde_json::Value;

use crate::answers::{list, text};
use crate::client::Client;
use crate::error::CliError;

/// The most events of a request.
pub(crate) const MOST_EVENTS: usize = 500;
/// The most bytes of a request, with room for what is around the events.
pub(crate) const MOST_BYTES: usize = 4_500_000;
/// So often a batch is sent before the last failure is told.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What came of a batch.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Events that are stored.
    pub(crate) accepted: usize,
    /// Those that are not: the place in the batch, and why.
    pub(crate) rejected: Vec<(usize, String)>,
    /// What the service remarks.
    pub(crate) warnings: Vec<String>,
}

/// Sends a batch of events, each of them JSON. One that names an optimization of somebody else is left out, and the others are sent.
///
/// # Errors
/// What the last attempt ended with.
pub(crate) async fn deliver(client: &Client, kind: Kind, batch: &[String]) -> Result<Delivered, CliError> {
    let mut left: Vec<(usize, &str)> = batch.iter().map(String::as_str).enumerate().collect();
    let mut delivered = Delivered::default();
    while !left.is_empty() {
        let events: Vec<&str> = left.iter().map(|(_, event)| *event).collect();
        let body = Bytes::from(format!("{{\"events\":[{}]}}", events.join(",")));
        match attempts(client, kind, body).await {
            Ok(answer) => {
                delivered.accepted = answer["accepted"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                for rejected in list(&answer, "/rejected") {
                    let at = rejected["index"].as_u64().and_then(|index| usize::try_from(index).ok());
                    let place = at.and_then(|at| left.get(at)).map_or(0, |(place, _)| *place);
                    delivered.rejected.push((place, text(rejected, "/message")));
                }
                delivered.warnings.extend(list(&answer, "/warnings").iter().map(|warning| text(warning, "/message")));
                return Ok(delivered);
            }
            Err(error) => match foreign(&error).filter(|at| *at < left.len()) {
                Some(at) => {
                    let (place, _) = left.remove(at);
                    delivered.rejected.push((place, first_line(&error)));
                }
                None => return Err(error),
            },
        }
    }
    Ok(delivered)
}

async fn attempts(client: &Client, kind: Kind, body: Bytes) -> Result<Value, CliError> {
    let path = format!("/api/v2/ingest/{}", kind.as_str());
    let (mut pause, mut attempt) = (FIRST_PAUSE, 1);
    loop {
        match client.send(Method::POST, &path, Some(body.clone())).await {
            Err(error) if attempt < ATTEMPTS && may_succeed(&error) => {
                tokio::time::sleep(pause).await;
                (pause, attempt) = (pause * 2, attempt + 1);
            }
            ended => return ended,
        }
    }
}

/// Whether the same events may be taken later: they carry their keys, so that they are sent again after any failure of the service.
fn may_succeed(error: &CliError) -> bool {
    error.says_again()
        || match error {
            CliError::Refused { status, .. } | CliError::NotTheApi { status, .. } => *status == 429 || *status >= 500,
            CliError::Unreachable { .. } => true,
            _ => false,
        }
}

/// The event that made the service refuse a whole batch, since its optimization is somebody else's.
fn foreign(error: &CliError) -> Option<usize> {
    let CliError::Refused { status: 403, body, .. } = error else { return None };
    let message = body.pointer("/error/message")?.as_str()?;
    message.strip_prefix("events[")?.split_once(']')?.0.parse().ok()
}

fn first_line(error: &CliError) -> String {
    match error {
        CliError::Refused { body, .. } => text(body, "/error/message"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, message: &str) -> CliError {
        CliError::Refused { status, body: json!({"error": {"message": message}}), retryable: false }
    }

    #[test]
    fn the_event_that_spoils_a_batch_is_known_by_its_place() {
        assert_eq!(foreign(&refused(403, "events[12].optimization_id: x is not yours")), Some(12));
        assert_eq!(foreign(&refused(403, "the key lacks the scope events:write")), None);
        assert_eq!(foreign(&refused(400, "events[12]")), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, again) in
            [(400, false), (401, false), (403, false), (413, false), (429, true), (500, true), (503, true)]
        {
            assert_eq!(may_succeed(&refused(status, "x")), again, "{status}");
        }
    }
}
