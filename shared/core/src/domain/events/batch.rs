//! The body of an ingestion request: a list of events, each of which is good or bad for itself.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{ApiError, Detail};

/// The most events of one request.
pub const MOST_EVENTS: usize = 500;

/// The body, with events that are read or not yet.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "{E}Batch"))]
#[serde(deny_unknown_fields, bound(deserialize = "E: Deserialize<'de>"))]
pub(crate) struct Batch<E> {
    /// The events: 1 to 500. Each is stored or rejected for itself.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 500)))]
    events: Vec<E>,
}

/// The events of a body, each as its own text.
///
/// # Errors
/// [`ApiError::InvalidRequest`] where the body is no list of 1 to [`MOST_EVENTS`] events.
pub fn split_batch(body: &[u8]) -> Result<Vec<&RawValue>, ApiError> {
    // serde would take a list for an object, its values by their places.
    if body.trim_ascii_start().starts_with(b"[") {
        let message = "the body: invalid type: sequence, expected an object; send {\"events\": [\u{2026}]}";
        return Err(ApiError::invalid(message));
    }
    let batch: Batch<&RawValue> = serde_json::from_slice(body).map_err(|e| {
        let what = if e.is_data() { "the body" } else { "the body is not JSON" };
        ApiError::invalid(format!("{what}: {e}; send {{\"events\": [\u{2026}]}}"))
    })?;
    let count = batch.events.len();
    if (1..=MOST_EVENTS).contains(&count) {
        return Ok(batch.events);
    }
    let message = format!("there are {count} events; 1 to {MOST_EVENTS} are accepted in one request");
    Err(ApiError::invalid_at(vec![Detail::new("events", message)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_list_of_events() {
        assert_eq!(split_batch(br#"{"events": [{"a": 1}, 2]}"#).unwrap().len(), 2);
        let many = format!(r#"{{"events": [{}0]}}"#, "0,".repeat(500));
        for (body, told) in [
            ("", "not JSON"),
            ("[]", "the body: "),
            (" [[{}]]", "the body: invalid type: sequence, expected an object"),
            ("{}", "missing field `events`"),
            (r#"{"events": 1}"#, "the body: "),
            (r#"{"events": [1], "more": 2}"#, "unknown field `more`"),
            (r#"{"events": [1]} 2"#, "not JSON"),
        ] {
            let error = split_batch(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{body}: {error}");
        }
        for (body, count) in [(r#"{"events": []}"#, 0), (many.as_str(), 501)] {
            let Err(ApiError::InvalidRequest { details, .. }) = split_batch(body.as_bytes()) else { panic!("{body}") };
            assert!(details[0].message.starts_with(&format!("there are {count} events")), "{details:?}");
        }
    }
}
