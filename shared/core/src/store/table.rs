//! The `DynamoDB` table: keys, single items, conditional writes, transactions, and lists by Query with all pages followed.
//!
//! | pk | sk | what |
//! | --- | --- | --- |
//! | `ORG#{organization}` | `MODEL#{model}` | a model |
//! | `ORG#{organization}` | `OPTIMIZATION#{optimization}` | an optimization |
//! | `ORG#{organization}` | `POSTERIOR#{model}#{version}` | a posterior, once per version |
//! | `ORG#{organization}` | `RUNS` | the run slots of its training runs behind the queue |
//! | `ORG#{organization}` | `APIKEY#{key}` | an API key, for lists |
//! | `ORG#{organization}` | `IDEMPOTENCY#{SHA-256 of route and key}` | a request with an `Idempotency-Key` |
//! | `HISTORY#{organization}#{optimization}` | `CHANGE#{time}#{change}` | a change of an optimization, once; it goes after 400 days |
//! | `SERVING#{optimization}` | `SERVING` | what serving needs of an optimization: it takes no token |
//! | `APIKEY#{SHA-256 of the secret}` | `APIKEY` | an API key, for authentication |
//!
//! Models and optimizations carry `list_order`, `{kind}#{updated_at}#{id}`, the range key of the local secondary index
//! `by_update`: a Query of it backwards is the list, newest first.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TransactWriteItem,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Answer;
use super::error::{PAUSES, StoreError, sort};

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The index by time of the last change.
pub const INDEX_BY_UPDATE: &str = "by_update";

/// Between two looks at a table that is being made.
const PAUSE: Duration = Duration::from_millis(200);
/// How many looks there are: a minute's.
const LOOKS: u32 = 300;

/// The one table.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

/// A text attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// An integer attribute.
pub(super) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A structure as an attribute.
pub(super) fn nested<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(value).map_err(|e| fault("encode", &e))
}

/// A structure as an item under a key, with further attributes.
pub(super) fn item<T: Serialize>(
    pk: String,
    sk: String,
    value: &T,
    more: &[(&str, AttributeValue)],
) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(|e| fault("encode", &e))?;
    item.insert("pk".into(), text(pk));
    item.insert("sk".into(), text(sk));
    item.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Ok(item)
}

/// An item as a structure; attributes that the structure does not have are keys of ours.
pub(super) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|e| fault("decode", &e))
}

pub(super) fn fault(operation: &'static str, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Fault { operation, cause: cause.to_string() }
}

impl Table {
    /// The table of a name, behind a client.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Reads one item, seeing every write that ended before.
    pub(super) async fn get<T: DeserializeOwned>(&self, pk: String, sk: String) -> Result<Option<T>, StoreError> {
        self.item(pk, sk).await?.map(decode).transpose()
    }

    /// Reads some attributes of one item, as [`Table::get`]; `names` are those of them that are words of the store.
    pub(super) async fn get_attributes<T: DeserializeOwned>(
        &self,
        pk: String,
        sk: String,
        attributes: &str,
        names: &[(&str, &str)],
    ) -> Result<Option<T>, StoreError> {
        let mut get = self.client.get_item().table_name(&self.name).consistent_read(true);
        for (placeholder, name) in names {
            get = get.expression_attribute_names(*placeholder, *name);
        }
        let sent = get.projection_expression(attributes).key("pk", text(pk)).key("sk", text(sk));
        let sending: Answer<'_, Option<Item>> =
            Box::pin(async move { Ok(sent.send().await.map_err(|e| sort("GetItem", &e))?.item) });
        sending.await?.map(decode).transpose()
    }

    pub(super) fn item(&self, pk: String, sk: String) -> Answer<'_, Option<Item>> {
        Box::pin(async move {
            let get = self.client.get_item().table_name(&self.name).consistent_read(true);
            let sent = get.key("pk", text(pk)).key("sk", text(sk)).send().await;
            Ok(sent.map_err(|e| sort("GetItem", &e))?.item)
        })
    }

    /// Deletes one item; one that is missing is deleted already.
    pub(super) fn delete(&self, pk: String, sk: String) -> Answer<'_, ()> {
        Box::pin(async move {
            let delete = self.client.delete_item().table_name(&self.name).key("pk", text(pk)).key("sk", text(sk));
            delete.send().await.map(drop).map_err(|e| sort("DeleteItem", &e))
        })
    }

    /// Writes several items, all or none. A write that meets another one to the same item is tried again.
    pub(super) fn transact(&self, writes: Vec<TransactWriteItem>) -> Answer<'_, ()> {
        Box::pin(async move {
            let transaction = self.client.transact_write_items().set_transact_items(Some(writes));
            for pause in PAUSES {
                let sent = transaction.clone().send().await.map(drop).map_err(|e| sort_transaction(&e));
                if !matches!(sent, Err(StoreError::Contended { .. })) {
                    return sent;
                }
                tokio::time::sleep(pause).await;
            }
            transaction.send().await.map(drop).map_err(|e| sort_transaction(&e))
        })
    }

    /// Changes one item; the answer is what the builder asks for. A write that meets a transaction is tried again.
    pub(super) fn update(&self, update: UpdateItemFluentBuilder) -> Answer<'_, Item> {
        Box::pin(async move {
            let update = update.table_name(&self.name);
            for pause in PAUSES {
                let sent = update.clone().send().await.map_err(|e| sort("UpdateItem", &e));
                if !matches!(sent, Err(StoreError::Contended { .. })) {
                    return Ok(sent?.attributes.unwrap_or_default());
                }
                tokio::time::sleep(pause).await;
            }
            let sent = update.send().await.map_err(|e| sort("UpdateItem", &e));
            Ok(sent?.attributes.unwrap_or_default())
        })
    }

    /// One page of a list, and where the next one begins.
    pub(super) fn page(&self, query: QueryFluentBuilder) -> Answer<'_, (Vec<Item>, Option<Item>)> {
        Box::pin(async move {
            let sent = query.table_name(&self.name).consistent_read(true).send().await;
            let page = sent.map_err(|e| sort("Query", &e))?;
            Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
        })
    }

    /// All pages of a list.
    pub(super) async fn all<T: DeserializeOwned>(&self, query: QueryFluentBuilder) -> Result<Vec<T>, StoreError> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let (items, next) = self.page(query.clone().set_exclusive_start_key(from)).await?;
            for item in items {
                all.push(decode(item)?);
            }
            if next.is_none() {
                return Ok(all);
            }
            from = next;
        }
    }

    /// All items whose sort key has a prefix, ascending.
    pub(super) async fn query_prefix<T: DeserializeOwned>(
        &self,
        pk: String,
        prefix: String,
    ) -> Result<Vec<T>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix));
        self.all(query).await
    }

    /// All items of an organization whose place in the index by time begins with a prefix, newest first.
    pub(super) async fn query_by_update<T: DeserializeOwned>(
        &self,
        organization: &str,
        prefix: &str,
    ) -> Result<Vec<T>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(INDEX_BY_UPDATE)
            .key_condition_expression("pk = :pk AND begins_with(list_order, :prefix)")
            .expression_attribute_values(":pk", text(format!("ORG#{organization}")))
            .expression_attribute_values(":prefix", text(prefix))
            .scan_index_forward(false);
        self.all(query).await
    }

    /// Makes the table if it is missing, as the template makes it, and waits until it can be used.
    ///
    /// # Errors
    /// [`StoreError`] if it is neither there nor can be made.
    #[must_use]
    pub fn create_if_missing(&self) -> Answer<'_, ()> {
        Box::pin(self.create())
    }

    async fn create(&self) -> Result<(), StoreError> {
        let mut status = self.status().await?;
        if status.is_none() {
            self.make().await?;
            status = self.status().await?;
        }
        for _ in 0..LOOKS {
            match status {
                // A table that was just made may not be seen yet.
                None | Some(TableStatus::Creating) => tokio::time::sleep(PAUSE).await,
                Some(_) => return Ok(()),
            }
            status = self.status().await?;
        }
        let cause = format!("the table {} is still being made", self.name);
        Err(StoreError::Unavailable { operation: "DescribeTable", cause })
    }

    /// The table's status, if it is there.
    async fn status(&self) -> Result<Option<TableStatus>, StoreError> {
        match self.client.describe_table().table_name(&self.name).send().await {
            Ok(described) => Ok(described.table.and_then(|table| table.table_status)),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(None),
            Err(e) => Err(sort("DescribeTable", &e)),
        }
    }

    async fn make(&self) -> Result<(), StoreError> {
        let missing = |e: aws_sdk_dynamodb::error::BuildError| fault("CreateTable", &e);
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let keys = [key("pk", KeyType::Hash).map_err(missing)?, key("sk", KeyType::Range).map_err(missing)?];
        let index = LocalSecondaryIndex::builder()
            .index_name(INDEX_BY_UPDATE)
            .key_schema(key("pk", KeyType::Hash).map_err(missing)?)
            .key_schema(key("list_order", KeyType::Range).map_err(missing)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()
            .map_err(missing)?;
        let mut create = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys.to_vec()))
            .local_secondary_indexes(index);
        for name in ["pk", "sk", "list_order"] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
            create = create.attribute_definitions(attribute.build().map_err(missing)?);
        }
        match create.send().await {
            Ok(_) => Ok(()),
            // Somebody else made it at the same moment.
            Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
            Err(e) => Err(sort("CreateTable", &e)),
        }
    }
}

fn sort_transaction(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> StoreError {
    const OPERATION: &str = "TransactWriteItems";
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let codes: Vec<&str> = cancelled.cancellation_reasons().iter().map(|r| r.code().unwrap_or("None")).collect();
        if let Some(item) = codes.iter().position(|&code| code == "ConditionalCheckFailed") {
            return StoreError::Condition { operation: OPERATION, item };
        }
        let cause = format!("cancelled: {}", codes.join(", "));
        return if codes.contains(&"TransactionConflict") {
            StoreError::Contended { operation: OPERATION, cause }
        } else if codes.iter().any(|c| matches!(*c, "ThrottlingError" | "ProvisionedThroughputExceeded")) {
            StoreError::Unavailable { operation: OPERATION, cause }
        } else {
            StoreError::Fault { operation: OPERATION, cause }
        };
    }
    sort(OPERATION, error)
}
