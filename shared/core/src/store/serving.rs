//! The record that serving reads, kept in step with the model by the transactions that change the model.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use uuid::Uuid;

use super::error::StoreError;
use super::names::built;
use super::optimizations::ServingChange;
use super::table::{Table, item, nested, text};
use crate::domain::{OptimizationStatus, Served, Serving};

const KIND: &str = "SERVING";

pub(super) fn serving_key(optimization: Uuid) -> String {
    format!("{KIND}#{optimization}")
}

impl Table {
    /// What serving needs of an optimization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn serving(&self, optimization: Uuid) -> Result<Option<Serving>, StoreError> {
        self.get(serving_key(optimization), KIND.to_owned()).await
    }

    pub(super) fn put_new_serving(&self, serving: &Serving) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(serving_key(serving.optimization_id), KIND.to_owned(), serving, &[])?))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn update_serving(&self, optimization: Uuid) -> UpdateBuilder {
        Update::builder().table_name(&self.name).key("pk", text(serving_key(optimization))).key("sk", text(KIND))
    }

    /// From now on a new model is served.
    pub(super) fn serve_new_model(&self, optimization: Uuid, served: &Served) -> Result<TransactWriteItem, StoreError> {
        let update = self
            .update_serving(optimization)
            .update_expression("SET served = :served")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(served)")
            .expression_attribute_values(":served", nested(served)?);
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    /// From now on another version of the same model is served, unless what is served has become completed, live, or held to the
    /// baseline since; `on_baseline` is whether it was.
    pub(super) fn serve_version(
        &self,
        optimization: Uuid,
        served: &Served,
        on_baseline: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let status = if served.frozen { "#status = :completed" } else { "#status <> :completed" };
        let baseline = if on_baseline {
            "served.baseline = :true"
        } else {
            "(attribute_not_exists(served.baseline) OR served.baseline <> :true)"
        };
        let update = self
            .update_serving(optimization)
            .update_expression("SET served = :served")
            // A completed optimization serves what is frozen, another one what explores.
            .condition_expression(format!("served.model_id = :model AND {status} AND {baseline}"))
            .expression_attribute_values(":true", nested(&true)?)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":completed", nested(&OptimizationStatus::Completed)?)
            .expression_attribute_values(":served", nested(served)?)
            .expression_attribute_values(":model", text(served.model_id.to_string()));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    /// From now on an optimization serves under another status, and what goes with it, unless it changed since it was read.
    pub(super) fn serve_under(
        &self,
        status: OptimizationStatus,
        change: &ServingChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let ServingChange { before, served } = change;
        let mut update = self
            .update_serving(before.optimization_id)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":organization", text(&before.organization_id))
            .expression_attribute_values(":before", nested(&before.status)?)
            .expression_attribute_values(":status", nested(&status)?);
        let mut condition = "organization_id = :organization AND #status = :before".to_owned();
        match &before.served {
            None => condition.push_str(" AND attribute_not_exists(served)"),
            Some(served) => {
                condition.push_str(" AND served.model_id = :model AND served.posterior_version = :version");
                update = update
                    .expression_attribute_values(":model", text(served.model_id.to_string()))
                    .expression_attribute_values(":version", nested(&served.posterior_version)?);
            }
        }
        let mut set = "SET #status = :status".to_owned();
        if let Some(served) = served {
            set.push_str(", served = :served");
            update = update.expression_attribute_values(":served", nested(served)?);
        }
        let update = update.update_expression(set).condition_expression(condition);
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    /// From now on nothing is served.
    pub(super) fn stop_serving(&self, optimization: Uuid, model: Uuid) -> Result<TransactWriteItem, StoreError> {
        let update = self
            .update_serving(optimization)
            .update_expression("REMOVE served")
            .condition_expression("served.model_id = :model")
            .expression_attribute_values(":model", text(model.to_string()));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }
}
