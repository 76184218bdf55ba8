//! Counts the storage calls (`DynamoDB`, S3) that one request makes.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::ConfigBag;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Calls by `Service.Operation`, such as `DynamoDB.GetItem`. Retries of a call are not counted again.
#[derive(Clone, Debug, Default)]
pub struct StorageCalls {
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Who counts around this counter, and counts the same calls.
    around: Option<Arc<StorageCalls>>,
}

tokio::task_local! {
    static CURRENT: StorageCalls;
}

impl StorageCalls {
    /// A fresh counter, whose calls the counter of the current task counts too.
    #[must_use]
    pub fn within() -> Self {
        Self { around: CURRENT.try_with(Clone::clone).ok().map(Arc::new), ..Self::default() }
    }

    /// Runs `future`, counting the calls that it makes in its own task.
    pub async fn count<F: Future>(&self, future: F) -> F::Output {
        CURRENT.scope(self.clone(), future).await
    }

    /// The counter of the current task, to carry into another; a fresh one where nothing counts.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// The counts so far.
    #[must_use]
    pub fn so_far(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counts so far, of every call alike.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.so_far().values().sum()
    }

    fn add(&self, call: String) {
        if let Some(around) = &self.around {
            around.add(call.clone());
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
    }
}

/// The interceptor that counts; put into the configuration of every client.
#[derive(Debug)]
pub struct CountStorageCalls;

impl Intercept for CountStorageCalls {
    fn name(&self) -> &'static str {
        "CountStorageCalls"
    }

    // The first moment of a call at which the SDK knows which operation it is.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = cfg.load::<Metadata>() {
            let call = format!("{}.{}", metadata.service(), metadata.name());
            // Outside a request there is nobody to count for.
            let _ = CURRENT.try_with(|calls| calls.add(call));
        }
        Ok(())
    }
}
