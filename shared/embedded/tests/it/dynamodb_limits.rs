//! Limits and smaller features of DynamoDB that the service leans on.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, PutRequest, ReturnValue, TimeToLiveSpecification, WriteRequest,
};

use crate::clients::Dynamo;
use crate::dynamodb::{TABLE, create_table, get, number, text};

async fn table() -> Dynamo {
    let dynamo = Dynamo::new().await;
    create_table(&dynamo.client).await;
    dynamo
}

#[tokio::test]
async fn an_item_has_at_most_400_kb() {
    let dynamo = table().await;
    let put = |sk: &'static str, size: usize| {
        let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text(sk));
        put.item("body", text("x".repeat(size))).send()
    };
    put("small", 409_000).await.unwrap();
    let refused = put("large", 410_000).await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("ValidationException"));
    assert!(get(&dynamo.client, "org", "large").await.is_none());
}

#[tokio::test]
async fn a_page_has_at_most_a_megabyte() {
    let dynamo = table().await;
    for count in 0..5 {
        let put =
            dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text(count.to_string()));
        put.item("body", text("x".repeat(300_000))).send().await.unwrap();
    }
    let query = || {
        let query = dynamo.client.query().table_name(TABLE).key_condition_expression("pk = :pk");
        query.expression_attribute_values(":pk", text("org"))
    };
    let first = query().send().await.unwrap();
    assert!(first.count() < 5 && first.last_evaluated_key().is_some(), "{} items in one page", first.count());
    let all = query().into_paginator().items().send().try_collect().await.unwrap();
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn numbers_have_38_digits() {
    let dynamo = table().await;
    let digits =
        ["12345678901234567890123456789012345678", "0.1", "-1e-100", "9.9999999999999999999999999999999999999E+125"];
    for value in digits {
        let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("n"));
        put.item("value", number(value)).send().await.unwrap();
        let found = get(&dynamo.client, "org", "n").await.unwrap()["value"].as_n().unwrap().clone();
        let (found, wanted): (f64, f64) = (found.parse().unwrap(), value.parse().unwrap());
        assert!((found - wanted).abs() <= wanted.abs() * 1e-15, "{value}");
    }
    let exact = "12345678901234567890123456789012345678";
    let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("n"));
    put.item("value", number(exact)).send().await.unwrap();
    assert_eq!(get(&dynamo.client, "org", "n").await.unwrap()["value"], number(exact));
    let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("n"));
    let long = put.item("value", number("123456789012345678901234567890123456789")).send().await;
    assert_eq!(long.unwrap_err().into_service_error().code(), Some("ValidationException"));
}

#[tokio::test]
async fn all_kinds_of_values_come_back() {
    let dynamo = table().await;
    let values = [
        ("empty", text("")),
        ("null", AttributeValue::Null(true)),
        ("bool", AttributeValue::Bool(false)),
        ("bytes", AttributeValue::B(vec![0, 255, 7].into())),
        ("list", AttributeValue::L(vec![number(1), text("ü"), AttributeValue::L(Vec::new())])),
        ("map", AttributeValue::M([("a.b".to_owned(), number("-0.5")), ("#".to_owned(), text("x"))].into())),
    ];
    let mut put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("kinds"));
    for (name, value) in &values {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
    let found = get(&dynamo.client, "org", "kinds").await.unwrap();
    for (name, value) in values {
        assert_eq!(found[name], value, "{name}");
    }
}

#[tokio::test]
async fn batches_write_and_read() {
    let dynamo = table().await;
    let put = |count: i32| {
        let put = PutRequest::builder().item("pk", text("org")).item("sk", text(count.to_string())).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let write = dynamo.client.batch_write_item().request_items(TABLE, (0..25).map(put).collect());
    assert!(write.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
    let over = dynamo.client.batch_write_item().request_items(TABLE, (0..26).map(put).collect()).send().await;
    assert_eq!(over.unwrap_err().into_service_error().code(), Some("ValidationException"));
    let mut keys = KeysAndAttributes::builder().consistent_read(true);
    for count in 20..30 {
        keys = keys.keys([("pk".to_owned(), text("org")), ("sk".to_owned(), text(count.to_string()))].into());
    }
    let read = dynamo.client.batch_get_item().request_items(TABLE, keys.build().unwrap()).send().await.unwrap();
    assert_eq!(read.responses.unwrap()[TABLE].len(), 5);
}

#[tokio::test]
async fn updates_return_what_is_asked() {
    let dynamo = table().await;
    let update = |value: i32, wanted| {
        let update = dynamo.client.update_item().table_name(TABLE).key("pk", text("org")).key("sk", text("k"));
        update
            .update_expression("SET a = :a, b = if_not_exists(b, :b) ADD runs :one")
            .expression_attribute_values(":a", number(value))
            .expression_attribute_values(":b", text("first"))
            .expression_attribute_values(":one", number(1))
            .return_values(wanted)
            .send()
    };
    assert!(update(1, ReturnValue::UpdatedOld).await.unwrap().attributes.is_none_or(|old| old.is_empty()));
    let old = update(2, ReturnValue::UpdatedOld).await.unwrap().attributes.unwrap();
    assert_eq!((&old["a"], &old["runs"], old.contains_key("pk")), (&number(1), &number(1), false));
    let new = update(3, ReturnValue::AllNew).await.unwrap().attributes.unwrap();
    assert_eq!((&new["a"], &new["b"], &new["runs"], &new["sk"]), (&number(3), &text("first"), &number(3), &text("k")));
    let delete = dynamo.client.delete_item().table_name(TABLE).key("pk", text("org")).key("sk", text("k"));
    let gone = delete.return_values(ReturnValue::AllOld).send().await.unwrap().attributes.unwrap();
    assert_eq!(gone, new);
}

#[tokio::test]
async fn a_time_to_live_is_accepted() {
    let dynamo = table().await;
    let ttl = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build().unwrap();
    dynamo.client.update_time_to_live().table_name(TABLE).time_to_live_specification(ttl).send().await.unwrap();
    let described = dynamo.client.describe_time_to_live().table_name(TABLE).send().await.unwrap();
    let described = described.time_to_live_description.unwrap();
    assert_eq!(described.attribute_name(), Some("expires"));
    // An expired item is there until it is deleted, as in DynamoDB itself for up to some days.
    let put = dynamo.client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("old"));
    put.item("expires", number(1)).send().await.unwrap();
    assert!(get(&dynamo.client, "org", "old").await.is_some());
}
