//! Schemas in use, by name: each a mapping to which the variations are to be added.

use serde_json::{Map, Value};

use crate::report::{cut, value};

/// A schema: its name, the path that holds the experiment, and its mapping.
type Preset = (&'static str, &'static str, &'static str);

const PRESETS: [Preset; 11] = [
    (
        "growthbook",
        "experiment_id",
        r#"{"exposures": {"anonymous_id": "user_id", "timestamp": "timestamp", "variant": {"from": "variation_id"}}}"#,
    ),
    ("segment", "experiment_id", SEGMENT),
    ("rudderstack", "experiment_id", SEGMENT),
    (
        "ga4",
        "event_params.experiment_id",
        r#"{"exposures": {"anonymous_id": "user_pseudo_id", "timestamp": "event_timestamp",
            "variant": {"from": "event_params.variation_id"},
            "context": {"device": "device.category", "country": "geo.country"},
            "where": {"event_name": "experiment_viewed"}},
          "rewards": {"anonymous_id": "user_pseudo_id", "timestamp": "event_timestamp", "name": "event_name",
            "value": "event_params.value"}}"#,
    ),
    (
        "amplitude",
        "event_properties.flag_key",
        r#"{"exposures": {"anonymous_id": "user_id", "timestamp": "event_time", "variant": {"from": "event_properties.variant"},
            "where": {"event_type": "$exposure"}},
          "rewards": {"anonymous_id": "user_id", "timestamp": "event_time", "name": "event_type",
            "value": "event_properties.value"}}"#,
    ),
    (
        "statsig",
        "name",
        r#"{"exposures": {"anonymous_id": "unit_id", "timestamp": "first_exposure_utc", "variant": {"from": "group_id"},
            "context": "user_dimensions"}}"#,
    ),
    (
        "eppo",
        "experiment",
        r#"{"exposures": {"anonymous_id": "subject", "timestamp": "timestamp", "variant": {"from": "variation"},
            "context": "subject_attributes"}}"#,
    ),
    (
        "eppo_bandit",
        "bandit_key",
        r#"{"exposures": {"anonymous_id": "subject", "timestamp": "timestamp", "variant": {"from": "action"},
            "context": "subject_categorical_attributes"}}"#,
    ),
    (
        "posthog",
        "properties.$feature_flag",
        r#"{"exposures": {"anonymous_id": "distinct_id", "timestamp": "timestamp",
            "variant": {"from": "properties.$feature_flag_response"}, "where": {"event": "$feature_flag_called"}},
          "rewards": {"anonymous_id": "distinct_id", "timestamp": "timestamp", "name": "event", "value": "properties.value"}}"#,
    ),
    (
        "snowplow",
        "se_label",
        r#"{"exposures": {"anonymous_id": "domain_userid", "timestamp": "collector_tstamp", "variant": {"from": "se_property"}},
          "rewards": {"anonymous_id": "domain_userid", "timestamp": "collector_tstamp", "name": "se_action", "value": "se_value"}}"#,
    ),
    (
        "launchdarkly",
        "flag_key",
        r#"{"exposures": {"anonymous_id": "context_key", "timestamp": "received_time", "variant": {"from": "variation_id"},
            "context": "context_attributes"}}"#,
    ),
];

const SEGMENT: &str = r#"{"exposures": {"anonymous_id": "anonymous_id", "timestamp": "received_at", "variant": {"from": "variation_id"}},
  "rewards": {"anonymous_id": "anonymous_id", "timestamp": "received_at", "name": "event"}}"#;

/// The names of all presets.
pub(super) fn names() -> String {
    PRESETS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

/// A preset, with its rows of one experiment only where one is named.
pub(super) fn preset(name: &str, experiment: Option<&Value>) -> Result<Map<String, Value>, String> {
    let found = PRESETS.iter().find(|(known, ..)| *known == name);
    let (_, path, mapping) =
        found.ok_or_else(|| format!("there is no preset {:?}; there are {}", cut(name), names()))?;
    let mut mapping: Map<String, Value> = serde_json::from_str(mapping).map_err(|error| error.to_string())?;
    let Some(experiment) = experiment else { return Ok(mapping) };
    if !experiment.is_string() && !experiment.is_number() {
        return Err(format!("experiment is {}; it must be a text or a number", value(experiment)));
    }
    if let Some(Value::Object(exposures)) = mapping.get_mut("exposures") {
        let filters = exposures.entry("where").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(filters) = filters {
            filters.insert((*path).to_owned(), experiment.clone());
        }
    }
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_mappings() {
        for (name, ..) in PRESETS {
            let mapping = preset(name, Some(&"checkout".into())).unwrap();
            let filters = mapping["exposures"]["where"].as_object().unwrap();
            assert!(filters.values().any(|value| value == "checkout"), "{name}");
        }
    }
}
