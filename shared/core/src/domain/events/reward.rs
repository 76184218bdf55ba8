//! A reward: somebody did something.

use std::borrow::Cow;

use ::events::incoming::RewardLine;
use ::events::{EventKey, Kind};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::{Fault, RejectedEvent, check_length, optimization, parse, timestamp};
use crate::error::ApiError;

/// A reward: somebody did something.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Reward"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// Who did it: 1 to 1,024 bytes of UTF-8, the id that was served.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 1024)))]
    anonymous_id: String,
    /// What was done: 1 to 256 characters. It counts for the models whose reward has this name.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    name: String,
    /// What it is worth, in the unit of the reward; 1 where absent.
    #[serde(default)]
    value: Option<f64>,
    /// When it was done: RFC 3339 with its offset, at most 24 hours ahead of the server's clock; the time of the request where it
    /// is absent.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    #[serde(default)]
    timestamp: Option<String>,
    /// What makes a repeated event one event: 1 to 256 bytes of UTF-8, unique among the rewards of the organization.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    #[serde(default)]
    idempotency_key: Option<String>,
    /// The optimization that it counts for; all that know its name where it is absent.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    #[serde(default)]
    optimization_id: Option<String>,
    /// Whatever else is known of it; kept beside the event.
    #[serde(default)]
    properties: Option<Map<String, Value>>,
}

/// A good reward.
#[derive(Debug)]
pub struct Reward {
    body: Body,
    optimization: Option<Uuid>,
    timestamp: i64,
}

impl Reward {
    /// A reward from its text, received at a time.
    ///
    /// # Errors
    /// Why it is rejected.
    pub fn parse(event: &RawValue, index: usize, now: DateTime<Utc>) -> Result<Self, RejectedEvent> {
        Self::checked(event, now).map_err(|fault| fault.reject(index))
    }

    fn checked(event: &RawValue, now: DateTime<Utc>) -> Result<Self, Fault> {
        let body: Body = parse(event)?;
        check_length("anonymous_id", &body.anonymous_id, 1024)?;
        // As long as the name of a model's reward may be.
        if !(1..=256).contains(&body.name.chars().count()) {
            return Err(Fault::at("name", format!("{:?} is not a string of 1 to 256 characters", body.name)));
        }
        if let Some(key) = &body.idempotency_key {
            check_length("idempotency_key", key, 256)?;
        }
        let optimization = body.optimization_id.as_deref().map(optimization).transpose()?;
        let timestamp = timestamp(body.timestamp.as_deref(), now)?;
        Ok(Self { body, optimization, timestamp })
    }

    /// Keeps another id in the place of the visitor's own.
    pub fn keep_id(&mut self, kept: impl FnOnce(&str) -> String) {
        self.body.anonymous_id = kept(&self.body.anonymous_id);
    }

    /// What it counts for; all that know the name where there is none.
    #[must_use]
    pub const fn optimization(&self) -> Option<Uuid> {
        self.optimization
    }

    /// Writes it as a line of an object; `place` is where it stands in it.
    ///
    /// # Errors
    /// [`ApiError::Internal`].
    pub fn write(&self, lines: &mut Vec<u8>, place: (&str, usize)) -> Result<(), ApiError> {
        let body = &self.body;
        let kind = Kind::Rewards;
        let key = match &body.idempotency_key {
            Some(key) => EventKey::given(kind, key),
            None => EventKey::of_place(kind, place.0, place.1),
        };
        let properties = body.properties.as_ref().map(serde_json::value::to_raw_value).transpose();
        let properties = properties.map_err(ApiError::internal)?;
        let optimization = self.optimization.map(|id| id.to_string());
        let line = RewardLine {
            key: &key.hex(),
            anonymous_id: Cow::Borrowed(&body.anonymous_id),
            timestamp: self.timestamp,
            name: Cow::Borrowed(&body.name),
            value: body.value.unwrap_or(1.0),
            optimization_id: optimization.as_deref(),
            properties: properties.as_deref(),
        };
        serde_json::to_writer(&mut *lines, &line).map_err(ApiError::internal)?;
        lines.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(event: &str) -> Result<Value, RejectedEvent> {
        let raw: Box<RawValue> = serde_json::from_str(event).unwrap();
        let reward = Reward::parse(&raw, 0, DateTime::UNIX_EPOCH)?;
        let mut lines = Vec::new();
        reward.write(&mut lines, ("object", 0)).unwrap();
        assert_eq!(String::from_utf8(lines.clone()).unwrap().lines().count(), 1, "an event is one line");
        Ok(serde_json::from_slice(&lines).unwrap())
    }

    #[test]
    fn a_reward_is_worth_one_where_nothing_else_is_said() {
        let stored = line(r#"{"anonymous_id": "v", "name": "signup"}"#).unwrap();
        assert_eq!((&stored["value"], &stored["timestamp"]), (&json!(1.0), &json!(0)));
        assert!(stored.get("optimization_id").is_none() && stored.get("properties").is_none(), "{stored}");
        let stored = line(
            "{\"anonymous_id\": \"v\",\n \"name\": \"sale\", \"value\": -2.5, \"properties\": {\n\"a\": [1,\n2]}}",
        );
        let stored = stored.unwrap();
        assert_eq!((&stored["value"], &stored["properties"]), (&json!(-2.5), &json!({"a": [1, 2]})));
    }

    #[test]
    fn an_event_without_a_key_is_known_by_its_place() {
        let given = |key: &str| {
            let event = format!(r#"{{"anonymous_id": "v", "name": "signup", "idempotency_key": {key}}}"#);
            line(&event).unwrap()["key"].clone()
        };
        assert_eq!(given("\"k\""), EventKey::given(Kind::Rewards, "k").hex());
        assert_eq!(given("null"), EventKey::of_place(Kind::Rewards, "object", 0).hex());
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        for (event, place, told) in [
            (r#"{"name": "a"}"#, "", "missing field `anonymous_id`"),
            (r#"{"anonymous_id": "v", "name": ""}"#, ".name", "is not a string of 1 to 256 characters"),
            (r#"{"anonymous_id": "v", "name": "a", "value": "1"}"#, ".value", "invalid type: string"),
            (r#"{"anonymous_id": "v", "name": "a", "value": 1e999}"#, ".value", "number out of range"),
            (r#"{"anonymous_id": "v", "name": "a", "properties": [1]}"#, ".properties", "invalid type: sequence"),
            (r#"{"anonymous_id": "v", "name": "a", "optimization_id": "x"}"#, ".optimization_id", "is not a UUID"),
        ] {
            let rejected = line(event).unwrap_err();
            assert_eq!(rejected.details[0].field, format!("events[0]{place}"), "{rejected:?}");
            assert!(rejected.message.contains(told), "{rejected:?}");
        }
    }
}
