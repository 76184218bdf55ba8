//! Listings against a naive listing of the same keys.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};

use crate::clients::{BUCKET, S3, code};

/// The order and grouping that S3 documents, over a set of keys.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>, after: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix) && key.as_str() > after) {
        let group = delimiter
            .and_then(|delimiter| Some(key[prefix.len()..].find(delimiter)? + delimiter.len()))
            .map(|end| &key[..prefix.len() + end]);
        found.insert(group.unwrap_or(key).to_owned());
    }
    found.remove(after);
    found.into_iter().collect()
}

#[tokio::test]
async fn pages_groups_and_resumes_agree_with_a_naive_listing() {
    let s3 = S3::new().await;
    let keys: BTreeSet<String> = [
        "a",
        "a-1",
        "a.b/x",
        "a0/x",
        "b/1",
        "b/10",
        "b/2",
        "b/c/1",
        "b/c/2",
        "b/c-d/1",
        "b/d",
        "b=1/k=v.json",
        "c d/e f",
        "z/ü/ß",
        "z/%41",
        "z/+",
        "z/A",
        "z/é",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    for key in &keys {
        s3.put(key, key.as_bytes()).await.unwrap();
    }
    for prefix in ["", "a", "b", "b/", "b/c", "b/c/", "z/", "c d/", "none/", "b/1"] {
        for delimiter in [None, Some("/"), Some("-"), Some("c-d")] {
            for after in ["", "a", "b/", "b/1", "b/c/1", "b/c/", "z/", "zz"] {
                let mut found = Vec::new();
                let mut token = None;
                loop {
                    let page = s3
                        .client
                        .list_objects_v2()
                        .bucket(BUCKET)
                        .prefix(prefix)
                        .set_delimiter(delimiter.map(str::to_owned))
                        .start_after(after)
                        .max_keys(3)
                        .set_continuation_token(token)
                        .send()
                        .await
                        .unwrap();
                    let objects = page.contents().iter().map(|object| object.key().unwrap().to_owned());
                    let groups = page.common_prefixes().iter().map(|group| group.prefix().unwrap().to_owned());
                    let mut here: Vec<_> = objects.chain(groups).collect();
                    here.sort();
                    assert_eq!(page.key_count(), i32::try_from(here.len()).ok());
                    found.extend(here);
                    token = page.next_continuation_token;
                    assert_eq!(page.is_truncated, Some(token.is_some()));
                    if token.is_none() {
                        break;
                    }
                }
                let wanted = expected(&keys, prefix, delimiter, after);
                assert_eq!(found, wanted, "prefix {prefix:?}, delimiter {delimiter:?}, after {after:?}");
            }
        }
    }
}

#[tokio::test]
async fn more_than_a_thousand_keys_come_in_pages() {
    let s3 = S3::new().await;
    let keys: Vec<String> = (0..1203).map(|number| format!("snapshots/{number:05}.json")).collect();
    for batch in keys.chunks(50) {
        let puts: Vec<_> = batch
            .iter()
            .map(|key| {
                tokio::spawn(
                    s3.client.put_object().bucket(BUCKET).key(key).body(key.clone().into_bytes().into()).send(),
                )
            })
            .collect();
        for put in puts {
            put.await.unwrap().unwrap();
        }
    }
    let first = s3.client.list_objects_v2().bucket(BUCKET).prefix("snapshots/").send().await.unwrap();
    assert_eq!((first.contents().len(), first.is_truncated), (1000, Some(true)));
    assert_eq!(s3.keys("snapshots/").await, keys);
    let asked = s3.client.list_objects_v2().bucket(BUCKET).max_keys(5000).send().await.unwrap();
    assert_eq!((asked.contents().len(), asked.max_keys), (1000, Some(1000)));

    for batch in keys.chunks(1000) {
        let objects = batch.iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).collect();
        let delete = Delete::builder().set_objects(Some(objects)).build().unwrap();
        let answer = s3.client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
        assert_eq!((answer.deleted().len(), answer.errors().len()), (batch.len(), 0));
    }
    assert!(s3.keys("").await.is_empty());
}

#[tokio::test]
async fn a_line_has_what_a_client_needs() {
    let s3 = S3::new().await;
    let etag = s3.put("a b/c%20d=é", "12345").await.unwrap();
    let page = s3.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let object = &page.contents()[0];
    assert_eq!(object.key(), Some("a b/c%20d=é"));
    assert_eq!(object.size(), Some(5));
    assert_eq!(object.e_tag(), Some(etag.as_str()));
    assert!(object.last_modified().is_some());

    let url = s3.client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url).delimiter("/");
    let page = url.send().await.unwrap();
    assert_eq!(page.common_prefixes()[0].prefix(), Some("a%20b/"));
    let first = s3.client.list_objects().bucket(BUCKET).encoding_type(EncodingType::Url).prefix("a b/");
    let page = first.send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("a%20b/c%2520d%3D%C3%A9"));
    assert_eq!(page.prefix(), Some("a%20b/"));
}

#[tokio::test]
async fn the_first_version_resumes_at_its_marker() {
    let s3 = S3::new().await;
    for key in ["a/1", "a/2", "b", "c"] {
        s3.put(key, "x").await.unwrap();
    }
    let list = || s3.client.list_objects().bucket(BUCKET).delimiter("/").max_keys(1);
    let page = list().send().await.unwrap();
    assert_eq!(page.common_prefixes()[0].prefix(), Some("a/"));
    assert_eq!(page.next_marker(), Some("a/"));
    let page = list().marker("a/").send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("b"));
    let page = list().marker("b").send().await.unwrap();
    assert_eq!((page.contents()[0].key(), page.is_truncated), (Some("c"), Some(false)));
}

#[tokio::test]
async fn listings_refuse_what_makes_no_sense() {
    let s3 = S3::new().await;
    let list = || s3.client.list_objects_v2();
    assert_eq!(code(&list().bucket("nothing-here").send().await.unwrap_err()), "404 NoSuchBucket");
    let token = list().bucket(BUCKET).continuation_token("ä").send().await;
    assert_eq!(code(&token.unwrap_err()), "400 InvalidArgument");
    let negative = list().bucket(BUCKET).max_keys(-1).send().await;
    assert_eq!(code(&negative.unwrap_err()), "400 InvalidArgument");
    s3.put("k", "x").await.unwrap();
    let none = list().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated), (Some(0), Some(false)));
}
