//! Loading the serving cache: one read of a record per optimization and cache time, nothing decoded twice, and stale entries
//! while storage is away.

use std::sync::Arc;

use bandit::{Policy, VariantKeys};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Checked, Served};
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::serving_cache::{CacheEntry, CachedOptimization, ReadyVersion, STALE, unknown};
use crate::usecases::posterior_object::{Provenance, read_tensor};

impl App {
    /// An optimization as serving knows it: from the cache within its time, else by one read of its record, whoever asks at the
    /// same moment. What a version needs besides the record is read once per version.
    pub(super) async fn cached_optimization(&self, id: Uuid) -> Result<Arc<CachedOptimization>, ApiError> {
        let now = self.clock.now();
        if let Some(fresh) = self.serving.get(id).filter(|entry| entry.until > now) {
            return fresh.answer(id);
        }
        // A future of its own on the heap: the path of a cache hit stays small.
        Box::pin(self.load(id)).await
    }

    async fn load(&self, id: Uuid) -> Result<Arc<CachedOptimization>, ApiError> {
        let lock = self.serving.load_lock(id);
        let _ours = lock.lock().await;
        let now = self.clock.now();
        let before = self.serving.get(id);
        if let Some(fresh) = before.as_ref().filter(|entry| entry.until > now) {
            return fresh.answer(id);
        }
        let until = now + self.serving.time();
        let optimization = match self.read_serving_record(id, before.as_ref()).await {
            Ok(read) => Some(Arc::new(read)),
            Err(ApiError::NotServed { .. }) => None,
            Err(error) => return self.stale(id, before, &error).ok_or(error),
        };
        let entry = CacheEntry { until, stale_until: until + STALE, optimization };
        self.serving.put(id, entry.clone());
        entry.answer(id)
    }

    /// What was cached before, for as long as it may stand in for a store that is away. Reading is retried after another cache
    /// time, since each retry costs its visitor the timeout of the store.
    fn stale(&self, id: Uuid, before: Option<CacheEntry>, error: &ApiError) -> Option<Arc<CachedOptimization>> {
        let now = self.clock.now();
        let before = before.filter(|entry| matches!(error, ApiError::Unavailable { .. }) && entry.stale_until > now)?;
        let optimization = before.optimization.clone()?;
        if before.until + STALE == before.stale_until {
            let cause = error.cause();
            let request_id = log_field("request_id");
            tracing::warn!(request_id, optimization_id = %id, cause, "storage is away; serving from the cache");
        }
        let until = (now + self.serving.time()).min(before.stale_until);
        self.serving.put(id, CacheEntry { until, ..before });
        Some(optimization)
    }

    async fn read_serving_record(&self, id: Uuid, before: Option<&CacheEntry>) -> Result<CachedOptimization, ApiError> {
        let serving = self.table.serving(id).await?.ok_or_else(|| unknown(id))?;
        let ready = match serving.served {
            None => None,
            Some(served) => {
                let earlier = before.and_then(|entry| entry.optimization.as_ref()?.ready.clone());
                match earlier.filter(|ready| ready.is(&served)) {
                    Some(ready) => Some(ready),
                    None => Some(Arc::new(self.prepare(served).await?)),
                }
            }
        };
        let (organization_id, holdout_percentage) = (serving.organization_id, serving.holdout_percentage);
        Ok(CachedOptimization { organization_id, status: serving.status, holdout_percentage, ready })
    }

    async fn prepare(&self, mut served: Served) -> Result<ReadyVersion, ApiError> {
        // A stored configuration was checked when it came in; a visitor is not to blame for it.
        let checked = Checked::new(served.model_type, served.config.clone())
            .map_err(|e| ApiError::internal(format!("the stored configuration of model {}: {e}", served.model_id)))?;
        let policy = match (served.policy.take(), &served.object) {
            (Some(bytes), _) => Policy::from_bytes(&bytes)
                .map_err(|e| ApiError::internal(format!("the stored policy of model {}: {e}", served.model_id)))?,
            (None, Some(object)) => {
                let provenance = Provenance { model: served.model_id, snapshot: None };
                let bytes = read_tensor(&self.bucket, object, provenance, "policy").await?;
                Policy::from_bytes(&bytes).map_err(|e| ApiError::internal(format!("{object}: {e}")))?
            }
            (None, None) => Policy::uniform(&checked.space)
                .ok_or_else(|| ApiError::internal(format!("model {} allows no variant", served.model_id)))?,
        };
        let keys = VariantKeys::of(&checked.space)
            .map_err(|e| ApiError::internal(format!("the variants of model {}: {e}", served.model_id)))?;
        Ok(ReadyVersion::new(served, checked, policy, keys))
    }
}
