//! Multipart uploads.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::clients::{BUCKET, S3, code};

const PART: usize = 5 << 20;

async fn upload(s3: &S3, key: &str, parts: &[Vec<u8>]) -> (String, Vec<CompletedPart>) {
    let upload = s3.client.create_multipart_upload().bucket(BUCKET).key(key).content_type("text/x").send().await;
    let id = upload.unwrap().upload_id.unwrap();
    let mut done = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let put = s3.client.upload_part().bucket(BUCKET).key(key).upload_id(&id).part_number(number);
        let put = put.body(ByteStream::from(part.clone())).send().await.unwrap();
        assert!(put.checksum_crc32.is_some());
        done.push(CompletedPart::builder().part_number(number).set_e_tag(put.e_tag).build());
    }
    (id, done)
}

async fn complete(s3: &S3, key: &str, id: &str, parts: Vec<CompletedPart>) -> Result<String, String> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id);
    let answer = complete.multipart_upload(parts).send().await;
    answer.map(|answer| answer.e_tag.unwrap()).map_err(|error| code(&error))
}

#[tokio::test]
async fn parts_become_one_object() {
    let mut s3 = S3::new().await;
    // An object put before leaves no checksum behind that the new one does not have.
    s3.put("big", "old").await.unwrap();
    let parts = [vec![1; PART], vec![2; PART], vec![3; 7]];
    let (id, done) = upload(&s3, "big", &parts).await;
    assert_eq!(s3.get("big").await.unwrap(), b"old");
    let listed = s3.client.list_parts().bucket(BUCKET).key("big").upload_id(&id).max_parts(2).send().await.unwrap();
    let numbers: Vec<_> = listed.parts().iter().map(|part| part.part_number().unwrap()).collect();
    assert_eq!((numbers, listed.is_truncated), (vec![1, 2], Some(true)));
    let etag = complete(&s3, "big", &id, done).await.unwrap();
    assert!(etag.ends_with("-3\""), "{etag}");
    assert_eq!(s3.get("big").await.unwrap(), parts.concat());
    let head = s3.client.head_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!(head.content_length(), i64::try_from(2 * PART + 7).ok());
    assert_eq!((head.e_tag(), head.content_type()), (Some(etag.as_str()), Some("text/x")));

    assert_eq!(s3.created.try_recv().unwrap().size, 3);
    let created = s3.created.try_recv().unwrap();
    assert_eq!((created.bucket.as_str(), created.key.as_str()), (BUCKET, "big"));
    assert_eq!((created.size, format!("\"{}\"", created.etag)), ((2 * PART + 7) as u64, etag));
    assert!(s3.created.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_completion_leaves_the_upload() {
    let s3 = S3::new().await;
    let (id, done) = upload(&s3, "k", &[vec![1; 10], vec![2; 10]]).await;
    assert_eq!(complete(&s3, "k", &id, done.clone()).await, Err("400 EntityTooSmall".to_owned()));
    let swapped = done.iter().rev().cloned().collect();
    assert_eq!(complete(&s3, "k", &id, swapped).await, Err("501 NotImplemented".to_owned()));
    let mut missing = done.clone();
    missing.push(CompletedPart::builder().part_number(3).e_tag("x").build());
    assert!(complete(&s3, "k", &id, missing).await.is_err());
    assert!(complete(&s3, "k", &id, Vec::new()).await.is_err());
    assert_eq!(complete(&s3, "other", &id, done.clone()).await, Err("404 NoSuchUpload".to_owned()));
    assert_eq!(s3.get("k").await, Err("404 NoSuchKey".to_owned()));
    complete(&s3, "k", &id, done[..1].to_vec()).await.unwrap();
    assert_eq!(s3.get("k").await.unwrap(), vec![1; 10]);
    assert_eq!(complete(&s3, "k", &id, done).await, Err("404 NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let s3 = S3::new().await;
    let (id, done) = upload(&s3, "folder/k", &[vec![1; 10]]).await;
    s3.client.abort_multipart_upload().bucket(BUCKET).key("folder/k").upload_id(&id).send().await.unwrap();
    assert_eq!(complete(&s3, "folder/k", &id, done).await, Err("404 NoSuchUpload".to_owned()));
    let part = s3.client.upload_part().bucket(BUCKET).key("folder/k").upload_id(&id).part_number(1);
    let part = part.body(ByteStream::from_static(b"late")).send().await;
    assert_eq!(code(&part.unwrap_err()), "404 NoSuchUpload");
    // Not even its folder is left.
    s3.put("folder", "x").await.unwrap();
}

#[tokio::test]
async fn parts_can_be_copied() {
    let s3 = S3::new().await;
    s3.put("from", "0123456789").await.unwrap();
    let (id, _) = upload(&s3, "to", &[]).await;
    let copy = |range: &'static str| {
        let copy = s3.client.upload_part_copy().bucket(BUCKET).key("to").upload_id(&id).part_number(1);
        copy.copy_source(format!("{BUCKET}/from")).copy_source_range(range).send()
    };
    assert_eq!(code(&copy("bytes=2-10").await.unwrap_err()), "400 InvalidArgument");
    let part = copy("bytes=2-4").await.unwrap();
    let etag = part.copy_part_result.unwrap().e_tag;
    let done = CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    complete(&s3, "to", &id, vec![done]).await.unwrap();
    assert_eq!(s3.get("to").await.unwrap(), b"234");
}
