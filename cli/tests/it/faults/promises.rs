//! What holds of a world at any moment, whatever happened to it, and what is in it.

use std::collections::{BTreeMap, BTreeSet};

use ::events::Pointer;
use ::events::manifest::Manifest;
use arrow_array::{Array as _, StringArray};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum_core::clock::Clock as _;
use fulcrum_core::domain::{
    ChangeKind, Lease, Model, Optimization, OptimizationStatus, PosteriorRecord, Served, Serving,
};
use fulcrum_core::store::{ListOptions, ListOrder};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::world::{Counts, World};

const EVERYTHING: ListOptions<'_> = ListOptions { include_archived: true, ..ListOptions::ALL };
/// The longest lease that there is: that of a request in the queue.
const LONGEST_LEASE: TimeDelta = TimeDelta::minutes(15);

/// What is in a world.
pub struct Seen {
    /// Things by kind, to compare what two pieces of work have changed.
    pub counts: Counts,
    /// Promises that do not hold.
    pub broken: Vec<String>,
}

/// Looks at everything that there is.
pub async fn look(world: &World) -> Seen {
    look_among(world, world.app.bucket.list("").await.unwrap().into_iter().collect()).await
}

/// The same, as if of the bucket's objects there were these alone.
pub async fn look_among(world: &World, objects: BTreeMap<String, u64>) -> Seen {
    let mut look = Look { world, objects, seen: Seen { counts: Counts::new(), broken: Vec::new() } };
    look.records().await;
    look.events().await;
    for (kind, prefix) in [("requests", "requests/"), ("notes of waiting", "waiting/"), ("flushes", "flushes/")] {
        let n = look.objects.keys().filter(|key| key.starts_with(prefix)).count();
        look.count(kind, n);
    }
    look.seen
}

struct Look<'a> {
    world: &'a World,
    objects: BTreeMap<String, u64>,
    seen: Seen,
}

impl Look<'_> {
    fn count(&mut self, kind: impl Into<String>, n: usize) {
        *self.seen.counts.entry(kind.into()).or_default() += i64::try_from(n).unwrap();
    }

    #[track_caller]
    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.seen.broken.push(otherwise());
        }
    }

    async fn records(&mut self) {
        let (table, organization) = (&self.world.app.table, &self.world.organization);
        let models = table.models(organization, &EVERYTHING).await.unwrap().items;
        let optimizations = table.optimizations(organization, ListOrder::UpdatedAt, &EVERYTHING).await.unwrap().items;
        for optimization in &optimizations {
            let serving = table.serving(optimization.id).await.unwrap();
            let of: Vec<&Model> = models.iter().filter(|model| model.optimization_id == optimization.id).collect();
            self.optimization(optimization, serving.as_ref(), &of);
            self.changes(optimization).await;
        }
        for model in &models {
            let has_parent = optimizations.iter().any(|optimization| optimization.id == model.optimization_id);
            self.must(has_parent, || format!("model {} has no optimization", model.id));
            self.model(model).await;
        }
        self.slots().await;
    }

    fn optimization(&mut self, optimization: &Optimization, serving: Option<&Serving>, models: &[&Model]) {
        let id = optimization.id;
        self.count(format!("optimizations {} {:?}", optimization.status.as_str(), optimization.name), 1);
        let Some(serving) = serving else { return self.must(false, || format!("optimization {id} is not served")) };
        self.must(serving.status == optimization.status, || {
            format!("optimization {id} is {:?} and is served as {:?}", optimization.status, serving.status)
        });
        let active: Vec<&&Model> = models.iter().filter(|model| model.archived_at.is_none()).collect();
        self.must(active.len() <= 1, || format!("optimization {id} has {} active models", active.len()));
        let active = active.first().copied();
        self.must(optimization.model_id == active.map(|model| model.id), || {
            format!("optimization {id} names model {:?}; active is {:?}", optimization.model_id, active.map(|m| m.id))
        });
        match (active, &serving.served) {
            (None, None) => {}
            (Some(model), Some(served)) => self.served(optimization, model, served),
            (model, served) => self.must(false, || {
                format!(
                    "optimization {id} has model {:?} and serves {:?}",
                    model.map(|m| m.id),
                    served.as_ref().map(|s| s.model_id)
                )
            }),
        }
    }

    fn served(&mut self, optimization: &Optimization, model: &Model, served: &Served) {
        let version = model.posterior.as_ref().map_or(0, |posterior| posterior.posterior_version);
        let (id, is) = (model.id, (served.model_id, served.posterior_version));
        self.must(is == (id, version), || format!("version {version} of model {id} is in force and {is:?} is served"));
        let is_frozen = optimization.status == OptimizationStatus::Completed && version > 0;
        self.must(served.frozen == is_frozen, || {
            format!(
                "optimization {} is {:?} and serves frozen: {}",
                optimization.id, optimization.status, served.frozen
            )
        });
    }

    async fn changes(&mut self, optimization: &Optimization) {
        let table = &self.world.app.table;
        let changes = table.history(&self.world.organization, optimization.id, &EVERYTHING).await.unwrap().items;
        let mut versions = Vec::new();
        for change in changes.iter().rev() {
            self.count(format!("changes {:?}", change.what), 1);
            if change.what == ChangeKind::Trained {
                let after = change.after.served.as_ref().expect("a run serves what it made");
                versions.push((after.model_id, after.posterior_version));
            }
        }
        let of_model = |model| versions.iter().filter(move |(of, _)| *of == model).map(|(_, version)| *version);
        for model in versions.iter().map(|(model, _)| *model).collect::<BTreeSet<_>>() {
            let increasing = of_model(model).collect::<Vec<_>>().is_sorted_by(|a, b| a < b);
            self.must(increasing, || format!("versions came into force as {versions:?}"));
        }
    }

    async fn model(&mut self, model: &Model) {
        let (id, now) = (model.id, self.world.clock.now());
        let trained = if model.posterior.is_some() { "trained" } else { "untrained" };
        let archived = if model.archived_at.is_some() { "archived" } else { "active" };
        self.count(format!("models {trained} {archived}"), 1);
        if let Some(lease) = &model.lease {
            self.lease(&format!("model {id}"), lease);
            self.must(model.archived_at.is_none(), || format!("model {id} is archived and leased"));
        }
        self.must(model.updated_at <= now, || format!("model {id} changes in the future"));
        let versions = self.world.app.table.posteriors(&self.world.organization, id, &EVERYTHING).await.unwrap().items;
        self.must(versions.len() <= 4, || format!("model {id} keeps {} versions; it is to keep 2", versions.len()));
        for version in &versions {
            self.must(version.posterior_version <= model.highest_version, || {
                format!("model {id} has version {} above {}", version.posterior_version, model.highest_version)
            });
            self.version(model, version).await;
        }
        let Some(posterior) = &model.posterior else { return };
        let listed = versions.iter().any(|version| version == posterior);
        self.must(listed, || format!("version {} of model {id} is in force, not listed", posterior.posterior_version));
        let newest = versions.first() == Some(posterior);
        self.count(if newest { "newest versions in force" } else { "older versions in force" }, 1);
        if let Some(measured) = model.measured_version {
            let key = format!("posteriors/{}/{id}/{measured}.results.json", self.world.organization);
            let bytes = self.whole(&key).await;
            let parsed = bytes.is_some_and(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
            self.must(parsed, || format!("{key} is missing or torn"));
        }
    }

    /// The object of a version is there, whole, and the model's own.
    async fn version(&mut self, model: &Model, version: &PosteriorRecord) {
        let key = &version.object;
        if self.world.known().whole.contains_key(key) && self.objects.contains_key(key) {
            return;
        }
        let stored = self.whole(key).await.map(|bytes| bandit::stored::decode(&bytes));
        match stored {
            Some(Ok(stored)) => {
                let own = stored.metadata.get("model_id") == Some(&model.id.to_string())
                    && stored.metadata.get("snapshot_id") == Some(&version.snapshot_id);
                self.must(own, || format!("{key} is of {:?}", stored.metadata));
                self.world.known().whole.insert(key.clone(), Vec::new());
            }
            Some(Err(torn)) => self.must(false, || format!("{key} is torn: {torn}")),
            None => self.must(false, || format!("version {} names {key}, which is missing", version.posterior_version)),
        }
    }

    fn lease(&mut self, of: &str, lease: &Lease) {
        let left = lease.expires_at - self.world.clock.now();
        self.must(left <= LONGEST_LEASE, || format!("{of} is leased for {left}"));
        self.count(
            format!("leases of {}", of.split(' ').next().unwrap_or_default()),
            usize::from(left > TimeDelta::zero()),
        );
    }

    async fn slots(&mut self) {
        let now = self.world.clock.now();
        let slots = self.world.app.table.run_slots(&self.world.organization).await.unwrap();
        let latest = slots.owners.values().copied().max().unwrap_or_default();
        self.must(latest <= (now + LONGEST_LEASE).timestamp_millis(), || format!("a run slot is taken until {latest}"));
        let taken = slots.taken(now).len();
        self.must(taken <= 1, || format!("{taken} run slots of 1 are taken"));
    }

    /// An object's bytes, as many as the listing says.
    async fn whole(&self, key: &str) -> Option<Bytes> {
        let bytes = self.world.app.bucket.read_if_there(key).await.unwrap()?;
        (self.objects.get(key) == Some(&(bytes.len() as u64))).then_some(bytes)
    }

    /// The manifest in force leads to events that were sent, each once, and its snapshots do.
    async fn events(&mut self) {
        let (lease, pointer) = record(self.world).await;
        if let Some(lease) = lease {
            self.lease("events of the organization", &lease);
        }
        let Some(pointer) = pointer else { return };
        let manifest = self.whole(&pointer.key).await.map(|bytes| Manifest::decode(&bytes));
        let Some(Ok(manifest)) = manifest else {
            return self.must(false, || format!("the manifest {} is missing or torn", pointer.key));
        };
        self.must(manifest.version == pointer.version, || format!("{pointer:?} names version {}", manifest.version));
        for named in manifest.named() {
            let there = self.objects.contains_key(named);
            self.must(there, || format!("the manifest names {named}, which is missing"));
        }
        for (optimization, last) in &manifest.published {
            let prefix = format!("snapshots/{}/{optimization}/{}/", self.world.organization, last.snapshot_id);
            for name in ["_MANIFEST.json", "_SUCCESS"] {
                let there = self.objects.contains_key(&format!("{prefix}{name}"));
                self.must(there, || format!("the snapshot {prefix} was published without {name}"));
            }
        }
        let mut counted = Vec::new();
        for part in &manifest.parts {
            counted.extend(self.visitors(&part.key, part.rows).await);
        }
        let (once, sent) = (counted.iter().collect::<BTreeSet<_>>(), self.world.known().visitors.clone());
        self.must(once.len() == counted.len(), || format!("{} events count twice", counted.len() - once.len()));
        let unsent: Vec<_> = once.iter().filter(|id| !sent.contains(id.as_str())).collect();
        let unsent = unsent.into_iter().filter(|id| !self.world.known().deleted.contains(id.as_str())).count();
        self.must(unsent == 0, || format!("{unsent} events count that nobody sent"));
    }

    /// The visitors of a part's rows.
    async fn visitors(&mut self, key: &str, rows: u64) -> Vec<String> {
        if let Some(known) = self.world.known().whole.get(key) {
            return known.clone();
        }
        let Some(bytes) = self.whole(key).await else { return Vec::new() };
        let read = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build());
        let batches: Result<Vec<_>, _> = match read {
            Ok(reader) => reader.collect(),
            Err(torn) => {
                self.must(false, || format!("{key} is torn: {torn}"));
                return Vec::new();
            }
        };
        let mut ids: Vec<String> = Vec::new();
        for batch in batches.unwrap_or_default() {
            let column = batch.column_by_name("anonymous_id").expect("a part has visitors");
            let column = column.as_any().downcast_ref::<StringArray>().expect("ids are texts");
            ids.extend((0..column.len()).map(|row| column.value(row).to_owned()));
        }
        self.must(ids.len() as u64 == rows, || format!("{key} has {} rows; the manifest says {rows}", ids.len()));
        self.world.known().whole.insert(key.to_owned(), ids.clone());
        ids
    }
}

/// The record of the organization's events, as it stands.
async fn record(world: &World) -> (Option<Lease>, Option<Pointer>) {
    let key = |text: String| AttributeValue::S(text);
    let get = world.stage.dynamodb.get_item().table_name(&world.table).consistent_read(true);
    let get = get.key("pk", key(format!("ORG#{}", world.organization))).key("sk", key("EVENTS".to_owned()));
    let Some(mut item) = get.send().await.unwrap().item else { return (None, None) };
    let lease = item.remove("lease").and_then(|lease| match lease {
        AttributeValue::M(lease) => Some(Lease {
            owner: lease["owner"].as_s().unwrap().clone(),
            expires_at: chrono::DateTime::from_timestamp_millis(lease["expires_at"].as_n().unwrap().parse().unwrap())
                .unwrap(),
        }),
        _ => None,
    });
    let pointer = item.remove("manifest").map(|pointer| {
        let pointer = pointer.as_m().unwrap();
        Pointer {
            version: pointer["version"].as_n().unwrap().parse().unwrap(),
            key: pointer["key"].as_s().unwrap().clone(),
        }
    });
    (lease, pointer)
}

/// The visitors whose events the manifest in force counts; what was sent has to be among them, what was deleted must not.
pub async fn lost_or_kept_events(world: &World) -> Vec<String> {
    let (_, pointer) = record(world).await;
    let Some(pointer) = pointer else { return vec!["no event counts".to_owned()] };
    let manifest = Manifest::decode(&world.app.bucket.read_all(&pointer.key).await.unwrap()).unwrap();
    let known = world.known();
    let counted: BTreeSet<&String> =
        manifest.parts.iter().filter_map(|part| known.whole.get(&part.key)).flatten().collect();
    let lost = known.visitors.iter().filter(|id| !counted.contains(id)).map(|id| format!("the event of {id} is lost"));
    let kept = known.deleted.iter().filter(|id| counted.contains(id)).map(|id| format!("the event of {id} is kept"));
    lost.chain(kept).collect()
}

/// What a piece of work has changed.
pub fn difference(before: &Counts, after: &Counts) -> BTreeMap<String, i64> {
    let kinds: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |counts: &Counts, kind: &String| counts.get(kind).copied().unwrap_or_default();
    let changed = kinds.into_iter().map(|kind| (kind.clone(), of(after, kind) - of(before, kind)));
    changed.filter(|(_, by)| *by != 0).collect()
}
