//! Metrics, as lines of CloudWatch's embedded metric format on standard output: the platform makes metrics of them, and they
//! cost no call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::events::Report;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::clock::{Clock, SystemClock};
use crate::domain::PosteriorRecord;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Fulcrum";

type Sink = dyn Fn(String) + Send + Sync;

/// Where metrics go, if anywhere.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Inner>>);

struct Inner {
    stage: String,
    clock: Arc<dyn Clock>,
    sink: Box<Sink>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({})", self.0.as_ref().map_or("off", |inner| &inner.stage))
    }
}

impl Metrics {
    /// None at all.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// On standard output, for a stage of the service.
    #[must_use]
    pub fn on_stdout(stage: &str) -> Self {
        let sink = |line: String| {
            use std::io::Write as _;
            // A metric that cannot be written is no reason to fail a request.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        };
        Self::to(stage, Arc::new(SystemClock), sink)
    }

    /// To a sink that takes each line.
    pub fn to(stage: &str, clock: Arc<dyn Clock>, sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Inner { stage: stage.to_owned(), clock, sink: Box::new(sink) })))
    }

    /// A run that put a posterior in force: how many observations, how long it took, how fast rows were read, how many were
    /// skipped.
    pub fn trained(&self, posterior: &PosteriorRecord, took: Duration, reading: Duration) {
        let seen = &posterior.observations;
        let skipped: u64 = seen.skipped.values().sum();
        let rows = count(seen.exposures + seen.rewards + skipped);
        let mut values = vec![
            ("Trainings", "Count", 1.0),
            ("Observations", "Count", count(seen.exposures)),
            ("SkippedRows", "Count", count(skipped)),
            ("TrainingDurationMs", "Milliseconds", took.as_secs_f64() * 1e3),
        ];
        if reading > Duration::ZERO {
            values.push(("RowsPerSecond", "Count/Second", rows / reading.as_secs_f64()));
        }
        self.emit(&values, &[("snapshot_id", json!(posterior.snapshot_id))]);
    }

    /// A run that failed.
    pub fn failed(&self, code: &str) {
        self.emit(&[("TrainingFailures", "Count", 1.0)], &[("code", json!(code))]);
    }

    /// A call for a run that was refused, since another run has the lease.
    pub fn conflict(&self) {
        self.emit(&[("Conflicts", "Count", 1.0)], &[]);
    }

    /// A request of events.
    pub fn ingested(&self, accepted: usize, rejected: usize) {
        let values =
            [("EventsAccepted", "Count", count(accepted as u64)), ("EventsRejected", "Count", count(rejected as u64))];
        self.emit(&values, &[]);
    }

    /// A compaction of one organization that went through: what it did, and how long the oldest object has waited that it left.
    pub fn compacted(&self, report: &Report, now: DateTime<Utc>) {
        let age = report.oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        let values = [
            ("EventsCompacted", "Count", count(report.events)),
            ("DuplicateEvents", "Count", count(report.duplicates)),
            ("UnreadableObjects", "Count", count(report.unreadable)),
            ("OldestIncomingSeconds", "Seconds", age),
        ];
        self.emit(&values, &[]);
    }

    /// A compaction that failed.
    pub fn compaction_failed(&self) {
        self.emit(&[("CompactionFailures", "Count", 1.0)], &[]);
    }

    fn emit(&self, values: &[(&str, &str, f64)], properties: &[(&str, Value)]) {
        let Some(inner) = &self.0 else { return };
        let metrics: Vec<Value> = values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": inner.clock.now().timestamp_millis(),
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": metrics}],
            }),
        );
        line.insert("Stage".into(), json!(inner.stage));
        line.extend(values.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
        line.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        (inner.sink)(Value::Object(line).to_string());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{InSampleMetrics, Interval, Observations};

    #[test]
    fn a_run_is_one_line_of_the_embedded_format() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let lines = Arc::clone(&lines);
            move |line| lines.lock().unwrap().push(line)
        };
        let clock = ManualClock::new("2026-01-15T10:30:00Z".parse().unwrap());
        let metrics = Metrics::to("prod", Arc::new(clock), sink);
        let posterior = PosteriorRecord {
            posterior_version: 1,
            trained_at: "2026-01-15T10:30:00Z".parse().unwrap(),
            snapshot_id: "20260115".into(),
            snapshot_manifest: None,
            bias: BTreeMap::new(),
            in_sample_metrics: InSampleMetrics {
                historic_reward: 0.1,
                expected_reward: Interval { mean: 0.1, ci_lower: 0.0, ci_upper: 0.2 },
            },
            observations: Observations {
                exposures: 900,
                rewards: 90,
                attributed_rewards: 80,
                skipped: BTreeMap::from([("bad_json".into(), 10)]),
            },
            warnings: Vec::new(),
            unseen_levels: None,
            by_itself: false,
            summary: None,
            violated_guardrails: Vec::new(),
            failed_checks: Vec::new(),
            object: "posteriors/o/m/1.safetensors".into(),
        };
        metrics.trained(&posterior, Duration::from_millis(1500), Duration::from_millis(500));
        let lines = lines.lock().unwrap();
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_768_473_000_000_i64);
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(declared.len(), 5);
        for metric in declared {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_f64(), "{name} is declared and given");
        }
        assert_eq!((line["Observations"].as_f64(), line["RowsPerSecond"].as_f64()), (Some(900.0), Some(2000.0)));
        assert_eq!((line["Stage"].as_str(), line["TrainingDurationMs"].as_f64()), (Some("prod"), Some(1500.0)));
    }

    #[test]
    fn off_is_silent() {
        Metrics::off().conflict();
    }
}
