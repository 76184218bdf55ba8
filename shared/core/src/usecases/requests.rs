//! Requests to train, as objects in the bucket: one that is there waits or is worked on, one that is done is deleted.
//!
//! The bucket announces each new object to the queue, as it announces complete snapshots, so that whoever may ask for a run
//! needs no right but to write here, and the same code asks in the cloud and locally.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hold::{Hold, archived};
use crate::app::App;
use crate::domain::Model;
use crate::error::ApiError;
use crate::store::request_key;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// A run, whatever was trained before.
    Train {
        /// The biases of the run.
        bias: BTreeMap<String, f64>,
    },
    /// A run if this snapshot was not learned yet.
    Learn {
        /// The snapshot.
        snapshot_id: String,
    },
}

impl App {
    /// Has a run wait in the queue, with the hold on its model.
    ///
    /// The request comes first: if this process dies before it leaves the hold, the hold lapses within a lease and the
    /// request is done all the same. A request without a hold waits like any other event, so that only an archived model is
    /// an error from there on.
    pub(super) async fn queue(
        &self,
        model: &Model,
        hold: &mut Hold,
        bias: BTreeMap<String, f64>,
    ) -> Result<(), ApiError> {
        let request = Uuid::new_v4().to_string();
        self.ask(model, &request, &Request::Train { bias }).await?;
        match self.leave_to(model, hold, &request).await {
            Ok(true) => {}
            Ok(false) if self.is_archived(model).await? => return Err(archived(model.id)),
            Ok(false) => tracing::warn!(model_id = %model.id, "a request waits without a hold; another run took it"),
            Err(error) => tracing::warn!(model_id = %model.id, %error, "a request waits until the hold lapses"),
        }
        Ok(())
    }

    /// Writes a request. `false`: one of this name waits already.
    pub(super) async fn ask(&self, model: &Model, name: &str, request: &Request) -> Result<bool, ApiError> {
        let key = request_key(&model.organization_id, &model.id.to_string(), name);
        let json = serde_json::to_vec(request).map_err(ApiError::internal)?;
        Ok(self.bucket.put_new(&key, Bytes::from(json)).await?)
    }

    async fn is_archived(&self, model: &Model) -> Result<bool, ApiError> {
        let now = self.table.model(&model.organization_id, model.id).await?;
        Ok(now.is_none_or(|now| now.archived_at.is_some()))
    }

    /// Reads a request, or says why the object is none; `None` where it is done.
    pub(super) async fn asked(&self, key: &str) -> Result<Option<Result<Request, ApiError>>, ApiError> {
        let Some(json) = self.bucket.read_if_there(key).await? else { return Ok(None) };
        let broken = |e| ApiError::invalid(format!("{key} is no request to train: {e}"));
        Ok(Some(serde_json::from_slice(&json).map_err(broken)))
    }

    /// Deletes a request that is done. One that stays is done again when it is announced again, no more.
    pub(super) async fn done(&self, key: &str) {
        if let Err(error) = self.bucket.delete(key).await {
            tracing::warn!(key, %error, "a request that is done was not deleted");
        }
    }
}
