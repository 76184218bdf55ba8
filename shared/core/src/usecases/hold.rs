//! A training run's hold on its model: taken by a conditional write, renewed while the run lives, given back at its end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::domain::{LastError, Lease, Model};
use crate::error::ApiError;
use crate::http::status;
use crate::log_fields::log_field;
use crate::store::{StoreError, Taken};

/// How long the hold of a request that waits in the queue lasts; the request is there before the hold is. A queue that is slower loses the hold, not the request.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// How the owner of such a hold begins.
const WAITING: &str = "request:";

/// A hold that is ours. Dropping it stops the renewal, and the hold lapses.
pub(super) struct Hold {
    pub(super) owner: String,
    renewal: JoinHandle<()>,
}

impl Hold {
    fn new(app: &App, organization: &str, id: Uuid, owner: String) -> Self {
        let renewal = tokio::spawn(app.renew_forever(organization.to_owned(), id, owner.clone()));
        Self { owner, renewal }
    }

    /// Ends the renewal: from here on the run's own writes are not to meet it. The hold goes on until it lapses.
    pub(super) fn stop_renewing(&self) {
        self.renewal.abort();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl App {
    /// Takes hold of a model.
    pub(super) async fn hold(&self, organization: &str, id: Uuid) -> Result<(Hold, Model), ApiError> {
        let now = self.clock.now();
        let lease = self.new_lease();
        match self.table.take(organization, id, &lease, now).await? {
            Taken::Held(model) => Ok((Hold::new(self, organization, id, lease.owner), *model)),
            Taken::Refused(None) => Err(ApiError::NotFound { what: "model", id: id.to_string() }),
            Taken::Refused(Some(model)) if model.archived_at.is_some() => Err(archived(id)),
            Taken::Refused(Some(model)) => {
                // A hold that was given back in between is worth another try at once.
                let left = model.held(now).map_or(TimeDelta::zero(), |(_, left)| left);
                Err(ApiError::Conflict {
                    message: format!("another training run holds model {id}; wait until it ends"),
                    retry_after: Some(left.to_std().unwrap_or(Duration::ZERO).max(Duration::from_secs(1))),
                })
            }
        }
    }

    /// Takes the hold that a request left when it began to wait, however long ago; `None` where it is no longer there.
    pub(super) async fn hold_for(
        &self,
        organization: &str,
        id: Uuid,
        request: &str,
    ) -> Result<Option<(Hold, Model)>, ApiError> {
        let lease = self.new_lease();
        let model = self.table.hand_over(organization, id, &waiting(request), &lease).await?;
        Ok(model.map(|model| (Hold::new(self, organization, id, lease.owner), model)))
    }

    /// Leaves the hold to a request that will wait in the queue. `false`: the hold was lost before.
    pub(super) async fn leave_to(&self, model: &Model, hold: &mut Hold, request: &str) -> Result<bool, ApiError> {
        let lease = Lease { owner: waiting(request), expires_at: self.clock.now() + PATIENCE };
        let passed = self.table.hand_over(&model.organization_id, model.id, &hold.owner, &lease).await?;
        hold.stop_renewing();
        hold.owner = lease.owner;
        Ok(passed.is_some())
    }

    fn new_lease(&self) -> Lease {
        Lease { owner: Uuid::new_v4().to_string(), expires_at: self.clock.now() + self.lease }
    }

    /// Renews a hold three times in each span of the lease, until the task is aborted or the hold is lost.
    fn renew_forever(&self, organization: String, id: Uuid, owner: String) -> impl Future<Output = ()> + 'static {
        let (app, request_id) = (self.clone(), log_field("request_id"));
        async move {
            let pause = app.lease.to_std().unwrap_or(Duration::from_mins(1)) / 3;
            loop {
                tokio::time::sleep(pause).await;
                let lease = Lease { owner: owner.clone(), expires_at: app.clock.now() + app.lease };
                match app.table.renew(&organization, id, &lease).await {
                    Ok(()) => {}
                    // Publishing has the same condition and will say so.
                    Err(StoreError::Condition { .. }) => return,
                    Err(error) => {
                        tracing::warn!(request_id, model_id = %id, %error, "the hold was not renewed; trying again");
                    }
                }
            }
        }
    }

    /// Gives a hold back after a failed run and keeps the error with the model. What cannot be written is logged: the
    /// hold lapses anyway, and the client gets the run's own error.
    pub(super) async fn give_back(&self, organization: &str, id: Uuid, hold: Hold, error: &ApiError) {
        let ((_, code), request_id) = (status(error), log_field("request_id"));
        self.metrics.failed(code);
        hold.stop_renewing();
        let message = error.kept(request_id.as_deref());
        let last = LastError { code: code.to_owned(), message, at: self.clock.now() };
        if let Err(error) = self.table.fail(organization, id, &hold.owner, &last).await {
            tracing::warn!(request_id, model_id = %id, %error, "the end of a failed run was not recorded");
        }
    }

    /// Gives a hold back after a run that found nothing to do. What cannot be written is logged: the hold lapses anyway.
    pub(super) async fn release(&self, organization: &str, id: Uuid, hold: Hold) {
        hold.stop_renewing();
        if let Err(error) = self.table.release(organization, id, &hold.owner).await {
            tracing::warn!(request_id = log_field("request_id"), model_id = %id, %error, "a hold was not given back; it lapses");
        }
    }
}

fn waiting(request: &str) -> String {
    format!("{WAITING}{request}")
}

/// Whether a request that waits in the queue holds the model.
pub(super) fn is_waited_for(model: &Model, now: DateTime<Utc>) -> bool {
    model.held(now).is_some_and(|(lease, _)| lease.owner.starts_with(WAITING))
}

/// The answer for a model that is archived.
pub(super) fn archived(id: Uuid) -> ApiError {
    ApiError::conflict(format!("model {id} is archived; create a new model for its optimization"))
}
