//! Compaction of an organization's events under a lease: what [`::events::Run`] does, over the bucket and the table.

use std::ops::Range;

use ::events::layout::EVENTS;
use ::events::{Listed, Pointer, Report, Run, RunError, Store, Target};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::domain::events::EventsRecord;
use crate::domain::{CompactionTrigger, Lease, Model};
use crate::error::ApiError;
use crate::store::{ListOptions, StoreError};

/// What a compaction came to, of all organizations that it looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactionOutcome {
    /// Organizations whose events are compacted.
    pub compacted: usize,
    /// Organizations whose events another run is at work on.
    pub busy: usize,
    /// Organizations whose run failed; the log says why, and the next run begins where this one ended.
    pub failed: usize,
    /// Events that count now and did not before.
    pub events: u64,
    /// Snapshots that were published.
    pub snapshots: u64,
}

/// The bucket and the table as a run sees them.
struct Objects<'a> {
    app: &'a App,
    organization: &'a str,
    owner: String,
}

impl Store for Objects<'_> {
    type Error = StoreError;

    fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, StoreError> {
        let listed = self.app.bucket.list_after(prefix, after, most).await?;
        Ok(listed.into_iter().map(|(key, size, modified)| Listed { key, size, modified }).collect())
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.app.bucket.read_if_there(key).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        match self.app.bucket.read(key, range).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Gone { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.app.bucket.put(key, ByteStream::from(bytes)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.app.bucket.delete(key).await
    }

    async fn move_pointer(&self, from: Option<&Pointer>, to: &Pointer) -> Result<bool, StoreError> {
        match self.app.table.move_events_pointer(self.organization, &self.owner, from, to).await {
            Ok(()) => Ok(true),
            Err(StoreError::Condition { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
        let died = |e: tokio::task::JoinError| StoreError::Fault { operation: "compute", cause: e.to_string() };
        tokio::task::spawn_blocking(work).await.map_err(died)
    }
}

/// Renews a lease until it is dropped.
struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl App {
    /// Does what a trigger asks for. One organization that fails keeps no other waiting.
    ///
    /// # Errors
    /// Where the organizations cannot be listed.
    pub async fn compact(&self, trigger: &CompactionTrigger) -> Result<CompactionOutcome, ApiError> {
        let (organizations, at_once) = match trigger {
            CompactionTrigger::Schedule => (self.bucket.folders(EVENTS).await?, false),
            CompactionTrigger::Flush { organization } => (vec![organization.clone()], true),
        };
        let mut outcome = CompactionOutcome::default();
        for organization in organizations {
            match self.compact_organization(&organization, at_once).await {
                Ok(Some(report)) => {
                    outcome.compacted += 1;
                    outcome.events += report.events;
                    outcome.snapshots += report.snapshots;
                    self.metrics.compacted(&report, self.clock.now());
                    log(&organization, &report);
                }
                Ok(None) => outcome.busy += 1,
                Err(error) => {
                    outcome.failed += 1;
                    self.metrics.compaction_failed();
                    let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
                    tracing::error!(organization, cause, "compaction failed");
                }
            }
        }
        Ok(outcome)
    }

    /// Compacts the events of one organization; `None` where another run has the lease. `at_once` waits for nothing: snapshots
    /// are published, and deleted users are taken out, however long ago that was last done.
    ///
    /// # Errors
    /// Storage errors, and [`ApiError::Internal`] for an object of ours that is broken.
    pub async fn compact_organization(&self, organization: &str, at_once: bool) -> Result<Option<Report>, ApiError> {
        let owner = Uuid::new_v4().to_string();
        let now = self.clock.now();
        let lease = Lease { owner: owner.clone(), expires_at: now + self.lease };
        let Some(record) = self.table.acquire_events_lease(organization, &lease, now).await? else { return Ok(None) };
        let renewal = Renewal(tokio::spawn(self.renew_events_lease(organization.to_owned(), owner.clone())));
        let objects = Objects { app: self, organization, owner: owner.clone() };
        let ran = self.run_compaction(&objects, record, at_once).await;
        drop(renewal);
        match self.table.release_events_lease(organization, &owner).await {
            // Whoever took it over will release it.
            Ok(()) | Err(StoreError::Condition { .. }) => {}
            Err(error) => {
                tracing::warn!(organization, %error, "the lease of a compaction was not released; it expires");
            }
        }
        match ran {
            Ok(report) => Ok(Some(report)),
            // What this run had committed counts; the other one goes on from there.
            Err(RunError::Overtaken) => Ok(None),
            Err(RunError::Store(error)) => Err(error.into()),
            Err(other) => Err(ApiError::internal(other)),
        }
    }

    async fn run_compaction(
        &self,
        objects: &Objects<'_>,
        record: EventsRecord,
        at_once: bool,
    ) -> Result<Report, RunError<StoreError>> {
        let organization = objects.organization;
        let mut run = Run::begin(objects, organization, record.manifest, self.event_limits, self.deadline).await?;
        run.take_in().await?;
        run.erase(at_once).await?;
        run.expire().await?;
        run.merge().await?;
        let models = self.table.models(organization, &ListOptions::ALL).await.map_err(RunError::Store)?;
        let targets: Vec<Target> = models.items.iter().map(target).collect();
        run.publish(&targets, at_once).await?;
        run.sweep().await?;
        Ok(run.report().clone())
    }

    /// Renews the lease three times in its span, until the task is aborted or the lease is lost.
    fn renew_events_lease(&self, organization: String, owner: String) -> impl Future<Output = ()> + 'static {
        let app = self.clone();
        async move {
            let pause = app.lease.to_std().unwrap_or(std::time::Duration::from_mins(1)) / 3;
            loop {
                tokio::time::sleep(pause).await;
                let lease = Lease { owner: owner.clone(), expires_at: app.clock.now() + app.lease };
                match app.table.renew_events_lease(&organization, &lease).await {
                    Ok(()) => {}
                    // Moving the pointer has the same condition and will say so.
                    Err(StoreError::Condition { .. }) => return,
                    Err(error) => tracing::warn!(organization, %error, "the lease was not renewed; trying again"),
                }
            }
        }
    }
}

/// What a model's optimization learns from.
fn target(model: &Model) -> Target {
    let config = &model.config;
    Target {
        optimization: model.optimization_id.to_string(),
        names: config.reward_names(),
        lookback: config.lookback_days.map(|days| TimeDelta::days(i64::from(days))),
        every: TimeDelta::minutes(i64::from(config.retrain_minutes.unwrap_or(DEFAULT_RETRAIN_MINUTES))),
    }
}

/// Minutes between two snapshots of an optimization, where its model says nothing else.
const DEFAULT_RETRAIN_MINUTES: u32 = 60;

fn log(organization: &str, report: &Report) {
    let Report { events, duplicates, objects, unreadable, merged, erased, snapshots, swept, .. } = report;
    tracing::info!(
        organization,
        events,
        duplicates,
        objects,
        unreadable,
        merged,
        erased,
        snapshots,
        swept,
        "events compacted"
    );
}
