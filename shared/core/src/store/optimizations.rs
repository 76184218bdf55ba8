//! Optimizations in the table: read, listed and changed, together with what serving reads of them.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;
use super::models::{built, list_order, optimization_key, organization_key};
use super::serving::serving_key;
use super::table::{Table, nested, number, text};
use crate::domain::{Optimization, OptimizationStatus};

/// What changes of an optimization, and when.
#[derive(Clone, Debug)]
pub struct OptimizationChange {
    /// A new name.
    pub name: Option<String>,
    /// A new status.
    pub status: Option<OptimizationStatus>,
    /// The time of the change.
    pub at: DateTime<Utc>,
}

impl Table {
    /// Reads an optimization of an organization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn optimization(&self, organization: &str, id: Uuid) -> Result<Option<Optimization>, StoreError> {
        self.get(organization_key(organization), optimization_key(id)).await
    }

    /// The optimizations of an organization, newest `updated_at` first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn optimizations(&self, organization: &str) -> Result<Vec<Optimization>, StoreError> {
        self.query_by_update(organization, "OPTIMIZATION#").await
    }

    /// Changes an optimization and what serving sees of it, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where there is no such optimization.
    pub async fn change_optimization(
        &self,
        organization: &str,
        id: Uuid,
        change: &OptimizationChange,
    ) -> Result<(), StoreError> {
        let mut sets = vec!["updated_at = :now", "list_order = :order"];
        let mut update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(optimization_key(id)))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(change.at.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order("OPTIMIZATION", change.at, id)));
        if let Some(name) = &change.name {
            sets.push("#name = :name");
            update =
                update.expression_attribute_names("#name", "name").expression_attribute_values(":name", text(name));
        }
        if let Some(status) = &change.status {
            sets.push("#status = :status");
            update = update
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", nested(status)?);
        }
        let update = update.update_expression(format!("SET {}", sets.join(", ")));
        let mut writes = vec![TransactWriteItem::builder().update(built(update.build())?).build()];
        if let Some(status) = &change.status {
            let serving = Update::builder()
                .table_name(&self.name)
                .key("pk", text(serving_key(id)))
                .key("sk", text("SERVING"))
                .update_expression("SET #status = :status")
                .condition_expression("organization_id = :organization")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", nested(status)?)
                .expression_attribute_values(":organization", text(organization));
            writes.push(TransactWriteItem::builder().update(built(serving.build())?).build());
        }
        self.transact(writes).await
    }
}
