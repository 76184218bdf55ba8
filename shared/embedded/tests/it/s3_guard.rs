//! What the guard serialises or refuses.

use aws_sdk_s3::primitives::ByteStream;

use crate::clients::{BUCKET, S3, code, credentials, s3_client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_conditional_puts_exactly_one_wins() {
    let s3 = S3::new().await;
    for round in 0..5 {
        let key = format!("posteriors/{round}");
        let puts = (0..32).map(|writer| {
            let put = s3
                .client
                .put_object()
                .bucket(BUCKET)
                .key(&key)
                .if_none_match("*")
                .body(ByteStream::from(vec![writer; 50_000]))
                .send();
            tokio::spawn(async move { put.await.map_err(|error| code(&error)) })
        });
        let mut winner = None;
        for (writer, put) in (0_u8..).zip(puts.collect::<Vec<_>>()) {
            match put.await.unwrap() {
                Ok(_) => assert_eq!(winner.replace(writer), None, "two puts won"),
                Err(code) => assert_eq!(code, "412 PreconditionFailed"),
            }
        }
        assert_eq!(s3.get(&key).await.unwrap(), vec![winner.expect("a winner"); 50_000]);
    }
    let mut created = s3.created;
    let mut keys = Vec::new();
    while let Ok(object) = created.try_recv() {
        keys.push(object.key);
    }
    assert_eq!(keys.len(), 5);
}

#[tokio::test]
async fn a_key_cannot_lead_out_of_its_bucket() {
    let s3 = S3::new().await;
    s3.client.create_bucket().bucket("other").send().await.unwrap();
    for key in ["../other/stolen", "a/../../other/stolen", "..", "a/..", "a/./b", "a//b", "/a", "."] {
        assert_eq!(s3.put(key, "x").await, Err("501 NotImplemented".to_owned()), "{key}");
        assert_eq!(s3.get(key).await, Err("501 NotImplemented".to_owned()), "{key}");
        let copy = s3.client.copy_object().bucket(BUCKET).key("copy").copy_source(format!("{BUCKET}/{key}"));
        assert!(copy.send().await.is_err(), "{key}");
        let delete = s3.client.delete_object().bucket(BUCKET).key(key).send().await;
        assert_eq!(code(&delete.unwrap_err()), "501 NotImplemented", "{key}");
        let upload = s3.client.create_multipart_upload().bucket(BUCKET).key(key).send().await;
        assert_eq!(code(&upload.unwrap_err()), "501 NotImplemented", "{key}");
    }
    let listed = s3.client.list_objects_v2().bucket("other").send().await.unwrap();
    assert_eq!(listed.key_count(), Some(0));
    assert!(s3.keys("../").await.is_empty());
    assert!(s3.keys("/").await.is_empty());
    let upward = s3.client.list_objects_v2().bucket(BUCKET).prefix("a/../../other/").send().await.unwrap();
    assert_eq!(upward.key_count(), Some(0));
}

#[tokio::test]
async fn long_keys_are_held_as_far_as_a_file_name_goes() {
    let s3 = S3::new().await;
    let folders = ["f".repeat(200), "g".repeat(200), "h".repeat(200)].join("/");
    for length in [1, 100, 168] {
        let key = format!("{folders}/{}", "k".repeat(length));
        s3.put(&key, "x").await.unwrap();
        assert_eq!(s3.get(&key).await.unwrap(), b"x");
        assert_eq!(s3.keys(&key).await, std::slice::from_ref(&key));
    }
    for length in [169, 255, 300] {
        let key = format!("{folders}/{}", "k".repeat(length));
        assert_eq!(s3.put(&key, "x").await, Err("400 KeyTooLongError".to_owned()));
    }
    let key = |length| format!("a/{}", "k".repeat(length));
    let upload = |key| s3.client.create_multipart_upload().bucket(BUCKET).key(key).send();
    let upload_135 = upload(key(135)).await.unwrap();
    assert_eq!(code(&upload(key(136)).await.unwrap_err()), "400 KeyTooLongError");
    let id = upload_135.upload_id().unwrap();
    s3.client.abort_multipart_upload().bucket(BUCKET).key(key(135)).upload_id(id).send().await.unwrap();
    assert_eq!(s3.put(&"f/".repeat(600), "x").await, Err("400 KeyTooLongError".to_owned()));
}

#[tokio::test]
async fn a_key_below_or_above_another_is_refused() {
    let s3 = S3::new().await;
    let refused = Err("501 NotImplemented".to_owned());
    s3.put("d", "file").await.unwrap();
    assert_eq!(s3.put("d/e", "x").await, refused);
    assert_eq!(s3.put("d/e/f", "x").await, refused);
    assert_eq!(s3.put("d/", "").await, refused);
    let upload = s3.client.create_multipart_upload().bucket(BUCKET).key("d/e").send().await;
    assert_eq!(code(&upload.unwrap_err()), "501 NotImplemented");
    assert_eq!(s3.get("d").await.unwrap(), b"file");
    assert_eq!(s3.get("d/e").await, Err("404 NoSuchKey".to_owned()));

    s3.put("g/h/i", "below").await.unwrap();
    assert_eq!(s3.put("g/h", "x").await, refused);
    assert_eq!(s3.put("g", "x").await, refused);
    assert_eq!(s3.get("g/h").await, Err("404 NoSuchKey".to_owned()));
    let head = s3.client.head_object().bucket(BUCKET).key("g").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    s3.client.delete_object().bucket(BUCKET).key("g").send().await.unwrap();
    assert_eq!(s3.get("g/h/i").await.unwrap(), b"below");

    // Nothing stays behind that would keep the name.
    s3.client.delete_object().bucket(BUCKET).key("g/h/i").send().await.unwrap();
    s3.put("g", "free again").await.unwrap();
    s3.client.delete_object().bucket(BUCKET).key("d").send().await.unwrap();
    s3.put("d/e", "free again").await.unwrap();
    assert_eq!(s3.keys("").await, ["d/e", "g"]);
}

#[tokio::test]
async fn nothing_lies_below_a_key() {
    let s3 = S3::new().await;
    s3.put("d", "x").await.unwrap();
    for key in ["d/", "d/x", "d/x/", "d/x/y", "d/x/y/"] {
        let body = if key.ends_with('/') { "" } else { "x" };
        assert_eq!(s3.put(key, body).await, Err("501 NotImplemented".to_owned()), "{key}");
    }
    assert_eq!(s3.get("d").await.unwrap(), b"x");
    assert_eq!(s3.keys("").await, ["d"]);
}

#[tokio::test]
async fn names_of_the_store_itself_are_refused_and_hidden() {
    let s3 = S3::new().await;
    for key in [".bucket-x", "a/.tmp.0.internal.part", ".upload-1.json", ".upload_id-1.part-1"] {
        assert_eq!(s3.put(key, "x").await, Err("501 NotImplemented".to_owned()), "{key}");
    }
    s3.put("a/b", "x").await.unwrap();
    s3.client.create_multipart_upload().bucket(BUCKET).key("a/c").send().await.unwrap();
    assert_eq!(s3.keys("").await, ["a/b"]);
    assert!(s3.keys("a/.").await.is_empty());
}

#[tokio::test]
async fn requests_must_be_signed_with_the_key_pair() {
    let s3 = S3::new().await;
    s3.put("k", "x").await.unwrap();
    let mut wrong = credentials();
    wrong.secret_access_key.push('x');
    let client = s3_client(s3.server.url(), &wrong);
    let get = client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(code(&get.unwrap_err()), "403 SignatureDoesNotMatch");
    let put = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"y")).send().await;
    assert_eq!(code(&put.unwrap_err()), "403 SignatureDoesNotMatch");
    let mut unknown = credentials();
    unknown.access_key_id.push('x');
    let client = s3_client(s3.server.url(), &unknown);
    let get = client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(code(&get.unwrap_err()), "403 InvalidAccessKeyId");
    assert_eq!(s3.get("k").await.unwrap(), b"x");
}
