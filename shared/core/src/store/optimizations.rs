//! Optimizations in the table: read and changed, together with what serving reads of them.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use uuid::Uuid;

use super::error::StoreError;
use super::names::{built, list_order, optimization_key, optimization_list, organization_key};
use super::table::{Table, nested, number, text};
use crate::domain::{Change, Optimization, OptimizationStatus, PatchOptimization, Served, Serving};

/// What serving read of an optimization when a change of its status began, and what it is to read of it from then on.
#[derive(Clone, Debug)]
pub struct ServingChange {
    /// As it was read; nothing is written where it is no longer so.
    pub before: Serving,
    /// What is served from then on; what was served where absent.
    pub served: Option<Served>,
}

impl Table {
    /// Reads an optimization of an organization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn optimization(&self, organization: &str, id: Uuid) -> Result<Option<Optimization>, StoreError> {
        self.get(organization_key(organization), optimization_key(id)).await
    }

    /// Changes an optimization that had a status when it was read, and what serving sees of it, both or neither.
    ///
    /// # Errors
    /// [`StoreError::Condition`] with item 0 where it is gone or its status is no longer that one, with item 1 where what serving
    /// reads of it was changed since it was read.
    pub async fn change_optimization(
        &self,
        (patch, was): (&PatchOptimization, OptimizationStatus),
        serving: Option<&ServingChange>,
        change: &Change,
    ) -> Result<(), StoreError> {
        let kind = optimization_list(patch.status.unwrap_or(was));
        let (organization, id) = (change.organization_id.as_str(), change.optimization_id);
        let mut sets = vec!["updated_at = :now", "list_order = :order"];
        let mut update = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(optimization_key(id)))
            // Its place in lists says whether it is archived.
            .condition_expression("#status = :was")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":was", nested(&was)?)
            .expression_attribute_values(":now", number(change.at.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order(kind, change.at, id)));
        if let Some(name) = &patch.name {
            sets.push("#name = :name");
            update =
                update.expression_attribute_names("#name", "name").expression_attribute_values(":name", text(name));
        }
        if let Some(status) = &patch.status {
            sets.push("#status = :status");
            update = update.expression_attribute_values(":status", nested(status)?);
        }
        // Whoever says what is served says it in spite of the guardrails.
        let overrules = serving.is_some_and(|serving| serving.before.served.as_ref().is_some_and(|was| was.baseline))
            && patch.status.is_some_and(|status| status != OptimizationStatus::Archived);
        let remove = if overrules {
            sets.push("overruled_at = :now");
            " REMOVE status_reason"
        } else {
            ""
        };
        let update = update.update_expression(format!("SET {}{remove}", sets.join(", ")));
        let mut writes = vec![TransactWriteItem::builder().update(built(update.build())?).build()];
        if let (Some(status), Some(serving)) = (patch.status, serving) {
            writes.push(self.serve_under(status, serving)?);
        }
        writes.push(self.put_change(change)?);
        self.transact(writes).await
    }
}
