//! Requests to train, as objects in the bucket: one that is there waits or is worked on, one that is done is deleted.
//!
//! The bucket announces each new object to the queue, as it announces complete snapshots, so that whoever may ask for a run
//! needs no right but to write here, and the same code asks in the cloud and locally.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hold::Hold;
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
    pub(super) async fn queue(
        &self,
        model: &Model,
        hold: &mut Hold,
        bias: BTreeMap<String, f64>,
    ) -> Result<(), ApiError> {
        let request = Uuid::new_v4().to_string();
        if !self.leave_to(model, hold, &request).await? {
            return Err(self.lost(model).await);
        }
        self.ask(model, &request, &Request::Train { bias }).await.map(drop)
    }

    /// Writes a request. `false`: one of this name waits already.
    pub(super) async fn ask(&self, model: &Model, name: &str, request: &Request) -> Result<bool, ApiError> {
        let key = request_key(&model.organization_id, &model.id.to_string(), name);
        let json = serde_json::to_vec(request).map_err(ApiError::internal)?;
        Ok(self.bucket.put_new(&key, Bytes::from(json)).await?)
    }

    /// Reads a request; `None` where it is done.
    pub(super) async fn asked(&self, key: &str) -> Result<Option<Request>, ApiError> {
        let Some(json) = self.bucket.read_if_there(key).await? else { return Ok(None) };
        let broken = |e| ApiError::internal(format!("{key} is no request to train: {e}"));
        serde_json::from_slice(&json).map(Some).map_err(broken)
    }

    /// Deletes a request that is done. One that stays is done again when it is announced again, no more.
    pub(super) async fn done(&self, key: &str) {
        if let Err(error) = self.bucket.delete(key).await {
            tracing::warn!(key, %error, "a request that is done was not deleted");
        }
    }
}
