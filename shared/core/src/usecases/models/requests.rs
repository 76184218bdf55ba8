//! Training requests, as objects in the bucket: one that is there is queued or at work, one that is completed is deleted.
//!
//! The bucket announces each new object to the queue, as it announces complete snapshots, so that whoever may ask for a run
//! needs no right but to write here, and the same code asks in the cloud and locally.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lease::{LeaseGuard, archived, is_leased_by};
use super::outcome::TrainResponse;
use crate::app::App;
use crate::domain::{Actor, Model, millis};
use crate::echo::{MOST_CHARACTERS, cut, of_serde};
use crate::error::ApiError;
use crate::keyed_work::KeyedWork;
use crate::store::request_key;

/// What a training request asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum TrainingRequest {
    /// A run, unless one that ended after this was asked for has computed the same.
    Train {
        /// The biases of the run.
        bias: BTreeMap<String, f64>,
        /// Who asked.
        #[serde(default)]
        who: Actor,
        /// How often a run was begun for it before it was announced to the queue again.
        #[serde(default, skip_serializing_if = "is_zero")]
        tries: u32,
        /// When it was asked for; absent in requests of earlier versions, which are always run.
        #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
        asked_at: Option<DateTime<Utc>>,
        /// The name of the `Idempotency-Key` that it was asked for under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency: Option<String>,
    },
    /// A run if the model was not trained on this snapshot yet.
    #[serde(rename = "learn")]
    TrainOnSnapshot {
        /// The snapshot.
        snapshot_id: String,
        /// As of the other.
        #[serde(default, skip_serializing_if = "is_zero")]
        tries: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl TrainingRequest {
    /// How often a run was begun for it before it was announced to the queue again.
    pub(super) fn tries(&self) -> u32 {
        match self {
            Self::Train { tries, .. } | Self::TrainOnSnapshot { tries, .. } => *tries,
        }
    }

    /// The same request, for which a run was begun so many times.
    pub(super) fn tried(mut self, times: u32) -> Self {
        match &mut self {
            Self::Train { tries, .. } | Self::TrainOnSnapshot { tries, .. } => *tries = times,
        }
        self
    }
}

impl App {
    /// Enqueues a run for a call that does not wait, whoever has the lease of the model.
    pub(super) async fn enqueue_at_once(
        &self,
        model: &Model,
        bias: BTreeMap<String, f64>,
        called_at: DateTime<Utc>,
    ) -> Result<TrainResponse, ApiError> {
        let (organization, id) = (&model.organization_id, model.id);
        let is_ours = |work: &KeyedWork| {
            let completed = model.completed_request.as_deref() == Some(work.name.as_str());
            completed || is_leased_by(model, &work.name)
        };
        if KeyedWork::current().as_ref().is_some_and(is_ours) {
            return Ok(TrainResponse::Queued);
        }
        let (mut lease, model) = match self.acquire_lease(organization, id).await {
            Ok(acquired) => acquired,
            // The request waits for the run that has the lease, like any other event.
            Err(ApiError::Conflict { retry_after: Some(_), .. }) => {
                self.put_training_request(model, bias, called_at).await?;
                return Ok(TrainResponse::Queued);
            }
            Err(error) => return Err(error),
        };
        match self.enqueue_training(&model, &mut lease, bias, called_at).await {
            Ok(()) => Ok(TrainResponse::Queued),
            Err(error) => {
                self.release_lease_after_failure(organization, id, lease, &error).await;
                Err(error)
            }
        }
    }

    /// Writes the request of a call, and says its name: under a key the key's, so that a second attempt finds the request where
    /// the first left it.
    async fn put_training_request(
        &self,
        model: &Model,
        bias: BTreeMap<String, f64>,
        called_at: DateTime<Utc>,
    ) -> Result<String, ApiError> {
        let idempotency = KeyedWork::current().map(|work| work.name);
        let name = idempotency.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let who = self.actor.clone();
        let request = TrainingRequest::Train { bias, who, tries: 0, asked_at: Some(called_at), idempotency };
        self.put_request(model, &name, &request).await?;
        Ok(name)
    }

    /// Enqueues a run, and transfers the lease of its model to it.
    ///
    /// The request comes first: if this process dies before it transfers the lease, the lease expires and the request is
    /// processed all the same. A request without a lease waits like any other event, so that only an archived model is an
    /// error from there on.
    pub(super) async fn enqueue_training(
        &self,
        model: &Model,
        lease: &mut LeaseGuard,
        bias: BTreeMap<String, f64>,
        called_at: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let request = self.put_training_request(model, bias, called_at).await?;
        match self.transfer_lease_to_request(model, lease, &request).await {
            Ok(true) => {}
            Ok(false) if self.is_archived(model).await? => return Err(archived(model.id)),
            Ok(false) => {
                tracing::warn!(model_id = %model.id, "a request is queued without a lease; another run has it");
            }
            Err(error) => tracing::warn!(model_id = %model.id, %error, "a request waits until the lease expires"),
        }
        Ok(())
    }

    /// Writes a request. `false`: one of this name is queued already.
    pub(super) async fn put_request(
        &self,
        model: &Model,
        name: &str,
        request: &TrainingRequest,
    ) -> Result<bool, ApiError> {
        let key = request_key(&model.organization_id, &model.id.to_string(), name);
        let json = serde_json::to_vec(request).map_err(ApiError::internal)?;
        Ok(self.bucket.put_new(&key, Bytes::from(json)).await?)
    }

    async fn is_archived(&self, model: &Model) -> Result<bool, ApiError> {
        let now = self.table.model(&model.organization_id, model.id).await?;
        Ok(now.is_none_or(|now| now.archived_at.is_some()))
    }

    /// Reads a request, or says why the object is none; `None` where it is completed.
    pub(super) async fn read_request(&self, key: &str) -> Result<Option<Result<TrainingRequest, ApiError>>, ApiError> {
        let Some(json) = self.bucket.read_if_there(key).await? else { return Ok(None) };
        let broken = |e: serde_json::Error| {
            ApiError::invalid(format!(
                "{} is not a training request: {}",
                cut(key, MOST_CHARACTERS),
                of_serde(&e.to_string())
            ))
        };
        Ok(Some(serde_json::from_slice(&json).map_err(broken)))
    }

    /// Deletes a completed request. One that stays is processed again when it is announced again, no more.
    pub(super) async fn delete_request(&self, key: &str) {
        if let Err(error) = self.bucket.delete(key).await {
            tracing::warn!(key, %error, "a completed request was not deleted");
        }
    }
}
