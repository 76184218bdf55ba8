//! Loads and counts the observations of a training run: the latest complete snapshot in the bucket becomes the cell table.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::events::SnapshotManifest;
use ::events::snapshot::{MANIFEST_NAME, ManifestObject};
use bandit::{CellTable, PolicyHistory};
use bytes::Bytes;
use snapshots::{
    AuditPlan, AuditSample, Check, Counted, Kind, Limits, Object, Plan, SnapshotError, Source, SourceError, TablesPlan,
};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::changes::changes_of_check;
use super::learned::{Learned, learned};
use super::policies::versions_in_force;
use crate::app::App;
use crate::domain::{Checked, Model, Observations, Timeline, Warning};
use crate::echo::{MOST_CHARACTERS, cut};
use crate::error::ApiError;
use crate::storage_calls::StorageCalls;
use crate::store::{Bucket, SnapshotListing, StoreError, snapshots_prefix};
use crate::usecases::blocking::blocking;
use crate::usecases::results::{LEAST_SAMPLED, MOST_USERS, Measured, Periods, RecentHoldout, deciding_instants};

/// What a run learns from.
pub(super) struct Read {
    pub(super) snapshot_id: String,
    /// The key of the manifest that named its objects, if one did.
    pub(super) manifest: Option<String>,
    /// The cells over all time, as they were counted.
    pub(super) cells: CellTable,
    /// What the model is fitted to.
    pub(super) learned: Learned,
    pub(super) observations: Observations,
    /// What was left out in a way that its reader should know.
    pub(super) warnings: Vec<Warning>,
    /// What results are made of.
    pub(super) measured: Measured,
    /// The policies of the versions that were in force.
    pub(super) policies: PolicyHistory,
    /// Exposures to be decided again, and what was in force when.
    pub(super) audit: (AuditSample, Timeline),
    /// What the holdout did in the last days.
    pub(super) holdout: RecentHoldout,
    /// How long reading took.
    pub(super) took: Duration,
}

/// What a run counts for a model.
fn plan<'a>(checked: &'a Checked, optimization: &'a str, threads: usize, now: i64, limits: Limits) -> Plan<'a> {
    let attribution = &checked.config.attribution;
    Plan {
        space: &checked.space,
        optimization_id: optimization,
        reward_name: &checked.config.reward.name,
        reward: checked.config.reward.modelled(),
        outcomes: checked.outcomes.as_ref(),
        guardrails: checked.guardrails.as_ref(),
        attribution: attribution.touch,
        window_hours: attribution.conversion_window_hours,
        immature: attribution.immature.unwrap_or_default(),
        allow_no_rewards: checked.config.allow_no_rewards.unwrap_or_default(),
        threads,
        now,
        limits,
    }
}

/// A snapshot in the bucket, for readers that block.
struct InBucket {
    bucket: Bucket,
    prefix: String,
    /// The whole keys of objects that a manifest names, by the keys under which they are counted.
    named: BTreeMap<String, String>,
    runtime: Handle,
    calls: StorageCalls,
    given_up: Arc<AtomicBool>,
}

/// Tells the readers that nobody waits for them any more, once it is dropped.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Source for InBucket {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(SourceError::Failed("the run was given up".into()));
        }
        let key = self.named.get(key).cloned().unwrap_or_else(|| format!("{}{key}", self.prefix));
        let read = self.calls.count(self.bucket.read(&key, range));
        self.runtime.block_on(read).map_err(|error| match error {
            StoreError::Unavailable { .. } => SourceError::Unavailable(Box::new(error)),
            StoreError::Gone { .. } => SourceError::Gone(Box::new(error)),
            other => SourceError::Failed(Box::new(other)),
        })
    }
}

impl App {
    /// The latest complete snapshot of a model's optimization.
    pub(super) async fn latest_snapshot(&self, model: &Model) -> Result<SnapshotListing, ApiError> {
        let prefix = snapshots_prefix(&model.organization_id, &model.optimization_id.to_string());
        let found = self.bucket.latest_snapshot(&prefix).await?;
        let mut found = found.ok_or_else(|| ApiError::NoObservations {
            message: format!(
                "there is no complete snapshot under s3://{}/{prefix}; a snapshot is complete once it holds _SUCCESS",
                self.bucket.name()
            ),
        })?;
        let own = format!("{prefix}{}/", found.id);
        found.manifest = self.snapshot_manifest(&model.organization_id, &own, &found.objects).await?;
        Ok(found)
    }

    /// The manifest of a snapshot whose objects begin with a prefix; `None` where it has none.
    ///
    /// # Errors
    /// [`ApiError::InvalidSnapshot`] for a manifest that is none or names what is not the organization's, and storage errors.
    pub async fn snapshot_manifest(
        &self,
        organization: &str,
        prefix: &str,
        objects: &[(String, u64)],
    ) -> Result<Option<SnapshotManifest>, ApiError> {
        if !objects.iter().any(|(key, _)| key == MANIFEST_NAME) {
            return Ok(None);
        }
        let bytes = self.bucket.read_all(&format!("{prefix}{MANIFEST_NAME}")).await?;
        let place = format!("s3://{}/{}{MANIFEST_NAME}", self.bucket.name(), cut(prefix, 2 * MOST_CHARACTERS));
        let invalid = |cause| ApiError::InvalidSnapshot { message: format!("{place}: {cause}") };
        SnapshotManifest::decode(&bytes, organization, prefix).map(Some).map_err(invalid)
    }

    /// Counts a snapshot.
    pub(super) async fn read_snapshot(
        &self,
        model: &Model,
        checked: &Arc<Checked>,
        snapshot: SnapshotListing,
        holdout_percentage: f64,
    ) -> Result<Read, ApiError> {
        let started = Instant::now();
        let prefix = snapshots_prefix(&model.organization_id, &model.optimization_id.to_string());
        let manifest = snapshot.manifest.is_some().then(|| format!("{prefix}{}/{MANIFEST_NAME}", snapshot.id));
        let (objects, named) = objects(snapshot.objects, snapshot.manifest);
        let source = InBucket {
            bucket: self.bucket.clone(),
            prefix: format!("{prefix}{}/", snapshot.id),
            named,
            runtime: Handle::current(),
            calls: StorageCalls::current(),
            given_up: Arc::default(),
        };
        let _waiting = GiveUp(Arc::clone(&source.given_up));
        let (checked, threads, optimization) = (Arc::clone(checked), self.threads, model.optimization_id.to_string());
        let place = format!("s3://{}/{prefix}{}/", self.bucket.name(), cut(&snapshot.id, MOST_CHARACTERS));
        let (now, limits) = (self.clock.now(), self.snapshot_limits);
        let timeline = Box::pin(self.timeline(model)).await?;
        let policies = Box::pin(self.past_policies(model, &checked.space, &timeline)).await?;
        let (periods, deciding, id) = (Periods::new(&timeline, now), deciding_instants(&timeline), model.id);
        let count = move || {
            let (unit, cap) = (checked.config.unit.unwrap_or_default(), checked.config.reward.cap);
            let instants = periods.instants();
            let audit = Some(AuditPlan { instants: &deciding, least: LEAST_SAMPLED });
            let tables = TablesPlan { holdout_percentage, instants, most_users: MOST_USERS, unit, cap, audit };
            let plan = plan(&checked, &optimization, threads, now.timestamp_micros(), limits);
            let counted = snapshots::count_with_tables(&source, &objects, &plan, &tables);
            let counted = counted.map_err(|error| refusal(&error, &place))?;
            let in_force = versions_in_force(id, &timeline, &policies);
            let learned = learned(&checked, &counted, instants, &in_force, now)?;
            let holdout = RecentHoldout::of(&counted, &periods, unit);
            Ok::<_, ApiError>((counted, learned, holdout, (periods, timeline, policies)))
        };
        let (counted, learned, holdout, (periods, timeline, policies)) = blocking(count).await??;
        let Counted { counts: counted, tables, audit, .. } = counted;
        let seen = counted.observations;
        let skipped = seen.skipped.iter().map(|(reason, &rows)| (reason.name().to_owned(), rows)).collect();
        let (exposures, rewards, attributed_rewards) = (seen.exposures, seen.rewards, seen.attributed_rewards);
        let observations = Observations { exposures, rewards, attributed_rewards, skipped };
        let (cells, mut warnings) = (counted.cells, counted.warnings);
        warnings.extend(learned.warnings.iter().cloned());
        let measured = Measured::new(&cells, tables, holdout_percentage, (periods, timeline.clone()));
        Ok(Read {
            snapshot_id: snapshot.id,
            manifest,
            cells,
            learned,
            observations,
            warnings,
            measured,
            policies,
            audit: (audit.unwrap_or_default(), timeline),
            holdout,
            took: started.elapsed(),
        })
    }
}

impl App {
    /// Reads a snapshot as a run of the optimization's model would, from wherever it is, and explains it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] where there is no such optimization or no model of it, and what the store of the snapshot may do wrong.
    pub async fn check_snapshot(
        &self,
        organization: &str,
        optimization: Uuid,
        source: impl Source + 'static,
        objects: Vec<Object>,
    ) -> Result<Check, ApiError> {
        let missing = |what| ApiError::NotFound { what, id: optimization.to_string() };
        let parent = self.table.optimization(organization, optimization).await?;
        let model = parent.ok_or_else(|| missing("optimization"))?.model_id;
        let model = model.ok_or_else(|| missing("model of the optimization"))?;
        let model = self.model(organization, model).await?;
        let checked = Arc::new(model.checked()?);
        let of = Arc::clone(&checked);
        let (threads, id, now) = (self.threads, optimization.to_string(), self.clock.now().timestamp_micros());
        let limits = self.snapshot_limits;
        let check = move || snapshots::check(&source, &objects, &plan(&of, &id, threads, now, limits));
        let mut check = blocking(check).await?.map_err(|error| refusal(&error, "the snapshot"))?;
        if let (None, Some(in_force)) = (&check.fails, &model.posterior) {
            check.warnings.extend(changes_of_check(in_force, &checked, &check));
        }
        Ok(check)
    }

    /// As [`App::check_snapshot`], of the objects under a prefix of the bucket.
    ///
    /// # Errors
    /// As [`App::check_snapshot`].
    pub async fn check_stored_snapshot(
        &self,
        organization: &str,
        optimization: Uuid,
        prefix: &str,
    ) -> Result<Check, ApiError> {
        let prefix = format!("{}/", prefix.trim_end_matches('/'));
        let listed = self.bucket.list(&prefix).await?;
        let manifest = self.snapshot_manifest(organization, &prefix, &listed).await?;
        let (objects, named) = objects(listed, manifest);
        let source = InBucket {
            bucket: self.bucket.clone(),
            prefix,
            named,
            runtime: Handle::current(),
            calls: StorageCalls::current(),
            given_up: Arc::default(),
        };
        self.check_snapshot(organization, optimization, source, objects).await
    }
}

/// What is counted of a snapshot: its objects, or those that its manifest names, each under a key in the folder of what it is,
/// in the order of the manifest; and the whole keys of these.
fn objects(listed: Vec<(String, u64)>, manifest: Option<SnapshotManifest>) -> (Vec<Object>, BTreeMap<String, String>) {
    let Some(manifest) = manifest else {
        return (listed.into_iter().map(|(key, size)| Object { key, size }).collect(), BTreeMap::new());
    };
    let (mut objects, mut named) = (Vec::new(), BTreeMap::new());
    for (folder, list) in [("exposures", manifest.exposures), ("rewards", manifest.rewards)] {
        for (i, ManifestObject { key: whole, size, .. }) in list.into_iter().enumerate() {
            let key = format!("{folder}/{i:06}-{}", whole.rsplit('/').next().unwrap_or_default());
            objects.push(Object { key: key.clone(), size });
            named.insert(key, whole);
        }
    }
    (objects, named)
}

/// The client's error for a snapshot that cannot be counted.
fn refusal(error: &SnapshotError, place: &str) -> ApiError {
    match error.kind() {
        Kind::Empty => ApiError::NoObservations { message: format!("{place}: {error}") },
        Kind::Invalid => ApiError::InvalidSnapshot { message: format!("{place}: {error}") },
        Kind::Source => {
            let mut cause = format!("{place}: {error}");
            let mut inner = error.source();
            while let Some(error) = inner {
                let _ = write!(cause, ": {error}");
                inner = error.source();
            }
            match error {
                SnapshotError::Source { source: SourceError::Unavailable(_), .. } => {
                    ApiError::Unavailable { cause, retry_after: Duration::from_secs(2) }
                }
                _ => ApiError::internal(cause),
            }
        }
    }
}
