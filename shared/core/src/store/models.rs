//! Models in the table: leases and publishing. Every change is conditional on what it must not overwrite.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem, Update};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;
use super::names::{
    ARCHIVED_MODEL, built, list_order, model_key, optimization_key, optimization_list, organization_key,
};
use super::table::{Table, decode, fault, item, nested, number, text};
use super::versions::posterior_record_key;
use crate::domain::{
    BegunRuns, Change, LastError, Lease, Model, Optimization, OptimizationStatus, PosteriorRecord, Served, Serving,
    StatusReason,
};
use crate::keyed_work::Effect;

/// Where [`Table::publish`] finds that what is served has changed.
pub const SERVED: usize = 2;

/// What came of an attempt to acquire the lease of a model.
#[derive(Clone, Debug)]
pub enum LeaseAttempt {
    /// The lease is ours; this is the model with it.
    Acquired(Box<Model>),
    /// It is not ours: the model as it stands, or `None` where there is no such model.
    Refused(Option<Box<Model>>),
}

impl Table {
    /// Reads a model of an organization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn model(&self, organization: &str, id: Uuid) -> Result<Option<Model>, StoreError> {
        self.get(organization_key(organization), model_key(id)).await
    }

    /// Writes a new optimization with its first model, both or neither.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_both(
        &self,
        optimization: &Optimization,
        model: &Model,
        serving: &Serving,
        change: &Change,
    ) -> Result<(), StoreError> {
        let order = list_order(optimization_list(optimization.status), optimization.updated_at, optimization.id);
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(
                organization_key(&optimization.organization_id),
                optimization_key(optimization.id),
                optimization,
                &[("list_order", text(order))],
            )?))
            .condition_expression("attribute_not_exists(pk)");
        let first = TransactWriteItem::builder().put(built(put.build())?).build();
        let serve = self.put_new_serving(serving)?;
        let writes = vec![first, self.put_new_model(model)?, serve, self.put_change(change)?];
        self.transact_with_effect(writes, Effect::Model(model.id)).await
    }

    /// Writes a new model for an optimization that has none and is archived or is not, and says so there.
    ///
    /// # Errors
    /// [`StoreError::Condition`] with item 0 where the optimization is missing, has a model, or is not as `archived` says.
    pub async fn create_model(
        &self,
        model: &Model,
        served: &Served,
        archived: bool,
        change: &Change,
    ) -> Result<(), StoreError> {
        let status = if archived { OptimizationStatus::Archived } else { OptimizationStatus::Live };
        let order = list_order(optimization_list(status), model.created_at, model.optimization_id);
        let compared = if archived { "=" } else { "<>" };
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(&model.organization_id)))
            .key("sk", text(optimization_key(model.optimization_id)))
            .update_expression("SET model_id = :model, updated_at = :now, list_order = :order")
            .condition_expression(format!(
                "attribute_exists(pk) AND attribute_not_exists(model_id) AND #status {compared} :archived"
            ))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":archived", nested(&OptimizationStatus::Archived)?)
            .expression_attribute_values(":model", text(model.id.to_string()))
            .expression_attribute_values(":now", number(model.created_at.timestamp_millis()))
            .expression_attribute_values(":order", text(order));
        let parent = TransactWriteItem::builder().update(built(update.build())?).build();
        let serve = self.serve_new_model(model.optimization_id, served)?;
        let writes = vec![parent, self.put_new_model(model)?, serve, self.put_change(change)?];
        self.transact_with_effect(writes, Effect::Model(model.id)).await
    }

    fn put_new_model(&self, model: &Model) -> Result<TransactWriteItem, StoreError> {
        let order = list_order("MODEL", model.updated_at, model.id);
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(
                organization_key(&model.organization_id),
                model_key(model.id),
                model,
                &[("list_order", text(order))],
            )?))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Acquires the lease of a model for a run, unless the model is archived or another run's lease has not expired.
    ///
    /// # Errors
    /// [`StoreError`]; a refusal is no error.
    pub async fn acquire_lease(
        &self,
        organization: &str,
        id: Uuid,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<LeaseAttempt, StoreError> {
        let update = self
            .client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(model_key(id)))
            .update_expression("SET #lease = :lease, updated_at = :now, list_order = :order ADD revision :one")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(archived_at) \
                 AND (attribute_not_exists(#lease) OR #lease.#expires <= :now)",
            )
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":lease", nested(lease)?)
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order("MODEL", now, id)))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        match self.update(update).await {
            Ok(model) => Ok(LeaseAttempt::Acquired(Box::new(decode(model)?))),
            Err(StoreError::Condition { .. }) => Ok(match self.model(organization, id).await?.map(Box::new) {
                // An earlier attempt of the same call got there, and its answer was lost.
                Some(model) if model.is_leased_by(&lease.owner) => LeaseAttempt::Acquired(model),
                refused => LeaseAttempt::Refused(refused),
            }),
            Err(other) => Err(other),
        }
    }

    /// An update of a model by the owner of its lease: the keys, the names `#lease` and `#owner`, and the value `:owner`.
    fn update_under_lease(&self, organization: &str, id: Uuid, owner: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .key("pk", text(organization_key(organization)))
            .key("sk", text(model_key(id)))
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner))
    }

    /// Transfers a lease from one owner to another, and returns the model with it; `None` where the first does not hold it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn transfer_lease(
        &self,
        organization: &str,
        id: Uuid,
        from: &str,
        lease: &Lease,
    ) -> Result<Option<Model>, StoreError> {
        let update = self
            .update_under_lease(organization, id, from)
            .update_expression("SET #lease = :lease ADD revision :one")
            .condition_expression("#lease.#owner = :owner AND attribute_not_exists(archived_at)")
            .expression_attribute_values(":lease", nested(lease)?)
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        match self.update(update).await {
            Ok(model) => Ok(Some(decode(model)?)),
            // It is ours where an earlier attempt of the same call got there, and its answer was lost.
            Err(StoreError::Condition { .. }) => {
                Ok(self.model(organization, id).await?.filter(|model| model.is_leased_by(&lease.owner)))
            }
            Err(other) => Err(other),
        }
    }

    /// Releases a lease, with nothing to say about the run.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the owner's.
    pub async fn release_lease(&self, organization: &str, id: Uuid, owner: &str) -> Result<(), StoreError> {
        let update = self
            .update_under_lease(organization, id, owner)
            .update_expression("REMOVE #lease ADD revision :one")
            .condition_expression("#lease.#owner = :owner")
            .expression_attribute_values(":one", number(1));
        self.update(update).await.map(drop)
    }

    /// Records an error of earlier runs on a model that is leased by a run now; the end of this run replaces it.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the run's.
    pub async fn record_error(
        &self,
        organization: &str,
        id: Uuid,
        owner: &str,
        error: &LastError,
    ) -> Result<(), StoreError> {
        let update = self
            .update_under_lease(organization, id, owner)
            .update_expression("SET last_error = :error ADD revision :one")
            .condition_expression("#lease.#owner = :owner AND attribute_not_exists(archived_at)")
            .expression_attribute_values(":error", nested(error)?)
            .expression_attribute_values(":one", number(1));
        self.update(update).await.map(drop)
    }

    /// Records that a run begins, whose lease it is.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the run's.
    pub async fn begin_run(
        &self,
        organization: &str,
        id: Uuid,
        owner: &str,
        begun: &BegunRuns,
    ) -> Result<(), StoreError> {
        let update = self
            .update_under_lease(organization, id, owner)
            .update_expression("SET begun_runs = :begun ADD revision :one")
            .condition_expression("#lease.#owner = :owner AND attribute_not_exists(archived_at)")
            .expression_attribute_values(":begun", nested(begun)?)
            .expression_attribute_values(":one", number(1));
        self.update(update).await.map(drop)
    }

    /// Whether a run may go on: the lease is its own, and the model is not archived. It reads these two alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_leased_by(&self, organization: &str, id: Uuid, owner: &str) -> Result<bool, StoreError> {
        #[derive(serde::Deserialize)]
        struct Leased {
            #[serde(default)]
            lease: Option<Lease>,
            #[serde(default)]
            archived_at: Option<i64>,
        }
        let attributes = "archived_at, #lease";
        let found: Option<Leased> = self
            .get_attributes(organization_key(organization), model_key(id), attributes, &[("#lease", "lease")])
            .await?;
        Ok(found
            .is_some_and(|model| model.archived_at.is_none() && model.lease.is_some_and(|lease| lease.owner == owner)))
    }

    /// Renews a lease: moves its expiry.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the run's.
    pub async fn renew_lease(&self, organization: &str, id: Uuid, lease: &Lease) -> Result<(), StoreError> {
        let update = self
            .update_under_lease(organization, id, &lease.owner)
            .update_expression("SET #lease.#expires = :expires")
            .condition_expression("#lease.#owner = :owner AND attribute_not_exists(archived_at)")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":expires", number(lease.expires_at.timestamp_millis()));
        self.update(update).await.map(drop)
    }

    /// Ends a run that failed: releases the lease and records the error.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the run's.
    pub async fn release_lease_after_failure(
        &self,
        organization: &str,
        id: Uuid,
        owner: &str,
        error: &LastError,
    ) -> Result<(), StoreError> {
        let update = self
            .update_under_lease(organization, id, owner)
            .update_expression(
                "SET last_error = :error, updated_at = :now, list_order = :order REMOVE #lease, begun_runs ADD revision :one",
            )
            .condition_expression("#lease.#owner = :owner AND attribute_not_exists(archived_at)")
            .expression_attribute_values(":error", nested(error)?)
            .expression_attribute_values(":now", number(error.at.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order("MODEL", error.at, id)))
            .expression_attribute_values(":one", number(1));
        self.update(update).await.map(drop)
    }

    /// Ends a run that succeeded: records the posterior, moves the model's pointer and the served policy to it, records which
    /// request it completed, as `model` says, and releases the lease, all or nothing. `standing` is why the baseline is served to
    /// everybody: before the run, and from it on.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the lease is no longer the run's or the model is archived, and with item [`SERVED`] where what is
    /// served has changed otherwise.
    pub async fn publish(
        &self,
        model: &Model,
        owner: &str,
        posterior: &PosteriorRecord,
        served: &Served,
        (before, after): (Option<&StatusReason>, Option<&StatusReason>),
        change: &Change,
    ) -> Result<(), StoreError> {
        let (organization, id) = (model.organization_id.as_str(), model.id);
        let now = posterior.trained_at;
        let version = i64::try_from(posterior.posterior_version).unwrap_or(i64::MAX);
        let pointer = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(model_key(id)))
            .update_expression(
                "SET posterior = :posterior, highest_version = :version, measured_version = :version, \
                 trained_snapshot = :snapshot, fulfilled = :request, updated_at = :now, list_order = :order \
                 REMOVE #lease, last_error, begun_runs ADD revision :one",
            )
            .condition_expression(
                "#lease.#owner = :owner AND attribute_not_exists(archived_at) AND highest_version < :version",
            )
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":posterior", nested(posterior)?)
            .expression_attribute_values(":version", number(version))
            .expression_attribute_values(":snapshot", text(&posterior.snapshot_id))
            .expression_attribute_values(
                ":request",
                model.completed_request.as_deref().map_or(AttributeValue::Null(true), text),
            )
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order("MODEL", now, id)))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":one", number(1));
        let record = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(
                organization_key(organization),
                posterior_record_key(id, posterior.posterior_version),
                posterior,
                &[],
            )?))
            .condition_expression("attribute_not_exists(pk)");
        let writes = vec![
            TransactWriteItem::builder().update(built(pointer.build())?).build(),
            TransactWriteItem::builder().put(built(record.build())?).build(),
            self.serve_version(model.optimization_id, served, before.is_some())?,
            self.summarise(model, posterior, after)?,
            self.put_change(change)?,
        ];
        self.transact_with_effect(writes, Effect::Posterior(posterior.posterior_version)).await
    }

    /// Has the parent of a model say what lists say of the posterior that comes into force, and why the baseline is served instead of
    /// it, where it is.
    pub(super) fn summarise(
        &self,
        model: &Model,
        posterior: &PosteriorRecord,
        reason: Option<&StatusReason>,
    ) -> Result<TransactWriteItem, StoreError> {
        let summary = serde_json::to_string(&posterior.summary).map_err(|e| fault("encode", &e))?;
        let update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(&model.organization_id)))
            .key("sk", text(optimization_key(model.optimization_id)))
            .condition_expression("model_id = :model")
            .expression_attribute_values(":summary", text(summary))
            .expression_attribute_values(":model", text(model.id.to_string()));
        let update = match reason {
            Some(reason) => update
                .update_expression("SET summary = :summary, status_reason = :reason")
                .expression_attribute_values(":reason", nested(reason)?),
            None => update.update_expression("SET summary = :summary"),
        };
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    /// Archives a model and takes it from its optimization of a status, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the model is missing or archived already, with item 1 where the optimization's status is no
    /// longer that one.
    pub async fn archive(&self, model: &Model, status: OptimizationStatus, change: &Change) -> Result<(), StoreError> {
        let now = change.at;
        let organization = organization_key(&model.organization_id);
        let millis = number(now.timestamp_millis());
        let child = Update::builder()
            .table_name(&self.name)
            .key("pk", text(&organization))
            .key("sk", text(model_key(model.id)))
            .update_expression(
                "SET archived_at = :now, updated_at = :now, list_order = :order REMOVE #lease ADD revision :one",
            )
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(archived_at)")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_values(":now", millis.clone())
            .expression_attribute_values(":order", text(list_order(ARCHIVED_MODEL, now, model.id)))
            .expression_attribute_values(":one", number(1));
        let parent = Update::builder()
            .table_name(&self.name)
            .key("pk", text(&organization))
            .key("sk", text(optimization_key(model.optimization_id)))
            .update_expression(
                "SET updated_at = :now, list_order = :order REMOVE model_id, summary, status_reason, overruled_at",
            )
            .condition_expression("model_id = :model AND #status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", nested(&status)?)
            .expression_attribute_values(":now", millis)
            .expression_attribute_values(
                ":order",
                text(list_order(optimization_list(status), now, model.optimization_id)),
            )
            .expression_attribute_values(":model", text(model.id.to_string()));
        self.transact(vec![
            TransactWriteItem::builder().update(built(child.build())?).build(),
            TransactWriteItem::builder().update(built(parent.build())?).build(),
            self.stop_serving(model.optimization_id, model.id)?,
            self.put_change(change)?,
        ])
        .await
    }
}
