//! A training run's lease on its model: acquired by a conditional write, renewed while the run lives, released at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::domain::{LastError, Lease, Model};
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::store::{LeaseAttempt, StoreError};

/// How long the lease of a request that waits in the queue lasts. The request is there before the lease is: a queue that is
/// slower loses the lease, not the request.
pub(super) const QUEUED_LEASE: TimeDelta = TimeDelta::minutes(15);
/// How the owner of such a lease begins.
const REQUEST_OWNER: &str = "request:";

/// A lease that is ours. Dropping the guard stops the renewal, and the lease expires.
pub(super) struct LeaseGuard {
    pub(super) owner: String,
    renewal: JoinHandle<()>,
    lost: Arc<Notify>,
}

/// How often a run looks whether its lease is still its own: it ends within a second of the end of its model.
pub(super) const LOOK: Duration = Duration::from_millis(500);

impl LeaseGuard {
    fn new(app: &App, organization: &str, id: Uuid, owner: String) -> Self {
        let lost = Arc::new(Notify::new());
        let renewal = app.renew_until_lost(organization.to_owned(), id, owner.clone(), Arc::clone(&lost));
        Self { owner, renewal: tokio::spawn(renewal), lost }
    }

    /// Ends when it is known that the lease is lost: the model is archived, or another run has it. Never after
    /// [`LeaseGuard::stop_renewing`].
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Ends the renewal: from here on the run's own writes are not to meet it. The lease stays until it expires.
    pub(super) fn stop_renewing(&self) {
        self.renewal.abort();
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl App {
    /// Acquires the lease of a model.
    pub(super) async fn acquire_lease(&self, organization: &str, id: Uuid) -> Result<(LeaseGuard, Model), ApiError> {
        let now = self.clock.now();
        let lease = self.new_lease();
        match self.table.acquire_lease(organization, id, &lease, now).await? {
            LeaseAttempt::Acquired(model) => Ok((LeaseGuard::new(self, organization, id, lease.owner), *model)),
            LeaseAttempt::Refused(None) => Err(ApiError::NotFound { what: "model", id: id.to_string() }),
            LeaseAttempt::Refused(Some(model)) if model.archived_at.is_some() => Err(archived(id)),
            LeaseAttempt::Refused(Some(model)) => {
                // A lease that was released in between is worth another attempt at once.
                let left = model.active_lease(now).map_or(TimeDelta::zero(), |(_, left)| left);
                Err(ApiError::Conflict {
                    message: format!("model {id} is being trained by another run; wait until it ends"),
                    retry_after: Some(left.to_std().unwrap_or(Duration::ZERO).max(Duration::from_secs(1))),
                })
            }
        }
    }

    /// Acquires the lease that was transferred to a request when it was queued, however long ago; `None` where it is lost.
    pub(super) async fn acquire_lease_of_request(
        &self,
        organization: &str,
        id: Uuid,
        request: &str,
    ) -> Result<Option<(LeaseGuard, Model)>, ApiError> {
        let lease = self.new_lease();
        let model = self.table.transfer_lease(organization, id, &request_owner(request), &lease).await?;
        Ok(model.map(|model| (LeaseGuard::new(self, organization, id, lease.owner), model)))
    }

    /// Transfers the lease to a request that will wait in the queue. `false`: the lease was lost before.
    pub(super) async fn transfer_lease_to_request(
        &self,
        model: &Model,
        guard: &mut LeaseGuard,
        request: &str,
    ) -> Result<bool, ApiError> {
        let lease = Lease { owner: request_owner(request), expires_at: self.clock.now() + QUEUED_LEASE };
        let transferred = self.table.transfer_lease(&model.organization_id, model.id, &guard.owner, &lease).await?;
        guard.stop_renewing();
        guard.owner = lease.owner;
        Ok(transferred.is_some())
    }

    /// Releases the lease that was transferred to a request, where it still has it: the request is dropped.
    pub(super) async fn release_lease_of_request(&self, model: &Model, request: &str) {
        match self.table.release_lease(&model.organization_id, model.id, &request_owner(request)).await {
            Ok(()) | Err(StoreError::Condition { .. }) => {}
            Err(error) => tracing::warn!(model_id = %model.id, %error, "a lease was not released; it expires"),
        }
    }

    fn new_lease(&self) -> Lease {
        Lease { owner: Uuid::new_v4().to_string(), expires_at: self.clock.now() + self.lease }
    }

    /// Renews a lease three times in its span, until the task is aborted or the lease is lost, and looks in between whether it
    /// is.
    fn renew_until_lost(
        &self,
        organization: String,
        id: Uuid,
        owner: String,
        lost: Arc<Notify>,
    ) -> impl Future<Output = ()> + 'static {
        let (app, request_id) = (self.clone(), log_field("request_id"));
        async move {
            let pause = app.lease.to_std().unwrap_or(Duration::from_mins(1)) / 3;
            let mut renewed = Instant::now();
            loop {
                tokio::time::sleep(pause.saturating_sub(renewed.elapsed()).min(LOOK)).await;
                if renewed.elapsed() < pause {
                    // What cannot be seen now is seen by the next look, or by the renewal.
                    if matches!(app.table.is_leased_by(&organization, id, &owner).await, Ok(false)) {
                        return lost.notify_one();
                    }
                    continue;
                }
                renewed = Instant::now();
                let lease = Lease { owner: owner.clone(), expires_at: app.clock.now() + app.lease };
                match app.table.renew_lease(&organization, id, &lease).await {
                    Ok(()) => {}
                    Err(StoreError::Condition { .. }) => return lost.notify_one(),
                    Err(error) => {
                        tracing::warn!(request_id, model_id = %id, %error, "the lease was not renewed; retrying");
                    }
                }
            }
        }
    }

    /// Releases a lease after a failed run and records the error on the model. What cannot be written is logged: the lease
    /// expires anyway, and the client gets the run's own error.
    pub(super) async fn release_lease_after_failure(
        &self,
        organization: &str,
        id: Uuid,
        lease: LeaseGuard,
        error: &ApiError,
    ) {
        let (code, request_id) = (error.code(), log_field("request_id"));
        self.metrics.failed(code);
        lease.stop_renewing();
        let message = error.kept(request_id.as_deref());
        let last = LastError { code: code.to_owned(), message, at: self.clock.now() };
        if let Err(error) = self.table.release_lease_after_failure(organization, id, &lease.owner, &last).await {
            tracing::warn!(request_id, model_id = %id, %error, "the end of a failed run was not recorded");
        }
    }

    /// Releases a lease after a run that found nothing to do. What cannot be written is logged: the lease expires anyway.
    pub(super) async fn release_lease(&self, organization: &str, id: Uuid, lease: LeaseGuard) {
        lease.stop_renewing();
        if let Err(error) = self.table.release_lease(organization, id, &lease.owner).await {
            tracing::warn!(request_id = log_field("request_id"), model_id = %id, %error, "a lease was not released; it expires");
        }
    }
}

fn request_owner(request: &str) -> String {
    format!("{REQUEST_OWNER}{request}")
}

/// Whether a request of this name has the lease of the model.
pub(super) fn is_leased_by(model: &Model, request: &str) -> bool {
    model.is_leased_by(&request_owner(request))
}

/// Whether a request that waits in the queue has the lease of the model.
pub(super) fn is_leased_by_request(model: &Model, now: DateTime<Utc>) -> bool {
    model.active_lease(now).is_some_and(|(lease, _)| lease.owner.starts_with(REQUEST_OWNER))
}

/// The answer for a model that is archived.
pub(super) fn archived(id: Uuid) -> ApiError {
    ApiError::conflict(format!("model {id} is archived; create a new model for its optimization"))
}
