//! Data folders: restarts, locks, what a killed process leaves.

use std::fs;

use aws_sdk_s3::primitives::ByteStream;
use embedded::{EmbeddedError, Storage, start_dynamodb, start_s3};

use crate::clients::{BUCKET, S3, credentials, dynamodb_client};
use crate::dynamodb::{TABLE, create_table, get, number, text};

fn folder() -> (tempfile::TempDir, Storage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::Folder(folder.path().join("data"));
    (folder, storage)
}

#[tokio::test]
async fn tables_survive_a_restart() {
    let (_folder, storage) = folder();
    let server = start_dynamodb(&storage, 0, &credentials()).await.unwrap();
    let client = dynamodb_client(server.url(), &credentials());
    create_table(&client).await;
    let put = client.put_item().table_name(TABLE).item("pk", text("org")).item("sk", text("k"));
    put.item("created", text("now")).item("version", number(3)).send().await.unwrap();
    server.shutdown().await;
    assert!(client.list_tables().send().await.is_err(), "the server is still there");

    let server = start_dynamodb(&storage, 0, &credentials()).await.unwrap();
    let client = dynamodb_client(server.url(), &credentials());
    assert_eq!(get(&client, "org", "k").await.unwrap()["version"], number(3));
    let query = client.query().table_name(TABLE).index_name("by_created").key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", text("org")).send().await.unwrap();
    assert_eq!(query.count(), 1);
}

#[tokio::test]
async fn objects_survive_a_restart() {
    let (_folder, storage) = folder();
    let s3 = S3::start(&storage).await;
    s3.client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let put = s3.client.put_object().bucket(BUCKET).key("a/k").body(ByteStream::from_static(b"kept"));
    let etag = put.content_type("text/x").send().await.unwrap().e_tag;
    let upload = s3.client.create_multipart_upload().bucket(BUCKET).key("a/m").send().await.unwrap();
    let part = s3.client.upload_part().bucket(BUCKET).key("a/m").upload_id(upload.upload_id().unwrap());
    part.part_number(1).body(ByteStream::from_static(b"part")).send().await.unwrap();
    s3.server.shutdown().await;

    let s3 = S3::start(&storage).await;
    assert_eq!(s3.get("a/k").await.unwrap(), b"kept");
    let head = s3.client.head_object().bucket(BUCKET).key("a/k").send().await.unwrap();
    assert_eq!((head.e_tag, head.content_type.as_deref()), (etag, Some("text/x")));
    let parts = s3.client.list_parts().bucket(BUCKET).key("a/m").upload_id(upload.upload_id().unwrap());
    assert_eq!(parts.send().await.unwrap().parts().len(), 1);
    s3.put("a/new", "x").await.unwrap();
    assert_eq!(s3.keys("").await, ["a/k", "a/new"]);
}

#[tokio::test]
async fn a_folder_serves_one_server_at_a_time() {
    let (_folder, storage) = folder();
    let tables = start_dynamodb(&storage, 0, &credentials()).await.unwrap();
    let second = start_dynamodb(&storage, 0, &credentials()).await.unwrap_err();
    assert!(matches!(second, EmbeddedError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("in use"), "{second}");
    // The two servers share a folder.
    let objects = start_s3(&storage, 0, &credentials(), None).await.unwrap();
    let second = start_s3(&storage, 0, &credentials(), None).await.unwrap_err();
    assert!(matches!(second, EmbeddedError::InUse { .. }), "{second}");
    tables.shutdown().await;
    objects.shutdown().await;
    start_dynamodb(&storage, 0, &credentials()).await.unwrap().shutdown().await;
    start_s3(&storage, 0, &credentials(), None).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn errors_name_the_place() {
    let (folder, storage) = folder();
    let server = start_dynamodb(&storage, 0, &credentials()).await.unwrap();
    let port: u16 = server.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let taken = start_s3(&Storage::Ephemeral, port, &credentials(), None).await.unwrap_err();
    assert!(taken.to_string().contains(&format!("127.0.0.1:{port}")), "{taken}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = start_s3(&Storage::Folder(file.join("below")), 0, &credentials(), None).await.unwrap_err();
    assert!(matches!(below, EmbeddedError::Folder { .. }) && below.to_string().contains("below"), "{below}");
    let tables = folder.path().join("broken/dynamodb");
    fs::create_dir_all(&tables).unwrap();
    fs::write(tables.join("tables.sqlite"), "this is no database, and long enough to be told apart").unwrap();
    let broken = start_dynamodb(&Storage::Folder(folder.path().join("broken")), 0, &credentials()).await.unwrap_err();
    assert!(matches!(broken, EmbeddedError::Tables { .. }) && broken.to_string().contains("sqlite"), "{broken}");
}

/// A process killed in the middle of a put leaves a temporary file, or the new object without its `ETag`.
#[tokio::test]
async fn what_a_killed_put_leaves_is_no_object_or_a_whole_one() {
    let (folder, storage) = folder();
    let s3 = S3::start(&storage).await;
    s3.client.create_bucket().bucket(BUCKET).send().await.unwrap();
    s3.put("a/k", "old").await.unwrap();
    s3.server.shutdown().await;
    let bucket = folder.path().join("data/s3/objects").join(BUCKET);
    fs::write(bucket.join("a/.tmp.0.internal.part"), "half of the n").unwrap();
    let side_files: Vec<_> = fs::read_dir(bucket.join("a")).unwrap().map(|file| file.unwrap().path()).collect();
    let info = side_files.iter().find(|path| path.to_str().unwrap().ends_with(".internal.json")).unwrap();
    fs::remove_file(info).unwrap();
    fs::write(bucket.join("a/k"), "new and whole").unwrap();

    let s3 = S3::start(&storage).await;
    assert_eq!(s3.get("a/k").await.unwrap(), b"new and whole");
    let head = s3.client.head_object().bucket(BUCKET).key("a/k").send().await.unwrap();
    // The MD5 of the new content, not of the old.
    assert_eq!(head.e_tag(), Some("\"af156801e6de5bd882d7b6710f18d31d\""));
    assert_eq!(s3.keys("").await, ["a/k"]);
    s3.put("a/k", "newer").await.unwrap();
    assert!(!bucket.join("a/.tmp.0.internal.part").exists());
}

#[tokio::test]
async fn a_refused_put_leaves_nothing_behind() {
    let (folder, storage) = folder();
    let s3 = S3::start(&storage).await;
    s3.client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let put = s3.client.put_object().bucket(BUCKET).key("x/y/k").body(ByteStream::from_static(b"bad"));
    put.checksum_crc32("AAAAAA==").send().await.unwrap_err();
    let left = fs::read_dir(folder.path().join("data/s3/objects").join(BUCKET)).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_ephemeral_store_leaves_no_folder_and_a_dropped_server_stops() {
    let s3 = S3::new().await;
    let client = s3.client.clone();
    drop(s3);
    for _ in 0..100 {
        if client.list_buckets().send().await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the server serves on after it was dropped");
}

/// Half a body, notes on an object that never came, a part of an upload that is over.
#[tokio::test]
async fn orphans_of_a_killed_process_go_at_the_next_start() {
    let (folder, storage) = folder();
    let s3 = S3::start(&storage).await;
    s3.client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let put = s3.client.put_object().bucket(BUCKET).key("a/k").body(ByteStream::from_static(b"kept"));
    put.content_type("text/x").send().await.unwrap();
    let upload = s3.client.create_multipart_upload().bucket(BUCKET).key("a/m").send().await.unwrap();
    let part = s3.client.upload_part().bucket(BUCKET).key("a/m").upload_id(upload.upload_id().unwrap());
    part.part_number(1).body(ByteStream::from_static(b"part")).send().await.unwrap();
    s3.server.shutdown().await;
    let bucket = folder.path().join("data/s3/objects").join(BUCKET);
    let files = |folder: &std::path::Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let before = files(&bucket.join("a"));
    // The name in the middle is "gone" in base64.
    for orphan in [
        ".tmp.7.internal.part",
        ".bucket-.object-Z29uZQ.internal.json",
        ".bucket-.object-Z29uZQ.metadata.json",
        ".bucket-.object-Z29uZQ.upload-11111111-1111-4111-8111-111111111111.metadata.json",
        ".upload_id-11111111-1111-4111-8111-111111111111.part-1",
    ] {
        fs::write(bucket.join("a").join(orphan), "x").unwrap();
    }

    let s3 = S3::start(&storage).await;
    assert_eq!(files(&bucket.join("a")), before);
    assert_eq!(s3.keys("").await, ["a/k"]);
    let parts = s3.client.list_parts().bucket(BUCKET).key("a/m").upload_id(upload.upload_id().unwrap());
    assert_eq!(parts.send().await.unwrap().parts().len(), 1);
}

/// Also where an earlier version, or somebody, left it open.
#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_data() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, storage) = folder();
    let s3 = S3::start(&storage).await;
    s3.client.create_bucket().bucket(BUCKET).send().await.unwrap();
    s3.put("a/k", "x").await.unwrap();
    s3.server.shutdown().await;
    start_dynamodb(&storage, 0, &credentials()).await.unwrap().shutdown().await;
    let data = folder.path().join("data");
    let object = data.join("s3/objects").join(BUCKET).join("a/k");
    let tables = data.join("dynamodb/tables.sqlite");
    for (path, mode) in [(&data.join("s3"), 0o755), (&object, 0o644), (&tables, 0o666), (&data.join("dynamodb"), 0o777)]
    {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let _s3 = S3::start(&storage).await;
    let _dynamodb = start_dynamodb(&storage, 0, &credentials()).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [&data.join("s3"), &data.join("dynamodb"), object.parent().unwrap()] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    for path in [&object, &tables, &data.join("s3/lock")] {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
}
