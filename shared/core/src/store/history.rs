//! The changes of an optimization: written in the transaction that makes them, and listed.
//!
//! They lie in a partition of their own. That of the organization has a local index, which limits it to 10 GB.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use uuid::Uuid;

use super::Answer;
use super::error::StoreError;
use super::lists::{Filling, ListOptions, Page};
use super::names::{built, list_order};
use super::table::{Table, decode, item, number, text};
use crate::domain::{Change, Optimization, ServedVersion, Timeline};

/// What a place in the list of changes begins with.
pub const CHANGE: &str = "CHANGE";
/// How long a change is kept, in seconds: 400 days, as far as a snapshot may reach back.
const KEPT: i64 = 400 * 86_400;

fn history_key(organization: &str, optimization: Uuid) -> String {
    format!("HISTORY#{organization}#{optimization}")
}

fn place(change: &Change) -> String {
    list_order(CHANGE, change.at, change.id)
}

impl Table {
    /// The write that records a change.
    pub(super) fn put_change(&self, change: &Change) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(
                history_key(&change.organization_id, change.optimization_id),
                place(change),
                change,
                &[("ttl", number(change.at.timestamp() + KEPT))],
            )?))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// The changes of an optimization, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    #[must_use]
    pub fn history<'a>(
        &'a self,
        organization: &str,
        optimization: Uuid,
        options: &'a ListOptions<'a>,
    ) -> Answer<'a, Page<Change>> {
        let upper = options.cursor.map_or_else(|| format!("{CHANGE}#~"), str::to_owned);
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :lower AND :upper")
            .expression_attribute_values(":pk", text(history_key(organization, optimization)))
            .expression_attribute_values(":lower", text(format!("{CHANGE}#")))
            .expression_attribute_values(":upper", text(upper))
            .scan_index_forward(false);
        Box::pin(self.filled(query, options))
    }

    async fn filled(&self, query: QueryFluentBuilder, options: &ListOptions<'_>) -> Result<Page<Change>, StoreError> {
        let (mut filling, mut from) = (Filling::new(options), None);
        loop {
            let (found, more) = self.page(query.clone().set_exclusive_start_key(from)).await?;
            for item in found {
                let change: Change = decode(item)?;
                if !filling.take(place(&change), change) {
                    return Ok(filling.end());
                }
            }
            if more.is_none() {
                return Ok(filling.end());
            }
            from = more;
        }
    }

    /// What was in force in an optimization from when to when; `served` is what it serves now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn timeline(&self, of: &Optimization, served: ServedVersion) -> Result<Timeline, StoreError> {
        let all = ListOptions { include_archived: true, ..ListOptions::ALL };
        let mut changes = self.history(&of.organization_id, of.id, &all).await?.items;
        changes.reverse();
        Ok(Timeline::of(&changes, of.status, served))
    }
}
