//! The versions of a model's posterior in the table: listed, put in force again, and removed when there are too many.
//!
//! A version is removed in three steps, each of which may be the last before a crash: its record is marked, which no rollback can
//! put in force from then on; its objects are deleted; its record is deleted.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem, Update};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::error::StoreError;
use super::lists::{Filling, ListOptions, Page};
use super::names::{built, list_order, model_key, organization_key};
use super::table::{Table, decode, nested, number, text};
use crate::domain::{Change, Model, PosteriorRecord, Served, millis};

/// Versions in 19 digits sort as text.
pub(super) fn posterior_record_key(model: Uuid, version: u64) -> String {
    format!("POSTERIOR#{model}#{version:019}")
}

/// Where [`Table::activate_version`] finds that the version is being removed.
pub const REMOVED: usize = 1;

fn version_number(version: u64) -> AttributeValue {
    number(i64::try_from(version).unwrap_or(i64::MAX))
}

/// A version as far as its removal is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KeptVersion {
    /// The version.
    pub posterior_version: u64,
    /// Its object.
    pub object: String,
    /// When a rollback left it for another one.
    #[serde(default, with = "millis::option")]
    pub left_at: Option<DateTime<Utc>>,
    /// When its removal began.
    #[serde(default, with = "millis::option")]
    pub removed_at: Option<DateTime<Utc>>,
}

impl Table {
    /// The versions of a model's posterior, newest first, without those whose removal has begun; a cursor is the last version of
    /// the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn posteriors(
        &self,
        organization: &str,
        id: Uuid,
        options: &ListOptions<'_>,
    ) -> Result<Page<PosteriorRecord>, StoreError> {
        let last = options.cursor.and_then(|version| version.parse::<u64>().ok()).unwrap_or(u64::MAX);
        // Versions are numbers of the store, which has them up to this.
        let last = last.min(i64::MAX.unsigned_abs());
        let query = self.versions(organization, id, last).filter_expression("attribute_not_exists(removed_at)");
        let (mut filling, mut from) = (Filling::new(options), None);
        loop {
            let (found, more) = self.page(query.clone().set_exclusive_start_key(from)).await?;
            for item in found {
                let record: PosteriorRecord = decode(item)?;
                if !filling.take(record.posterior_version.to_string(), record) {
                    return Ok(filling.end());
                }
            }
            if more.is_none() {
                return Ok(filling.end());
            }
            from = more;
        }
    }

    /// All versions of a model's posterior as far as their removal is concerned, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept_versions(&self, organization: &str, id: Uuid) -> Result<Vec<KeptVersion>, StoreError> {
        let attributes = "posterior_version, #object, left_at, removed_at";
        let query = self.versions(organization, id, i64::MAX.unsigned_abs()).projection_expression(attributes);
        self.all(query.expression_attribute_names("#object", "object")).await
    }

    /// The versions up to one, newest first.
    fn versions(&self, organization: &str, id: Uuid, last: u64) -> QueryFluentBuilder {
        self.client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(organization_key(organization)))
            .expression_attribute_values(":first", text(posterior_record_key(id, 0)))
            .expression_attribute_values(":last", text(posterior_record_key(id, last)))
            .scan_index_forward(false)
    }

    /// One version of a model's posterior; `None` too where its removal has begun.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn posterior(
        &self,
        organization: &str,
        id: Uuid,
        version: u64,
    ) -> Result<Option<PosteriorRecord>, StoreError> {
        let item = self.item(organization_key(organization), posterior_record_key(id, version)).await?;
        item.filter(|item| !item.contains_key("removed_at")).map(decode).transpose()
    }

    /// Activates a version that is recorded already: moves the model's pointer and what is served to it, and records that
    /// another one was left for it, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where the model is archived or another version is in force than `model` says (item 0), where the
    /// version is being removed (item [`REMOVED`]), and where what is served has changed.
    pub async fn activate_version(
        &self,
        model: &Model,
        posterior: &PosteriorRecord,
        served: &Served,
        change: &Change,
    ) -> Result<(), StoreError> {
        let now = change.at;
        let (organization, version) = (&model.organization_id, posterior.posterior_version);
        let left = model.posterior.as_ref().map_or(version, |left| left.posterior_version);
        let pointer = Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(model_key(model.id)))
            .update_expression("SET posterior = :posterior, updated_at = :now, list_order = :order ADD revision :one")
            .condition_expression(
                "attribute_exists(pk) AND attribute_not_exists(archived_at) AND posterior.posterior_version = :left",
            )
            .expression_attribute_values(":posterior", nested(posterior)?)
            .expression_attribute_values(":left", version_number(left))
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .expression_attribute_values(":order", text(list_order("MODEL", now, model.id)))
            .expression_attribute_values(":one", number(1));
        let chosen = self
            .update_version(organization, model.id, version)
            .update_expression("REMOVE left_at")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(removed_at)");
        let mut writes = vec![
            TransactWriteItem::builder().update(built(pointer.build())?).build(),
            TransactWriteItem::builder().update(built(chosen.build())?).build(),
            self.serve_version(model.optimization_id, served, served.baseline)?,
            self.summarise(model, posterior, None)?,
            self.put_change(change)?,
        ];
        if left != version {
            let left = self
                .update_version(organization, model.id, left)
                .update_expression("SET left_at = :now")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":now", number(now.timestamp_millis()));
            writes.push(TransactWriteItem::builder().update(built(left.build())?).build());
        }
        self.transact(writes).await
    }

    fn update_version(&self, organization: &str, id: Uuid, version: u64) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(posterior_record_key(id, version)))
    }

    /// Begins to remove a version: from here on it is not listed, and no rollback puts it in force.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it is in force, where a rollback left it later than `left_before`, or where it is gone.
    pub async fn begin_removal(
        &self,
        organization: &str,
        id: Uuid,
        version: u64,
        left_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let not_in_force = ConditionCheck::builder()
            .table_name(&self.name)
            .key("pk", text(organization_key(organization)))
            .key("sk", text(model_key(id)))
            .condition_expression("posterior.posterior_version <> :version")
            .expression_attribute_values(":version", version_number(version));
        let mark = self
            .update_version(organization, id, version)
            .update_expression("SET removed_at = if_not_exists(removed_at, :now)")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(left_at) OR left_at <= :before)")
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .expression_attribute_values(":before", number(left_before.timestamp_millis()));
        self.transact(vec![
            TransactWriteItem::builder().condition_check(built(not_in_force.build())?).build(),
            TransactWriteItem::builder().update(built(mark.build())?).build(),
        ])
        .await
    }

    /// Deletes the record of a version whose removal has begun.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_removal(&self, organization: &str, id: Uuid, version: u64) -> Result<(), StoreError> {
        self.delete(organization_key(organization), posterior_record_key(id, version)).await
    }
}
