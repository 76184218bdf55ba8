//! What the storage of the service needs of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, LocalSecondaryIndex, Projection, ProjectionType, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, TransactWriteItem, Update,
};

use crate::clients::Dynamo;

pub const TABLE: &str = "fulcrum";

pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[expect(clippy::needless_pass_by_value, reason = "the calls read better without references")]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// A table with partition and sort key, a local index on `created` and a global one on `owner`.
pub async fn create_table(client: &Client) {
    let attribute =
        |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap();
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let by_created = LocalSecondaryIndex::builder()
        .index_name("by_created")
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("created", KeyType::Range))
        .projection(all.clone())
        .build()
        .unwrap();
    let by_owner = GlobalSecondaryIndex::builder()
        .index_name("by_owner")
        .key_schema(key("owner", KeyType::Hash))
        .projection(all)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("created", ScalarAttributeType::S))
        .attribute_definitions(attribute("owner", ScalarAttributeType::S))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .local_secondary_indexes(by_created)
        .global_secondary_indexes(by_owner)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

async fn table() -> Dynamo {
    let dynamo = Dynamo::new().await;
    create_table(&dynamo.client).await;
    dynamo
}

fn item(pk: &str, sk: &str, version: i64) -> HashMap<String, AttributeValue> {
    [("pk", text(pk)), ("sk", text(sk)), ("version", number(version))]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub async fn get(client: &Client, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
    let get = client.get_item().table_name(TABLE).key("pk", text(pk)).key("sk", text(sk)).consistent_read(true);
    get.send().await.unwrap().item
}

#[tokio::test]
async fn a_conditional_put_happens_once() {
    let dynamo = table().await;
    let put = |version| {
        dynamo
            .client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item("org", "model", version)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    put(1).await.unwrap();
    let refused = put(2).await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("ConditionalCheckFailedException"));
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(refused) = refused else {
        panic!("another error: {refused:?}");
    };
    assert_eq!(refused.item().unwrap()["version"], number(1));
    assert_eq!(get(&dynamo.client, "org", "model").await.unwrap()["version"], number(1));
}

#[tokio::test]
async fn a_table_made_twice_is_in_use_and_a_missing_one_not_found() {
    let dynamo = table().await;
    let described = dynamo.client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    assert_eq!(described.table_status().unwrap().as_str(), "ACTIVE");
    let again = dynamo
        .client
        .create_table()
        .table_name(TABLE)
        .attribute_definitions(
            AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build().unwrap(),
        )
        .key_schema(key("pk", KeyType::Hash))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    assert!(again.unwrap_err().into_service_error().is_resource_in_use_exception());
    let missing = dynamo.client.describe_table().table_name("missing").send().await;
    assert!(missing.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_updates_of_one_version_exactly_one_wins() {
    let dynamo = table().await;
    dynamo.client.put_item().table_name(TABLE).set_item(Some(item("org", "model", 0))).send().await.unwrap();
    for round in 0..5 {
        let updates: Vec<_> = (0..32)
            .map(|writer| {
                let update = dynamo
                    .client
                    .update_item()
                    .table_name(TABLE)
                    .key("pk", text("org"))
                    .key("sk", text("model"))
                    .update_expression("SET version = version + :one, writer = :writer")
                    .condition_expression("version = :seen")
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":seen", number(round))
                    .expression_attribute_values(":writer", number(writer))
                    .return_values(ReturnValue::AllNew);
                tokio::spawn(update.send())
            })
            .collect();
        let mut winners = Vec::new();
        for update in updates {
            match update.await.unwrap() {
                Ok(won) => winners.push(won.attributes.unwrap()),
                Err(error) => assert!(error.into_service_error().is_conditional_check_failed_exception()),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(get(&dynamo.client, "org", "model").await.unwrap(), winners[0]);
        assert_eq!(winners[0]["version"], number(round + 1));
    }
}

#[tokio::test]
async fn a_lease_is_taken_renewed_and_released_by_updates() {
    let dynamo = table().await;
    dynamo.client.put_item().table_name(TABLE).set_item(Some(item("org", "model", 1))).send().await.unwrap();
    let take = |owner: &'static str, now: i64| {
        dynamo
            .client
            .update_item()
            .table_name(TABLE)
            .key("pk", text("org"))
            .key("sk", text("model"))
            .update_expression("SET lease = :lease")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(lease) OR lease.expires < :now)")
            .expression_attribute_values(
                ":lease",
                AttributeValue::M([("owner".to_owned(), text(owner)), ("expires".to_owned(), number(now + 60))].into()),
            )
            .expression_attribute_values(":now", number(now))
            .send()
    };
    take("a", 1000).await.unwrap();
    assert!(take("b", 1030).await.unwrap_err().into_service_error().is_conditional_check_failed_exception());
    take("b", 1061).await.unwrap();
    let release = |owner: &'static str| {
        dynamo
            .client
            .update_item()
            .table_name(TABLE)
            .key("pk", text("org"))
            .key("sk", text("model"))
            .update_expression("REMOVE lease")
            .condition_expression("lease.#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner))
            .send()
    };
    assert!(release("a").await.unwrap_err().into_service_error().is_conditional_check_failed_exception());
    release("b").await.unwrap();
    assert_eq!(get(&dynamo.client, "org", "model").await.unwrap(), item("org", "model", 1));
}

#[tokio::test]
async fn a_transaction_is_whole_and_tells_its_reasons() {
    let dynamo = table().await;
    dynamo.client.put_item().table_name(TABLE).set_item(Some(item("org", "old", 7))).send().await.unwrap();
    let put = |sk: &str| {
        let put = Put::builder().table_name(TABLE).set_item(Some(item("org", sk, 1)));
        let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let update = |seen| {
        let update = Update::builder()
            .table_name(TABLE)
            .key("pk", text("org"))
            .key("sk", text("old"))
            .update_expression("SET version = :next")
            .condition_expression("version = :seen")
            .expression_attribute_values(":next", number(seen + 1))
            .expression_attribute_values(":seen", number(seen))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().update(update.build().unwrap()).build()
    };
    let check = |expression: &str| {
        let check = ConditionCheck::builder().table_name(TABLE).key("pk", text("org")).key("sk", text("absent"));
        TransactWriteItem::builder().condition_check(check.condition_expression(expression).build().unwrap()).build()
    };
    let write = |items| dynamo.client.transact_write_items().set_transact_items(Some(items)).send();

    let refused = write(vec![put("new"), update(6), check("attribute_exists(pk)")]).await.unwrap_err();
    let refused = refused.into_service_error();
    assert_eq!(refused.code(), Some("TransactionCanceledException"));
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        refused,
    ) = refused
    else {
        panic!("another error: {refused:?}");
    };
    let reasons = refused.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]);
    assert_eq!(reasons[1].item().unwrap()["version"], number(7));
    assert!(get(&dynamo.client, "org", "new").await.is_none());

    write(vec![put("new"), update(7), check("attribute_not_exists(pk)")]).await.unwrap();
    assert!(get(&dynamo.client, "org", "new").await.is_some());
    assert_eq!(get(&dynamo.client, "org", "old").await.unwrap()["version"], number(8));
    let delete = Delete::builder().table_name(TABLE).key("pk", text("org")).key("sk", text("new")).build().unwrap();
    let delete = TransactWriteItem::builder().delete(delete).build();
    assert!(write(vec![delete.clone(), put("new")]).await.is_err(), "one item twice in a transaction");
    write(vec![delete]).await.unwrap();
    assert!(get(&dynamo.client, "org", "new").await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_transactions_on_one_item_exactly_one_wins() {
    let dynamo = table().await;
    let writes: Vec<_> = (0..32)
        .map(|writer| {
            let put = |sk: String, condition: &str| {
                let put = Put::builder().table_name(TABLE).set_item(Some(item("org", &sk, writer)));
                TransactWriteItem::builder().put(put.condition_expression(condition).build().unwrap()).build()
            };
            let write = dynamo.client.transact_write_items();
            let write = write.transact_items(put(format!("model-{writer}"), "attribute_not_exists(pk)"));
            tokio::spawn(write.transact_items(put("name".to_owned(), "attribute_not_exists(pk)")).send())
        })
        .collect();
    let mut wins = 0;
    for write in writes {
        match write.await.unwrap() {
            Ok(_) => wins += 1,
            Err(error) => assert!(error.into_service_error().is_transaction_canceled_exception()),
        }
    }
    assert_eq!(wins, 1);
    let all = dynamo.client.query().table_name(TABLE).key_condition_expression("pk = :pk");
    let all = all.expression_attribute_values(":pk", text("org")).send().await.unwrap();
    assert_eq!(all.count(), 2);
}

#[tokio::test]
async fn a_local_index_pages_backwards_through_a_filter() {
    let dynamo = table().await;
    for number_ in 0..25 {
        let mut item = item("org", &format!("model-{number_:02}"), number_);
        item.insert("created".to_owned(), text(format!("2024-01-{:02}", 25 - number_)));
        item.insert("status".to_owned(), text(if number_ % 2 == 0 { "active" } else { "archived" }));
        item.insert("owner".to_owned(), text(format!("owner-{}", number_ % 3)));
        dynamo.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }
    // An item without the attribute is not in the index, and another organization's item not in the partition.
    dynamo.client.put_item().table_name(TABLE).set_item(Some(item("org", "key", 0))).send().await.unwrap();
    let mut other = item("other", "model", 0);
    other.insert("created".to_owned(), text("2024-01-09"));
    dynamo.client.put_item().table_name(TABLE).set_item(Some(other)).send().await.unwrap();

    let mut found = Vec::new();
    let mut pages = 0;
    let mut start = None;
    loop {
        let page = dynamo
            .client
            .query()
            .table_name(TABLE)
            .index_name("by_created")
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND created >= :from")
            .filter_expression("#status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pk", text("org"))
            .expression_attribute_values(":from", text("2024-01-03"))
            .expression_attribute_values(":active", text("active"))
            .projection_expression("sk, created")
            .scan_index_forward(false)
            .limit(4)
            .set_exclusive_start_key(start)
            .send()
            .await
            .unwrap();
        pages += 1;
        assert!(page.scanned_count() <= 4);
        for item in page.items() {
            assert_eq!(item.len(), 2);
            found.push(item["sk"].as_s().unwrap().clone());
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    let wanted: Vec<_> = (0..=22).step_by(2).map(|number| format!("model-{number:02}")).collect();
    assert_eq!(found, wanted);
    assert_eq!(pages, 6);

    let by_owner = dynamo.client.query().table_name(TABLE).index_name("by_owner").key_condition_expression("#o = :o");
    let by_owner = by_owner.expression_attribute_names("#o", "owner");
    let by_owner = by_owner.expression_attribute_values(":o", text("owner-1")).send().await.unwrap();
    assert_eq!(by_owner.count(), 8);
}

#[tokio::test]
async fn items_with_one_index_key_are_all_paged() {
    let dynamo = table().await;
    for number in 0..10 {
        let mut item = item("org", &format!("model-{number}"), number);
        item.insert("created".to_owned(), text("2024-01-01T00:00:00Z"));
        dynamo.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }
    for forward in [true, false] {
        let query = dynamo.client.query().table_name(TABLE).index_name("by_created").limit(3);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text("org"));
        let items = query.scan_index_forward(forward).into_paginator().items().send();
        let items = items.try_collect().await.unwrap();
        let mut keys: Vec<_> = items.iter().map(|item| item["sk"].as_s().unwrap().clone()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!((items.len(), keys.len()), (10, 10));
    }
}
