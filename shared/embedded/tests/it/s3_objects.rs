//! Objects and buckets.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};

use crate::clients::{BUCKET, S3, code};

#[tokio::test]
async fn odd_keys_keep_their_names() {
    let s3 = S3::new().await;
    let keys = [
        "a=1/b=2.json",
        "with space",
        "ünï/cödé",
        "100%",
        "a%20b",
        "a+b&c?d#e",
        "(x)'y'!*",
        "q\"<>|",
        "日本",
        "...",
        "..a",
    ];
    for key in keys {
        s3.put(key, key).await.unwrap();
        assert_eq!(s3.get(key).await.unwrap(), key.as_bytes(), "{key}");
        let copy = s3.client.copy_object().bucket("fulcrum-copies").key(key);
        assert_eq!(code(&copy.copy_source(format!("{BUCKET}/x")).send().await.unwrap_err()), "404 NoSuchKey");
    }
    let mut sorted = keys.map(str::to_owned);
    sorted.sort();
    assert_eq!(s3.keys("").await, sorted);
}

#[tokio::test]
async fn ranges_are_those_of_http() {
    let s3 = S3::new().await;
    s3.put("k", "0123456789").await.unwrap();
    s3.put("empty", "").await.unwrap();
    let get = |key: &'static str, range: &'static str| s3.client.get_object().bucket(BUCKET).key(key).range(range);
    for (range, body, header) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-100", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let got = get("k", range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(header), "{range}");
        assert_eq!(got.content_length(), i64::try_from(body.len()).ok(), "{range}");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), body.as_bytes(), "{range}");
    }
    for (key, range) in [("k", "bytes=10-"), ("k", "bytes=10-20"), ("k", "bytes=-0"), ("empty", "bytes=0-0")] {
        assert_eq!(code(&get(key, range).send().await.unwrap_err()), "416 InvalidRange", "{key} {range}");
    }
    assert_eq!(s3.get("empty").await.unwrap(), b"");
}

#[tokio::test]
async fn a_head_tells_size_type_and_metadata() {
    let mut s3 = S3::new().await;
    let put = s3.client.put_object().bucket(BUCKET).key("dir/k").body(ByteStream::from_static(b"hello"));
    let put = put.content_type("application/json").content_encoding("gzip").metadata("rows", "5").send();
    let etag = put.await.unwrap().e_tag.unwrap();
    assert_eq!(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    let head = || s3.client.head_object().bucket(BUCKET);
    let found = head().key("dir/k").send().await.unwrap();
    assert_eq!((found.content_length(), found.e_tag()), (Some(5), Some(etag.as_str())));
    assert_eq!((found.content_type(), found.content_encoding()), (Some("application/json"), Some("gzip")));
    assert_eq!(found.metadata().unwrap()["rows"], "5");
    for key in ["missing", "dir", "dir/k/below"] {
        assert!(head().key(key).send().await.unwrap_err().into_service_error().is_not_found(), "{key}");
    }
    s3.put("plain", "x").await.unwrap();
    assert_eq!(head().key("plain").send().await.unwrap().content_type(), Some("application/octet-stream"));

    s3.put("dir/k", "replaced").await.unwrap();
    let found = head().key("dir/k").send().await.unwrap();
    assert_eq!((found.content_length(), found.content_encoding(), found.metadata().unwrap().len()), (Some(8), None, 0));
    let sizes: Vec<_> = std::iter::from_fn(|| s3.created.try_recv().ok()).map(|object| object.size).collect();
    assert_eq!(sizes, [5, 1, 8]);
}

#[tokio::test]
async fn checksums_are_checked_before_the_object_is_replaced() {
    let s3 = S3::new().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = s3.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"good"));
        put.checksum_algorithm(algorithm).send().await.unwrap();
        assert_eq!(s3.get("k").await.unwrap(), b"good");
    }
    let put = || s3.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"bad"));
    let crc32 = put().checksum_crc32("AAAAAA==").send().await;
    assert_eq!(code(&crc32.unwrap_err()), "400 BadDigest");
    let md5 = put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert_eq!(code(&md5.unwrap_err()), "400 BadDigest");
    assert_eq!(code(&put().content_md5("no digest").send().await.unwrap_err()), "400 InvalidDigest");
    assert_eq!(s3.get("k").await.unwrap(), b"good");
}

#[tokio::test]
async fn copies_are_whole_and_keep_or_replace_metadata() {
    let mut s3 = S3::new().await;
    let put = s3.client.put_object().bucket(BUCKET).key("from ü").body(ByteStream::from_static(b"body"));
    put.content_type("text/a").metadata("m", "1").send().await.unwrap();
    let copy =
        |key: &str| s3.client.copy_object().bucket(BUCKET).key(key).copy_source(format!("{BUCKET}/from%20%C3%BC"));
    let copied = copy("to/kept").send().await.unwrap().copy_object_result.unwrap();
    let head = s3.client.head_object().bucket(BUCKET).key("to/kept").send().await.unwrap();
    assert_eq!((head.e_tag(), head.content_type()), (copied.e_tag(), Some("text/a")));
    assert_eq!(head.metadata().unwrap()["m"], "1");
    assert!(copied.last_modified.is_some());
    let replace = copy("from ü").metadata_directive(MetadataDirective::Replace).content_type("text/b");
    replace.send().await.unwrap();
    let head = s3.client.head_object().bucket(BUCKET).key("from ü").send().await.unwrap();
    assert_eq!((head.content_type(), head.content_length()), (Some("text/b"), Some(4)));
    assert_eq!(s3.get("from ü").await.unwrap(), b"body");
    assert_eq!(code(&copy("from ü").send().await.unwrap_err()), "400 InvalidRequest");
    let keys: Vec<_> = std::iter::from_fn(|| s3.created.try_recv().ok()).map(|object| object.key).collect();
    assert_eq!(keys, ["from ü", "to/kept", "from ü"]);
}

#[tokio::test]
async fn a_folder_marker_can_be_put() {
    let s3 = S3::new().await;
    s3.put("data/x/", "").await.unwrap();
    assert_eq!(s3.get("data/x/").await.unwrap(), b"");
    let head = s3.client.head_object().bucket(BUCKET).key("data/x/").send().await.unwrap();
    assert_eq!(head.content_length(), Some(0));
    s3.put("data/x/part", "x").await.unwrap();
    assert_eq!(s3.keys("data/").await, ["data/x/part"]);
    assert_eq!(s3.put("data/y/", "content").await, Err("501 NotImplemented".to_owned()));
    s3.client.delete_object().bucket(BUCKET).key("data/x/").send().await.unwrap();
    assert_eq!(s3.get("data/x/part").await.unwrap(), b"x");
}

#[tokio::test]
async fn buckets_come_and_go() {
    let s3 = S3::new().await;
    let again = s3.client.create_bucket().bucket(BUCKET).send().await;
    assert!(again.unwrap_err().into_service_error().is_bucket_already_owned_by_you());
    s3.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    let missing = s3.client.head_bucket().bucket("missing").send().await;
    assert!(missing.unwrap_err().into_service_error().is_not_found());
    let nowhere = s3.client.put_object().bucket("missing").key("k").body(vec![0; 3_000_000].into()).send().await;
    assert_eq!(code(&nowhere.unwrap_err()), "404 NoSuchBucket");
    let nowhere = s3.client.get_object().bucket("missing").key("k").send().await;
    assert_eq!(code(&nowhere.unwrap_err()), "404 NoSuchBucket");
    s3.put("a/k", "x").await.unwrap();
    let full = s3.client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(code(&full.unwrap_err()), "409 BucketNotEmpty");
    s3.client.delete_object().bucket(BUCKET).key("a/k").send().await.unwrap();
    s3.client.delete_bucket().bucket(BUCKET).send().await.unwrap();
    assert!(s3.client.list_buckets().send().await.unwrap().buckets().is_empty());
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let s3 = S3::new().await;
    s3.put("k", "x").await.unwrap();
    let not_built = "501 NotImplemented".to_owned();
    let tagging = s3.client.get_object_tagging().bucket(BUCKET).key("k").send().await;
    assert_eq!(code(&tagging.unwrap_err()), not_built);
    let tagged = s3.client.put_object().bucket(BUCKET).key("k").tagging("a=b").body(ByteStream::from_static(b"y"));
    assert_eq!(code(&tagged.send().await.unwrap_err()), not_built);
    let version = s3.client.get_object().bucket(BUCKET).key("k").version_id("v").send().await;
    assert_eq!(code(&version.unwrap_err()), not_built);
    let versions = s3.client.list_object_versions().bucket(BUCKET).send().await;
    assert_eq!(code(&versions.unwrap_err()), not_built);
    let acl = s3.client.get_object_acl().bucket(BUCKET).key("k").send().await;
    assert_eq!(code(&acl.unwrap_err()), not_built);
    assert_eq!(s3.get("k").await.unwrap(), b"x");
}

#[tokio::test]
async fn presigned_requests_are_honoured() {
    let s3 = S3::new().await;
    s3.put("a b/k", "x").await.unwrap();
    let signed = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a b/k")
        .presigned(PresigningConfig::expires_in(Duration::from_mins(1)).unwrap())
        .await
        .unwrap();
    let path = signed.uri().strip_prefix(s3.server.url()).unwrap();
    assert!(http_get(s3.server.url(), path).await.starts_with("HTTP/1.1 200 "));
    let tampered = path.replace("a%20b/k", "a%20b/l");
    assert!(http_get(s3.server.url(), &tampered).await.starts_with("HTTP/1.1 403 "));
    // Without any signature.
    assert!(http_get(s3.server.url(), &format!("/{BUCKET}/a%20b/k")).await.starts_with("HTTP/1.1 403 "));
    // A path that leads up is no bucket.
    assert!(!http_get(s3.server.url(), "/../../etc/passwd").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_answer_instead_of_a_continue_ends_the_connection() {
    let s3 = S3::new().await;
    let headers = "Expect: 100-continue\r\nContent-Length: 0";
    let answer = http(s3.server.url(), "PUT", &format!("/{BUCKET}/k"), headers).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("connection: close\r\n"), "{answer}");
}

async fn http_get(url: &str, path: &str) -> String {
    http(url, "GET", path, "Connection: close").await
}

/// The bytes of the answer, up to the end of the connection.
async fn http(url: &str, method: &str, path: &str, headers: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_pass_whole() {
    let s3 = S3::new().await;
    let body: Vec<u8> = (0..10_u32 << 18).flat_map(u32::to_le_bytes).collect();
    s3.put("big", body.clone()).await.unwrap();
    assert!(s3.get("big").await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_objects_while_they_are_replaced() {
    let s3 = S3::new().await;
    s3.put("k", vec![0; 300_000]).await.unwrap();
    let client = s3.client.clone();
    let writer = tokio::spawn(async move {
        for round in 1..=40_u8 {
            let body = ByteStream::from(vec![round; 300_000 + usize::from(round)]);
            client.put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
        }
    });
    while !writer.is_finished() {
        let got = s3.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
        let head_size = got.content_length().unwrap();
        // The SDK compares the body with the checksum of the answer.
        let body = got.body.collect().await.unwrap().to_vec();
        assert_eq!(i64::try_from(body.len()).unwrap(), head_size);
        assert!(body.iter().all(|byte| *byte == body[0]));
        assert_eq!(body.len(), 300_000 + usize::from(body[0]));
    }
    writer.await.unwrap();
}
