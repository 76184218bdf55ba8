//! Training triggers in messages of the queue: EventBridge events, as JSON, of complete snapshots, training requests and the
//! schedule. Compaction triggers likewise: events of flushes and of a schedule.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::auth::is_organization_id;
use crate::domain::{CompactionTrigger, TrainingTrigger};
use crate::store::{FLUSHES, REQUESTS};

/// A message that is no event of EventBridge. It stays in the queue until it is put aside for people to look at.
#[derive(Debug, thiserror::Error)]
#[error("the message is no event of EventBridge: {0}")]
pub struct Malformed(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Event {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ObjectCreated {
    bucket: Name,
    object: Key,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// The training trigger that a message is, or why it is none.
///
/// # Errors
/// [`Malformed`].
pub fn training_trigger(message: &str, bucket: &str) -> Result<Result<TrainingTrigger, &'static str>, Malformed> {
    let event: Event = serde_json::from_str(message)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events" | "aws.scheduler", _) => Ok(Ok(TrainingTrigger::Schedule)),
        ("aws.s3", "Object Created") => {
            let detail: ObjectCreated = serde_json::from_value(event.detail.unwrap_or_default())?;
            if detail.bucket.name != bucket {
                return Ok(Err("the object is in another bucket"));
            }
            Ok(of_key(&detail.object.key).ok_or("the object neither completes a snapshot nor is a training request"))
        }
        _ => Ok(Err("the event is of another kind")),
    }
}

/// The compaction trigger that an event is, or why it is none.
///
/// # Errors
/// [`Malformed`].
pub fn compaction_trigger(event: Value, bucket: &str) -> Result<Result<CompactionTrigger, &'static str>, Malformed> {
    let event: Event = serde_json::from_value(event)?;
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.events" | "aws.scheduler", _) => Ok(Ok(CompactionTrigger::Schedule)),
        ("aws.s3", "Object Created") => {
            let detail: ObjectCreated = serde_json::from_value(event.detail.unwrap_or_default())?;
            if detail.bucket.name != bucket {
                return Ok(Err("the object is in another bucket"));
            }
            let organization = detail.object.key.strip_prefix(FLUSHES).filter(|name| is_organization_id(name));
            let flush = organization.map(|name| CompactionTrigger::Flush { organization: name.to_owned() });
            Ok(flush.ok_or("the object does not ask for a compaction"))
        }
        _ => Ok(Err("the event is of another kind")),
    }
}

fn of_key(key: &str) -> Option<TrainingTrigger> {
    if let Some(rest) = key.strip_prefix(REQUESTS) {
        let [organization, model, name] = split(rest)?;
        name.strip_suffix(".json").filter(|name| !name.is_empty())?;
        return Some(TrainingTrigger::TrainingRequested {
            organization: organization.to_owned(),
            model: uuid(model)?,
            key: key.to_owned(),
        });
    }
    let rest = key.strip_prefix("snapshots/")?.strip_suffix("/_SUCCESS")?;
    let [organization, optimization, snapshot] = split(rest)?;
    Some(TrainingTrigger::SnapshotCompleted {
        organization: organization.to_owned(),
        optimization: uuid(optimization)?,
        snapshot: snapshot.to_owned(),
    })
}

/// Exactly three parts, none of them empty.
fn split(path: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = path.split('/').collect();
    <[&str; 3]>::try_from(parts).ok().filter(|parts| parts.iter().all(|part| !part.is_empty()))
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "4754cae0-9a5d-4691-91af-6d15ccc1f82e";

    fn created(bucket: &str, key: &str) -> String {
        json!({
            "version": "0", "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 0}}
        })
        .to_string()
    }

    #[test]
    fn the_end_of_a_snapshot_is_an_training_trigger() {
        let message = created("b", &format!("snapshots/org_1/{ID}/2026-11-23T19-00-00Z/_SUCCESS"));
        let expected = TrainingTrigger::SnapshotCompleted {
            organization: "org_1".into(),
            optimization: ID.parse().unwrap(),
            snapshot: "2026-11-23T19-00-00Z".into(),
        };
        assert_eq!(training_trigger(&message, "b").unwrap(), Ok(expected));
    }

    #[test]
    fn a_request_is_an_training_trigger() {
        let key = format!("requests/org_1/{ID}/abc.json");
        let expected = TrainingTrigger::TrainingRequested {
            organization: "org_1".into(),
            model: ID.parse().unwrap(),
            key: key.clone(),
        };
        assert_eq!(training_trigger(&created("b", &key), "b").unwrap(), Ok(expected));
    }

    #[test]
    fn a_flush_and_a_schedule_are_compaction_triggers() {
        let trigger = |event: &str| compaction_trigger(serde_json::from_str(event).unwrap(), "b").unwrap();
        let scheduled = r#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        assert_eq!(trigger(scheduled), Ok(CompactionTrigger::Schedule));
        let flush = CompactionTrigger::Flush { organization: "org_1".into() };
        assert_eq!(trigger(&created("b", "flushes/org_1")), Ok(flush));
        for key in ["flushes/", "flushes/a/b", "requests/org_1", "events/org_1/flushes/org_1"] {
            assert!(trigger(&created("b", key)).is_err(), "{key}");
        }
        assert!(trigger(&created("another", "flushes/org_1")).is_err());
        assert!(compaction_trigger(json!([]), "b").is_err());
    }

    #[test]
    fn the_schedule_is_an_training_trigger() {
        let message = r#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        assert_eq!(training_trigger(message, "b").unwrap(), Ok(TrainingTrigger::Schedule));
    }

    #[test]
    fn other_objects_are_none() {
        for key in [
            format!("snapshots/org_1/{ID}/1/exposures/part-0.parquet"),
            format!("snapshots/org_1/{ID}/_SUCCESS"),
            format!("snapshots/org_1/{ID}/1/2/_SUCCESS"),
            "snapshots/org_1/no-uuid/1/_SUCCESS".to_owned(),
            format!("snapshots//{ID}/1/_SUCCESS"),
            format!("requests/org_1/{ID}/.json"),
            format!("requests/org_1/{ID}/abc"),
            format!("posteriors/org_1/{ID}/1.safetensors"),
        ] {
            assert!(training_trigger(&created("b", &key), "b").unwrap().is_err(), "{key}");
        }
        let complete = format!("snapshots/org_1/{ID}/1/_SUCCESS");
        assert!(training_trigger(&created("another", &complete), "b").unwrap().is_err());
        assert!(training_trigger(r#"{"source": "aws.ec2", "detail-type": "x"}"#, "b").unwrap().is_err());
    }

    #[test]
    fn what_is_no_event_is_malformed() {
        for message in ["", "{", "[]", "{}", r#"{"source": "aws.s3", "detail-type": "Object Created"}"#] {
            assert!(training_trigger(message, "b").is_err(), "{message}");
        }
    }
}
