//! What exposures and rewards have in common: ids, times, keys, and what is told of an event that is not good.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::parse_uuid;
use crate::error::{ApiError, Detail};
use crate::strict;

/// How far ahead of the server's clock a timestamp may be.
const MOST_AHEAD: TimeDelta = TimeDelta::hours(24);

/// An event that is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RejectedEvent {
    /// Its place in the request.
    pub index: usize,
    /// `invalid_event`, or `timestamp_in_the_future`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

/// Something about stored events that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct IngestWarning {
    /// `unknown_variant` or `unknown_context_level`.
    pub code: &'static str,
    /// What it means, and how many events have it.
    pub message: String,
    /// The first of them.
    pub example: WarningExample,
}

/// Where a warning was first found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WarningExample {
    /// The event's place in the request.
    pub index: usize,
    /// The factor.
    pub factor: String,
    /// The level that the model does not have; null where the factor is missing.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<crate::domain::described::EventLevel>"))]
    pub level: Value,
}

/// Factor → level.
#[derive(Debug, Deserialize)]
pub(super) struct Factors(pub(super) BTreeMap<String, Value>);

impl Factors {
    /// Whether all levels are texts, numbers, bools, or null where that is allowed.
    pub(super) fn check(&self, field: &str, null: bool) -> Result<(), Fault> {
        for (factor, level) in &self.0 {
            let good = match level {
                Value::String(_) | Value::Bool(_) | Value::Number(_) => true,
                Value::Null => null,
                Value::Array(_) | Value::Object(_) => false,
            };
            if !good {
                let message = format!("{level} is not a level; send a string, a number or a bool");
                return Err(Fault::at(format!("{field}.{factor}"), message));
            }
        }
        Ok(())
    }

    /// As JSON with the factors in the order of their names, so that equal ones are equal texts.
    pub(super) fn to_json(&self) -> Result<Box<RawValue>, ApiError> {
        serde_json::value::to_raw_value(&self.0).map_err(ApiError::internal)
    }
}

/// Why an event is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: &'static str,
    field: String,
    message: String,
}

impl Fault {
    pub(super) fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: "invalid_event", field: field.into(), message: message.into() }
    }

    /// As the answer tells it of the event at an index.
    pub(super) fn reject(self, index: usize) -> RejectedEvent {
        let place = if self.field.is_empty() { String::new() } else { format!(".{}", self.field) };
        let details = vec![Detail::new(format!("events[{index}]{place}"), self.message.clone())];
        let message = if self.field.is_empty() { self.message } else { format!("{}: {}", self.field, self.message) };
        RejectedEvent { index, code: self.code, message, details }
    }
}

/// An event's text as a body.
pub(super) fn parse<T: DeserializeOwned>(event: &RawValue) -> Result<T, Fault> {
    strict::from_value_text(event.get()).map_err(|e| {
        let field = e.path().to_string();
        // The event's own place in the body says more than a line and column in it.
        let message = e.into_inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Fault::at(if field == "." { String::new() } else { field }, message)
    })
}

pub(super) fn check_length(field: &str, text: &str, most: usize) -> Result<(), Fault> {
    if (1..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(Fault::at(field, format!("it has {} bytes; 1 to {most} are accepted", text.len())))
}

/// A timestamp in microseconds since 1970; now where there is none.
pub(super) fn timestamp(given: Option<&str>, now: DateTime<Utc>) -> Result<i64, Fault> {
    let Some(text) = given else { return Ok(now.timestamp_micros()) };
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
        let message = format!("{text:?} is not a time with its offset, such as 2026-11-28T06:20:16.123Z");
        Fault::at("timestamp", message)
    })?;
    if time.to_utc() > now + MOST_AHEAD {
        let message = format!("{text:?} is more than 24 hours ahead of the server's clock");
        return Err(Fault { code: "timestamp_in_the_future", ..Fault::at("timestamp", message) });
    }
    Ok(time.timestamp_micros())
}

pub(super) fn optimization(text: &str) -> Result<Uuid, Fault> {
    parse_uuid("optimization_id", text).map_err(|_| {
        Fault::at("optimization_id", format!("{text:?} is not a UUID, such as 4754cae0-9a5d-4691-91af-6d15ccc1f82e"))
    })
}
