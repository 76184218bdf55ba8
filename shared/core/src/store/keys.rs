//! API keys in the table: only the hash of the secret is ever stored.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use chrono::{DateTime, Utc};

use super::error::StoreError;
use super::table::{Table, item, number, text};
use crate::domain::ApiKey;

const KIND: &str = "APIKEY";

impl Table {
    /// The key of a secret's hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        self.get(format!("{KIND}#{hash}"), KIND.to_owned()).await
    }

    /// The keys of an organization, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&self, organization: &str) -> Result<Vec<ApiKey>, StoreError> {
        self.query_prefix(format!("ORG#{organization}"), format!("{KIND}#")).await
    }

    /// Writes a new key, for authentication and for lists, both or neither.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let put = |pk: String, sk: String| {
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item(pk, sk, key, &[])?))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(|e| StoreError::Fault { operation: "PutItem", cause: e.to_string() })?;
            Ok::<_, StoreError>(TransactWriteItem::builder().put(put).build())
        };
        self.transact(vec![
            put(format!("{KIND}#{}", key.hash), KIND.to_owned())?,
            put(format!("ORG#{}", key.organization_id), format!("{KIND}#{}", key.id))?,
        ])
        .await
    }

    /// Revokes a key, in both places or in neither.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where there is no such key or it is revoked already.
    pub async fn revoke_key(&self, key: &ApiKey, now: DateTime<Utc>) -> Result<(), StoreError> {
        let update = |pk: String, sk: String| {
            let update = Update::builder()
                .table_name(&self.name)
                .key("pk", text(pk))
                .key("sk", text(sk))
                .update_expression("SET revoked_at = :now")
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
                .expression_attribute_values(":now", number(now.timestamp_millis()))
                .build()
                .map_err(|e| StoreError::Fault { operation: "UpdateItem", cause: e.to_string() })?;
            Ok::<_, StoreError>(TransactWriteItem::builder().update(update).build())
        };
        self.transact(vec![
            update(format!("{KIND}#{}", key.hash), KIND.to_owned())?,
            update(format!("ORG#{}", key.organization_id), format!("{KIND}#{}", key.id))?,
        ])
        .await
    }
}
