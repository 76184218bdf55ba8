//! Puts and deletes.

use std::fs;
use std::sync::Arc;

use s3s::dto::{
    Checksum, ChecksumAlgorithm, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ETag, ETagCondition, Error, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use tokio::sync::OwnedRwLockReadGuard;

use super::body::{Commit, Declared, checked, drain};
use super::conditions::WriteConditions;
use super::place::{Place, remove};
use super::store::Store;

/// The MD5 of nothing.
pub(crate) const EMPTY_ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Puts an object, which appears whole at the end of its body if its conditions hold then.
pub(crate) async fn put(
    store: Arc<Store>,
    mut request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let body = request.input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
    if request.input.key.ends_with('/') {
        return put_folder(&store, &request.input, body).await;
    }
    let conditions =
        WriteConditions { matches: request.input.if_match.take(), none_match: request.input.if_none_match.take() };
    let (place, begun) = match begin(&store, &request.input, &conditions).await {
        Ok(begun) => begun,
        Err(error) => {
            drain(body).await;
            return Err(error);
        }
    };
    let declared = declare(&mut request);
    let commit = Commit { names: Arc::clone(&store.names), place: place.clone(), conditions };
    let (body, ended) = checked(body, declared, Some(begun), Some(commit));
    request.input.body = Some(body);
    request.input.bucket = String::new();
    request.input.key.clone_from(&place.name);
    let answer = store.files(&place.folder)?.put_object(request).await;
    let outcome = ended.take();
    match (answer, outcome.error) {
        (Ok(answer), None) => {
            store.announce(&place, outcome.size, answer.output.e_tag.as_ref());
            Ok(answer)
        }
        (answer, refused) => {
            drop(outcome.lock);
            tidy(&store, &place).await;
            Err(refused.or(answer.err()).unwrap_or_else(|| s3_error!(InternalError)))
        }
    }
}

/// Checks what can be checked before the body comes, and makes the folder, which the lock keeps from being pruned.
async fn begin(
    store: &Store,
    input: &PutObjectInput,
    conditions: &WriteConditions,
) -> S3Result<(Place, OwnedRwLockReadGuard<()>)> {
    let place = check_put(store, input, conditions)?;
    let begun = Arc::clone(&store.names).read_owned().await;
    place.check_free()?;
    place.make_folder()?;
    Ok((place, begun))
}

/// Removes folders that a put made in vain.
pub(crate) async fn tidy(store: &Store, place: &Place) {
    let _lock = store.names.write().await;
    place.prune();
}

fn check_put(store: &Store, input: &PutObjectInput, conditions: &WriteConditions) -> S3Result<Place> {
    conditions.check_form()?;
    let unknown = input.tagging.is_some()
        || input.sse_customer_algorithm.is_some()
        || input.object_lock_mode.is_some()
        || input.object_lock_legal_hold_status.is_some()
        || input.write_offset_bytes.is_some();
    if unknown {
        return Err(s3_error!(
            NotImplemented,
            "This store has no tags, locks, appends and no encryption with the client's key."
        ));
    }
    store.place(&input.bucket, &input.key)
}

/// Reads what the request declares of its body, and tells s3s-fs of the algorithm in the trailer alone, the only case it needs.
fn declare(request: &mut S3Request<PutObjectInput>) -> Declared {
    let input = &mut request.input;
    let headers = Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        ..Checksum::default()
    };
    let declared =
        Declared::new(input.content_md5.clone(), headers, &request.headers, request.trailing_headers.clone());
    input.checksum_algorithm = declared.trailer_algorithm().map(|name| ChecksumAlgorithm::from(name.to_owned()));
    declared
}

/// A key that ends in a slash, which file-system clients put to mark a folder, makes the folder.
async fn put_folder(
    store: &Store,
    input: &PutObjectInput,
    body: StreamingBlob,
) -> S3Result<S3Response<PutObjectOutput>> {
    drain(body).await;
    if input.content_length.is_some_and(|length| length > 0) {
        return Err(s3_error!(NotImplemented, "This store cannot hold content at a key that ends with a slash."));
    }
    if input.if_match.is_some() || input.if_none_match.is_some() {
        return Err(s3_error!(NotImplemented, "This store has no conditions on a key that ends with a slash."));
    }
    let place = store.place(&input.bucket, input.key.trim_end_matches('/'))?;
    check_folder_key(&input.key)?;
    let _lock = store.names.write().await;
    if place.object().is_file() {
        return Err(s3_error!(NotImplemented, "This store cannot hold a key below another key."));
    }
    place.check_above()?;
    fs::create_dir_all(place.object()).map_err(S3Error::internal_error)?;
    let output = PutObjectOutput { e_tag: Some(ETag::Strong(EMPTY_ETAG.to_owned())), ..PutObjectOutput::default() };
    Ok(S3Response::new(output))
}

/// Refuses a key that ends with more than one slash.
pub(crate) fn check_folder_key(key: &str) -> S3Result<()> {
    if key.ends_with("//") {
        return Err(s3_error!(NotImplemented, "This store cannot hold a key with an empty segment."));
    }
    Ok(())
}

/// Deletes an object. One that is not there is no error.
pub(crate) async fn delete(
    store: Arc<Store>,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    if input.version_id.is_some() || input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(s3_error!(NotImplemented, "This store has no versions and no conditions on date or size."));
    }
    let conditions = WriteConditions { matches: input.if_match, none_match: None };
    let _lock = store.names.write().await;
    delete_one(&store, &input.bucket, &input.key, &conditions)?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

/// Deletes many objects, each for itself.
pub(crate) async fn delete_many(
    store: Arc<Store>,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let input = request.input;
    store.bucket(&input.bucket)?;
    let _lock = store.names.write().await;
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for object in input.delete.objects {
        let conditions = WriteConditions { matches: object.e_tag.map(ETagCondition::ETag), none_match: None };
        match delete_one(&store, &input.bucket, &object.key, &conditions) {
            Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(object.key),
                message: error.message().map(ToOwned::to_owned),
                version_id: None,
            }),
        }
    }
    if input.delete.quiet.unwrap_or(false) {
        deleted.clear();
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    }))
}

/// Deletes under the lock on names, with the side files that s3s-fs would leave behind and the folders that are empty then.
fn delete_one(store: &Store, bucket: &str, key: &str, conditions: &WriteConditions) -> S3Result<()> {
    if let Some(folder) = key.strip_suffix('/') {
        let place = store.place(bucket, folder)?;
        // Fails, as it should, where the folder holds objects.
        let _ = fs::remove_dir(place.object());
        return Ok(());
    }
    let place = store.place(bucket, key)?;
    let current = place.current()?;
    conditions.check(current.as_ref())?;
    if current.is_some() {
        remove(&place.object())?;
        remove(&place.info())?;
        remove(&place.metadata())?;
        place.prune();
    }
    Ok(())
}
