//! Ingestion: a request's good events become one object, written before the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::events::Kind;
use ::events::incoming::compress;
use ::events::layout::{incoming_key, root};
use aws_sdk_s3::primitives::ByteStream;
use bandit::{Factor, Space};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::domain::Checked;
use crate::domain::events::{Exposure, IngestWarning, RejectedEvent, Reward, WarningExample, split_batch};
use crate::error::ApiError;
use crate::ingest_cache::KnownOptimization;

/// What came of a request.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Ingested {
    /// Events that are stored.
    pub accepted: usize,
    /// The others.
    pub rejected: Vec<RejectedEvent>,
    /// What somebody should look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<IngestWarning>,
}

impl App {
    /// Stores the exposures of a request.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] where the body is no batch, [`ApiError::ForeignOptimization`], storage errors. Nothing is
    /// stored then.
    pub async fn ingest_exposures(
        &self,
        organization: &str,
        request_id: &str,
        body: &[u8],
    ) -> Result<Ingested, ApiError> {
        let now = self.clock.now();
        let events = split_batch(body)?;
        let (mut good, mut rejected) = (Vec::new(), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            match Exposure::parse(event, index, now) {
                Ok(mut exposure) => {
                    if self.visitor_ids.are_hashed() {
                        exposure.keep_id(|id| self.visitor_ids.kept(organization, id).into_owned());
                    }
                    good.push((index, exposure));
                }
                Err(fault) => rejected.push(fault),
            }
        }
        let optimizations = good.iter().map(|(index, exposure)| (*index, exposure.optimization()));
        let known = self.known_optimizations(organization, optimizations).await?;
        let mut warnings = Warnings::default();
        for (index, exposure) in &good {
            let space = known.get(&exposure.optimization()).and_then(|known| known.space.as_ref());
            if let Some(space) = space {
                warnings.look_at(*index, exposure, space);
            }
        }
        let key = incoming_key(Kind::Exposures, now, request_id);
        let mut lines = Vec::new();
        for (index, exposure) in &good {
            exposure.write(&mut lines, (&key, *index))?;
        }
        self.store_events(organization, &key, lines).await?;
        self.metrics.ingested(good.len(), rejected.len());
        Ok(Ingested { accepted: good.len(), rejected, warnings: warnings.finish() })
    }

    /// Stores the rewards of a request.
    ///
    /// # Errors
    /// As [`App::ingest_exposures`].
    pub async fn ingest_rewards(
        &self,
        organization: &str,
        request_id: &str,
        body: &[u8],
    ) -> Result<Ingested, ApiError> {
        let now = self.clock.now();
        let events = split_batch(body)?;
        let (mut good, mut rejected) = (Vec::new(), Vec::new());
        for (index, event) in events.into_iter().enumerate() {
            match Reward::parse(event, index, now) {
                Ok(mut reward) => {
                    if self.visitor_ids.are_hashed() {
                        reward.keep_id(|id| self.visitor_ids.kept(organization, id).into_owned());
                    }
                    good.push((index, reward));
                }
                Err(fault) => rejected.push(fault),
            }
        }
        let optimizations = good.iter().filter_map(|(index, reward)| Some((*index, reward.optimization()?)));
        self.known_optimizations(organization, optimizations).await?;
        let key = incoming_key(Kind::Rewards, now, request_id);
        let mut lines = Vec::new();
        for (index, reward) in &good {
            reward.write(&mut lines, (&key, *index))?;
        }
        self.store_events(organization, &key, lines).await?;
        self.metrics.ingested(good.len(), rejected.len());
        Ok(Ingested { accepted: good.len(), rejected, warnings: Vec::new() })
    }

    /// One write a request; none where no event is good.
    async fn store_events(&self, organization: &str, key: &str, lines: Vec<u8>) -> Result<(), ApiError> {
        if lines.is_empty() {
            return Ok(());
        }
        let object = compress(&lines).map_err(ApiError::internal)?;
        let key = format!("{}{key}", root(organization));
        Ok(self.bucket.put(&key, ByteStream::from(object)).await?)
    }

    /// What is known of the optimizations that a request names, if all of them are the organization's.
    async fn known_optimizations(
        &self,
        organization: &str,
        named: impl Iterator<Item = (usize, Uuid)>,
    ) -> Result<BTreeMap<Uuid, Arc<KnownOptimization>>, ApiError> {
        let mut first: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (index, id) in named {
            first.entry(id).or_insert(index);
        }
        let mut known = BTreeMap::new();
        for (id, index) in first {
            let ours = self.known_optimization(organization, id).await?;
            known.insert(id, ours.ok_or(ApiError::ForeignOptimization { index, id })?);
        }
        Ok(known)
    }

    /// From the cache within its time; ids of nothing are asked for each time, so that a new optimization is known at once, and so
    /// are another organization's, so that they take as long.
    async fn known_optimization(
        &self,
        organization: &str,
        id: Uuid,
    ) -> Result<Option<Arc<KnownOptimization>>, ApiError> {
        let now = self.clock.now();
        let ours = |known: &Arc<KnownOptimization>| known.organization_id == organization;
        if let Some(known) = self.ingest_cache.get(id, now).filter(ours) {
            return Ok(Some(known));
        }
        let serving = self.table.serving(id).await?.filter(|serving| serving.organization_id == organization);
        let Some(serving) = serving else { return Ok(None) };
        let space = match serving.served {
            None => None,
            Some(served) => {
                let broken =
                    |e| ApiError::internal(format!("the stored configuration of model {}: {e}", served.model_id));
                Some(Checked::new(served.model_type, served.config.clone()).map_err(broken)?.space)
            }
        };
        let known = Arc::new(KnownOptimization { organization_id: serving.organization_id, space });
        self.ingest_cache.put(id, Arc::clone(&known), now);
        Ok(Some(known))
    }
}

/// What is found in the exposures of one request: how often, and where first.
#[derive(Default)]
struct Warnings {
    variants: Option<(usize, WarningExample)>,
    contexts: Option<(usize, WarningExample)>,
}

impl Warnings {
    fn look_at(&mut self, index: usize, exposure: &Exposure, space: &Space) {
        let variant = exposure.variant();
        let unknown = |factor: &Factor| match variant.get(factor.name()) {
            None => Some((factor.name().to_owned(), Value::Null)),
            Some(level) => is_unknown(factor, level).then(|| (factor.name().to_owned(), level.clone())),
        };
        let extra = |(name, level): (&String, &Value)| {
            let known = space.design().iter().any(|factor| factor.name() == name.as_str());
            (!known).then(|| (name.clone(), level.clone()))
        };
        let found = space.design().iter().find_map(unknown).or_else(|| variant.iter().find_map(extra));
        count(&mut self.variants, index, found);
        let Some(context) = exposure.context() else { return };
        let unlisted = |factor: &Factor| {
            let level = context.get(factor.name()).filter(|level| !level.is_null())?;
            is_unknown(factor, level).then(|| (factor.name().to_owned(), level.clone()))
        };
        count(&mut self.contexts, index, space.context().iter().find_map(unlisted));
    }

    fn finish(self) -> Vec<IngestWarning> {
        let warning = |code: &'static str, what: &str, then: &str, found: Option<(usize, WarningExample)>| {
            let (events, example) = found?;
            Some(IngestWarning { code, message: format!("events with {what}: {events}; {then}"), example })
        };
        let variants = warning(
            "unknown_variant",
            "a variant that the model does not have",
            "they are stored, and a training run leaves them out",
            self.variants,
        );
        let contexts = warning(
            "unknown_context_level",
            "a context level that the model does not have",
            "a training run counts it as the unknown level",
            self.contexts,
        );
        variants.into_iter().chain(contexts).collect()
    }
}

fn is_unknown(factor: &Factor, level: &Value) -> bool {
    snapshots::json_level(factor, level).is_none()
}

fn count(warning: &mut Option<(usize, WarningExample)>, index: usize, found: Option<(String, Value)>) {
    let Some((factor, level)) = found else { return };
    let (events, _) = warning.get_or_insert_with(|| (0, WarningExample { index, factor, level }));
    *events += 1;
}
