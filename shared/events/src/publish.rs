//! Snapshots for training: a manifest of the parts that one optimization learns from.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::kind::Kind;
use crate::manifest::Published;
use crate::part::{Part, bucket_of};
use crate::run::{Run, RunError};
use crate::snapshot::{MANIFEST_FORMAT, MANIFEST_NAME, ManifestObject, SnapshotManifest};
use crate::store::Store;

/// An optimization that learns from events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub optimization: String,
    /// The names of the rewards that it reads.
    pub names: Vec<String>,
    /// Events that are older are left out, a part at a time; `None` leaves none out.
    pub lookback: Option<TimeDelta>,
    /// Between two snapshots.
    pub every: TimeDelta,
}

impl Target {
    /// Whether it reads anything of a part.
    fn reads(&self, part: &Part, now: DateTime<Utc>) -> bool {
        let partition = &part.partition;
        let known = |name: &String| {
            let listed = part.names.as_ref().is_none_or(|names| names.contains(name));
            listed && partition.bucket.is_none_or(|bucket| bucket == bucket_of(name))
        };
        let ours = match &partition.optimization {
            Some(optimization) => *optimization == self.optimization,
            None => true,
        };
        let named = partition.kind == Kind::Exposures || self.names.iter().any(known);
        let oldest = self.lookback.map(|lookback| (now - lookback).timestamp_micros());
        ours && named && oldest.is_none_or(|oldest| part.max_timestamp >= oldest)
    }
}

fn object(part: &Part) -> ManifestObject {
    let time = |micros: i64| {
        DateTime::from_timestamp_micros(micros).map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
    };
    ManifestObject {
        key: part.key.clone(),
        size: part.size,
        rows: Some(part.rows),
        min_timestamp: time(part.min_timestamp),
        max_timestamp: time(part.max_timestamp),
    }
}

impl<S: Store> Run<'_, S> {
    /// Publishes a snapshot for each optimization that has events which its last one lacks, if that is long enough ago or if it
    /// is wanted at once.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn publish(&mut self, targets: &[Target], at_once: bool) -> Result<(), RunError<S::Error>> {
        let now = self.now();
        let mut published = Vec::new();
        for target in targets {
            let last = self.manifest.published.get(&target.optimization);
            if !at_once && last.is_some_and(|last| now - last.at < target.every) {
                continue;
            }
            let mut parts: Vec<&Part> = self.manifest.parts.iter().filter(|part| target.reads(part, now)).collect();
            let newest = parts.iter().map(|part| part.added).max().unwrap_or(0);
            let has_exposures = parts.iter().any(|part| part.partition.kind == Kind::Exposures);
            if !has_exposures || last.is_some_and(|last| newest <= last.version) {
                continue;
            }
            parts.sort_by(|a, b| (&a.partition, &a.key).cmp(&(&b.partition, &b.key)));
            let of = |kind| parts.iter().filter(|part| part.partition.kind == kind).map(|part| object(part)).collect();
            let manifest = SnapshotManifest {
                format: MANIFEST_FORMAT.to_owned(),
                exposures: of(Kind::Exposures),
                rewards: of(Kind::Rewards),
            };
            let snapshot_id = self.write_snapshot(target, now, &manifest).await?;
            let version = self.manifest.version;
            published.push((target.optimization.clone(), Published { snapshot_id, at: now, version }));
        }
        if published.is_empty() {
            return Ok(());
        }
        self.report.snapshots += published.len() as u64;
        self.manifest.published.extend(published);
        self.commit().await
    }

    /// Writes the two objects of a snapshot, the mark of its completeness last; its id.
    async fn write_snapshot(
        &mut self,
        target: &Target,
        now: DateTime<Utc>,
        manifest: &SnapshotManifest,
    ) -> Result<String, RunError<S::Error>> {
        // After the time the version: one run may have died after another had published in the same second.
        let id = format!("{}-{:06}", now.format("%Y-%m-%dT%H-%M-%SZ"), self.next_version());
        let prefix = format!("snapshots/{}/{}/{id}/", self.organization, target.optimization);
        let key = format!("{prefix}{MANIFEST_NAME}");
        let bytes =
            serde_json::to_vec(manifest).map_err(|e| RunError::Broken { key: key.clone(), cause: e.to_string() })?;
        self.put(&key, bytes.into()).await?;
        self.put(&format!("{prefix}_SUCCESS"), bytes::Bytes::new()).await?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Partition;

    fn part(kind: Kind, optimization: Option<&str>, name: Option<&str>, days_ago: i64) -> Part {
        let at = now() - TimeDelta::days(days_ago);
        let bucket = (optimization.is_none()).then(|| bucket_of(name.unwrap_or_default()));
        Part {
            key: "events/o/x.parquet".into(),
            partition: Partition { kind, optimization: optimization.map(Into::into), bucket, day: at.date_naive() },
            names: name.map(|name| vec![name.to_owned()]),
            size: 1,
            rows: 1,
            min_timestamp: at.timestamp_micros(),
            max_timestamp: at.timestamp_micros(),
            added: 1,
            written_at: at,
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-28T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_optimization_reads_its_own_exposures_and_the_rewards_that_it_knows() {
        let target = Target {
            optimization: "a".into(),
            names: vec!["signup".into(), "bounce".into()],
            lookback: Some(TimeDelta::days(10)),
            every: TimeDelta::hours(1),
        };
        let reads = |part: Part| target.reads(&part, now());
        assert!(reads(part(Kind::Exposures, Some("a"), None, 1)));
        assert!(!reads(part(Kind::Exposures, Some("b"), None, 1)));
        assert!(!reads(part(Kind::Exposures, Some("a"), None, 11)), "too old");
        assert!(reads(part(Kind::Rewards, None, Some("signup"), 1)));
        assert!(reads(part(Kind::Rewards, None, Some("bounce"), 1)), "a guardrail's");
        assert!(!reads(part(Kind::Rewards, None, Some("purchase"), 1)));
        assert!(reads(part(Kind::Rewards, Some("a"), Some("signup"), 1)));
        assert!(!reads(part(Kind::Rewards, Some("b"), Some("signup"), 1)));
        let unnamed = Part { names: None, ..part(Kind::Rewards, None, Some("signup"), 1) };
        assert!(reads(unnamed.clone()), "a part of many names is read where its bucket is that of one of ours");
        let buckets = [bucket_of("signup"), bucket_of("bounce")];
        let other = (0..crate::part::BUCKETS).find(|bucket| !buckets.contains(bucket)).unwrap();
        let partition = Partition { bucket: Some(other), ..unnamed.partition.clone() };
        assert!(!reads(Part { partition, ..unnamed }));
    }
}
