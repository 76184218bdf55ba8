//! Conditional writes and reads.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::clients::{BUCKET, S3, code};

#[tokio::test]
async fn a_put_replaces_the_version_it_names() {
    let s3 = S3::new().await;
    let put = |key: &'static str, etag: String, body: &'static [u8]| {
        s3.client.put_object().bucket(BUCKET).key(key).if_match(etag).body(ByteStream::from_static(body)).send()
    };
    let first = s3.put("k", "one").await.unwrap();
    let second = put("k", first.clone(), b"two").await.unwrap().e_tag.unwrap();
    assert_eq!(code(&put("k", first, b"three").await.unwrap_err()), "412 PreconditionFailed");
    assert_eq!(s3.get("k").await.unwrap(), b"two");
    assert_eq!(code(&put("missing", second, b"x").await.unwrap_err()), "404 NoSuchKey");
    assert!(s3.get("missing").await.is_err());

    let create = |key: &'static str, value: &'static str| {
        s3.client.put_object().bucket(BUCKET).key(key).if_none_match(value).body(ByteStream::from_static(b"n")).send()
    };
    assert_eq!(code(&create("k", "*").await.unwrap_err()), "412 PreconditionFailed");
    assert_eq!(code(&create("k", "\"abc\"").await.unwrap_err()), "501 NotImplemented");
    create("new", "*").await.unwrap();
    s3.client.delete_object().bucket(BUCKET).key("new").send().await.unwrap();
    create("new", "*").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_replacements_of_one_version_exactly_one_wins() {
    let s3 = S3::new().await;
    let first = s3.put("k", "start").await.unwrap();
    let puts: Vec<_> = (0..16)
        .map(|writer| {
            let body = ByteStream::from(format!("writer {writer}").into_bytes());
            tokio::spawn(s3.client.put_object().bucket(BUCKET).key("k").if_match(&first).body(body).send())
        })
        .collect();
    let mut wins = 0;
    for put in puts {
        match put.await.unwrap() {
            Ok(_) => wins += 1,
            Err(error) => assert_eq!(code(&error), "412 PreconditionFailed"),
        }
    }
    assert_eq!(wins, 1);
}

#[tokio::test]
async fn completing_an_upload_takes_conditions() {
    let s3 = S3::new().await;
    let begin = || async {
        let upload = s3.client.create_multipart_upload().bucket(BUCKET).key("k").send().await.unwrap();
        let id = upload.upload_id.unwrap();
        let part = s3.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
        let part = part.body(ByteStream::from_static(b"part")).send().await.unwrap();
        let part = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
        (id, CompletedMultipartUpload::builder().parts(part).build())
    };
    let (first, parts) = begin().await;
    let complete = s3.client.complete_multipart_upload().bucket(BUCKET).key("k").if_none_match("*");
    complete.clone().upload_id(first).multipart_upload(parts).send().await.unwrap();
    let (second, parts) = begin().await;
    let refused = complete.upload_id(&second).multipart_upload(parts.clone()).send().await;
    assert_eq!(code(&refused.unwrap_err()), "412 PreconditionFailed");
    // The upload is still there.
    let complete = s3.client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&second);
    complete.multipart_upload(parts).send().await.unwrap();
}

#[tokio::test]
async fn a_delete_takes_the_version_it_names() {
    let s3 = S3::new().await;
    let etag = s3.put("k", "one").await.unwrap();
    let delete = |etag: &str| s3.client.delete_object().bucket(BUCKET).key("k").if_match(etag).send();
    assert_eq!(code(&delete("\"other\"").await.unwrap_err()), "412 PreconditionFailed");
    assert_eq!(s3.get("k").await.unwrap(), b"one");
    delete(&etag).await.unwrap();
    assert_eq!(s3.get("k").await, Err("404 NoSuchKey".to_owned()));
}

#[tokio::test]
async fn reads_follow_their_conditions() {
    let s3 = S3::new().await;
    let etag = s3.put("k", "one").await.unwrap();
    let get = || s3.client.get_object().bucket(BUCKET).key("k");
    let head = || s3.client.head_object().bucket(BUCKET).key("k");
    let hour = Duration::from_hours(1);
    let past = DateTime::from(SystemTime::now() - hour);
    let future = DateTime::from(SystemTime::now() + hour);

    get().if_match(&etag).send().await.unwrap();
    assert_eq!(code(&get().if_match("\"other\"").send().await.unwrap_err()), "412 PreconditionFailed");
    get().if_none_match("\"other\"").send().await.unwrap();
    let unchanged = get().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);
    assert_eq!(unchanged.raw_response().unwrap().headers().get("etag"), Some(etag.as_str()));
    get().if_modified_since(past).send().await.unwrap();
    assert!(code(&get().if_modified_since(future).send().await.unwrap_err()).starts_with("304"));
    get().if_unmodified_since(future).send().await.unwrap();
    assert_eq!(code(&get().if_unmodified_since(past).send().await.unwrap_err()), "412 PreconditionFailed");

    head().if_match(&etag).send().await.unwrap();
    assert!(code(&head().if_match("\"other\"").send().await.unwrap_err()).starts_with("412"));
    assert!(code(&head().if_none_match(&etag).send().await.unwrap_err()).starts_with("304"));
    assert!(code(&head().if_modified_since(future).send().await.unwrap_err()).starts_with("304"));
    // The connection serves on after an answer without a body.
    assert_eq!(s3.get("k").await.unwrap(), b"one");
}

#[tokio::test]
async fn a_copy_follows_the_conditions_on_its_source() {
    let s3 = S3::new().await;
    let etag = s3.put("from", "one").await.unwrap();
    let copy = || s3.client.copy_object().bucket(BUCKET).key("to").copy_source(format!("{BUCKET}/from"));
    assert_eq!(code(&copy().copy_source_if_match("\"other\"").send().await.unwrap_err()), "412 PreconditionFailed");
    assert_eq!(code(&copy().copy_source_if_none_match(&etag).send().await.unwrap_err()), "412 PreconditionFailed");
    assert_eq!(s3.get("to").await, Err("404 NoSuchKey".to_owned()));
    copy().copy_source_if_match(&etag).send().await.unwrap();
    assert_eq!(s3.get("to").await.unwrap(), b"one");
}
