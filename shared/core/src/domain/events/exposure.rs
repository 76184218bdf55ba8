//! An exposure: somebody saw a variant.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::events::incoming::ExposureLine;
use ::events::{EventKey, Kind};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::fields::{Factors, Fault, RejectedEvent, check_length, optimization, parse, timestamp};
#[cfg(feature = "openapi")]
use crate::domain::described::EventLevel;
use crate::error::ApiError;

/// An exposure: somebody saw a variant.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Exposure"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    /// Who saw it: 1 to 1,024 bytes of UTF-8, the id that was served.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 1024)))]
    anonymous_id: String,
    /// The optimization that was served.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    optimization_id: String,
    /// The variant that was seen: a level for each design factor.
    #[cfg_attr(feature = "openapi", schemars(with = "BTreeMap<String, EventLevel>", extend("minProperties" = 1)))]
    variant: Factors,
    /// What was known of the visitor, by the names of context factors; null is unknown.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<BTreeMap<String, Option<EventLevel>>>"))]
    #[serde(default)]
    context: Option<Factors>,
    /// When it was seen: RFC 3339 with its offset, at most 24 hours ahead of the server's clock; the time of the request where it
    /// is absent.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    #[serde(default)]
    timestamp: Option<String>,
    /// What makes a repeated event one event: 1 to 256 bytes of UTF-8, unique among the exposures of the organization.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 256)))]
    #[serde(default)]
    idempotency_key: Option<String>,
    /// The posterior that was served, as serving answered it.
    #[cfg_attr(feature = "openapi", schemars(range(max = 9_223_372_036_854_775_807_u64)))]
    #[serde(default)]
    posterior_version: Option<u64>,
    /// The probability with which the variant was served, as serving answered it: above 0, at most 1.
    #[cfg_attr(feature = "openapi", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    #[serde(default)]
    propensity: Option<f64>,
    /// Whether the visitor belongs to the holdout, as serving answered it.
    #[serde(default)]
    holdout: Option<bool>,
}

/// A good exposure.
#[derive(Debug)]
pub struct Exposure {
    body: Body,
    optimization: Uuid,
    timestamp: i64,
    posterior_version: Option<i64>,
}

impl Exposure {
    /// An exposure from its text, received at a time.
    ///
    /// # Errors
    /// Why it is rejected.
    pub fn parse(event: &RawValue, index: usize, now: DateTime<Utc>) -> Result<Self, RejectedEvent> {
        Self::checked(event, now).map_err(|fault| fault.reject(index))
    }

    fn checked(event: &RawValue, now: DateTime<Utc>) -> Result<Self, Fault> {
        let body: Body = parse(event)?;
        check_length("anonymous_id", &body.anonymous_id, 1024)?;
        let optimization = optimization(&body.optimization_id)?;
        if body.variant.0.is_empty() {
            return Err(Fault::at("variant", "it has no factor"));
        }
        body.variant.check("variant", false)?;
        if let Some(context) = &body.context {
            context.check("context", true)?;
        }
        if let Some(key) = &body.idempotency_key {
            check_length("idempotency_key", key, 256)?;
        }
        if let Some(propensity) = body.propensity.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(Fault::at("propensity", format!("{propensity} is not a probability above 0 and up to 1")));
        }
        let version = body.posterior_version.map(i64::try_from).transpose();
        let posterior_version = version.map_err(|_| Fault::at("posterior_version", "it is too large"))?;
        let timestamp = timestamp(body.timestamp.as_deref(), now)?;
        Ok(Self { body, optimization, timestamp, posterior_version })
    }

    /// Keeps another id in the place of the visitor's own.
    pub fn keep_id(&mut self, kept: impl FnOnce(&str) -> String) {
        self.body.anonymous_id = kept(&self.body.anonymous_id);
    }

    /// What it is an exposure of.
    #[must_use]
    pub const fn optimization(&self) -> Uuid {
        self.optimization
    }

    /// What was seen.
    #[must_use]
    pub const fn variant(&self) -> &BTreeMap<String, Value> {
        &self.body.variant.0
    }

    /// By whom.
    #[must_use]
    pub fn context(&self) -> Option<&BTreeMap<String, Value>> {
        self.body.context.as_ref().map(|context| &context.0)
    }

    /// Writes it as a line of an object; `place` is where it stands in it.
    ///
    /// # Errors
    /// [`ApiError::Internal`].
    pub fn write(&self, lines: &mut Vec<u8>, place: (&str, usize)) -> Result<(), ApiError> {
        let body = &self.body;
        let kind = Kind::Exposures;
        let key = match &body.idempotency_key {
            Some(key) => EventKey::given(kind, key),
            None => EventKey::of_place(kind, place.0, place.1),
        };
        let (variant, context) = (body.variant.to_json()?, body.context.as_ref().map(Factors::to_json).transpose()?);
        let line = ExposureLine {
            key: &key.hex(),
            anonymous_id: Cow::Borrowed(&body.anonymous_id),
            timestamp: self.timestamp,
            optimization_id: &self.optimization.to_string(),
            variant: &variant,
            context: context.as_deref(),
            posterior_version: self.posterior_version,
            propensity: body.propensity,
            holdout: body.holdout,
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

    const NOW: &str = "2026-11-28T06:00:00Z";

    fn parsed(event: &Value) -> Result<i64, RejectedEvent> {
        let raw = serde_json::value::to_raw_value(event).unwrap();
        Exposure::parse(&raw, 3, NOW.parse().unwrap()).map(|exposure| exposure.timestamp)
    }

    fn good() -> Value {
        json!({
            "anonymous_id": "v", "optimization_id": "4754cae0-9a5d-4691-91af-6d15ccc1f82e",
            "variant": {"headline": "A", "sticky": true, "size": 2},
        })
    }

    #[test]
    fn what_may_be_left_out_may_be_null() {
        let now = NOW.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(parsed(&good()), Ok(now.timestamp_micros()));
        let mut event = good();
        for field in ["context", "timestamp", "idempotency_key", "posterior_version", "propensity", "holdout"] {
            event[field] = Value::Null;
        }
        assert!(parsed(&event).is_ok());
        event["context"] = json!({"device": null});
        event["timestamp"] = json!("2026-11-28T09:00:00.000001+02:00");
        assert_eq!(parsed(&event), Ok(now.timestamp_micros() + 3_600_000_001));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        for (field, value, place, told) in [
            ("anonymous_id", json!(""), ".anonymous_id", "it has 0 bytes; 1 to 1024 are accepted"),
            ("anonymous_id", json!("a".repeat(1025)), ".anonymous_id", "it has 1025 bytes"),
            ("anonymous_id", json!(5), ".anonymous_id", "invalid type: integer `5`"),
            ("optimization_id", json!("x"), ".optimization_id", "\"x\" is not a UUID"),
            ("variant", json!({}), ".variant", "it has no factor"),
            ("variant", json!({"a": null}), ".variant.a", "null is not a level"),
            ("variant", json!({"a": [1]}), ".variant.a", "[1] is not a level"),
            ("context", json!({"a": {}}), ".context.a", "{} is not a level"),
            ("timestamp", json!("yesterday"), ".timestamp", "is not a time with its offset"),
            ("timestamp", json!("2026-11-28T06:00:00"), ".timestamp", "is not a time with its offset"),
            ("idempotency_key", json!(""), ".idempotency_key", "it has 0 bytes"),
            ("idempotency_key", json!("k".repeat(257)), ".idempotency_key", "it has 257 bytes"),
            ("propensity", json!(0), ".propensity", "0 is not a probability"),
            ("propensity", json!(1.5), ".propensity", "1.5 is not a probability"),
            ("posterior_version", json!(-1), ".posterior_version", "invalid value"),
            ("holdout", json!("no"), ".holdout", "invalid type"),
            ("idempotencyKey", json!("k"), ".idempotencyKey", "unknown field `idempotencyKey`"),
        ] {
            let mut event = good();
            event[field] = value;
            let rejected = parsed(&event).unwrap_err();
            assert_eq!((rejected.index, rejected.code), (3, "invalid_event"), "{event}");
            assert_eq!(rejected.details[0].field, format!("events[3]{place}"), "{rejected:?}");
            assert!(rejected.details[0].message.starts_with(told) || rejected.message.contains(told), "{rejected:?}");
        }
        let mut event = good();
        event.as_object_mut().unwrap().remove("variant");
        assert!(parsed(&event).unwrap_err().message.contains("missing field `variant`"));
        assert!(parsed(&json!([1])).is_err());
    }

    #[test]
    fn a_time_may_be_a_day_ahead_and_no_more() {
        let mut event = good();
        event["timestamp"] = json!("2026-11-29T06:00:00Z");
        assert!(parsed(&event).is_ok());
        event["timestamp"] = json!("2026-11-29T06:00:01Z");
        assert_eq!(parsed(&event).unwrap_err().code, "timestamp_in_the_future");
    }
}
