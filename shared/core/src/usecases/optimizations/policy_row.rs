//! Computes policy rows lazily: of contexts that were not compiled, from the posterior, when serving first asks for them.

use std::sync::Arc;

use bandit::{CompileLimits, PolicyOptions, Posterior, Row, draw_row, freeze_row, serving_seed};
use uuid::Uuid;

use crate::app::App;
use crate::error::ApiError;
use crate::serving_cache::ReadyVersion;
use crate::usecases::blocking::blocking;
use crate::usecases::posterior_object::Provenance;

impl App {
    /// The policy row of a context that was not compiled: computed once for a version, the same on every machine.
    pub(super) async fn lazy_policy_row(
        &self,
        optimization: &str,
        ready: &Arc<ReadyVersion>,
        context: u64,
    ) -> Result<Arc<Row>, ApiError> {
        if let Some(row) = ready.lazy_row(context) {
            return Ok(row);
        }
        let version = ready.served.posterior_version;
        let missing = || ApiError::internal(format!("version {version} has a policy with holes and no posterior"));
        let object = ready.served.object.as_deref().ok_or_else(missing)?;
        let slot = self.serving.posterior_slot(object);
        let posterior = Arc::clone(slot.get_or_try_init(|| self.read_posterior(ready.served.model_id, object)).await?);
        let seed = serving_seed(optimization, version, context);
        let of = Arc::clone(ready);
        let draw = move || {
            if of.served.frozen {
                return freeze_row(&of.checked.space, &posterior, context).map_err(ApiError::internal);
            }
            let options = PolicyOptions {
                bias: &of.served.bias,
                exploration: of.checked.settings.exploration,
                minimum_share: of.checked.config.minimum_share.unwrap_or_default(),
                limits: CompileLimits::default(),
                threads: 1,
            };
            draw_row(&of.checked.space, &posterior, &options, context, &seed).map_err(ApiError::internal)
        };
        let row = Arc::new(blocking(draw).await??);
        ready.put_lazy_row(context, &row);
        Ok(row)
    }

    /// The posterior of an object, as far as decisions need it.
    pub(super) async fn read_posterior(&self, model: Uuid, object: &str) -> Result<Arc<Posterior>, ApiError> {
        let bytes = self.bucket.read_all(object).await?;
        let stored = blocking(move || bandit::stored::decode(&bytes)).await?;
        let stored = stored.map_err(|e| ApiError::internal(format!("{object}: {e}")))?;
        Provenance { model, snapshot: None }.check(object, &stored.metadata)?;
        let mut posterior = stored.posterior;
        // Drawing a row needs the draws and their mean alone.
        posterior.precision_cholesky = Vec::new();
        Ok(Arc::new(posterior))
    }
}
