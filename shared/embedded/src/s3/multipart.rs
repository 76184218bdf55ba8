//! Multipart uploads.

use std::fs;
use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedMultipartUpload, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ListPartsInput, ListPartsOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::body::{Commit, Declared, checked, drain};
use super::conditions::WriteConditions;
use super::place::Place;
use super::store::Store;
use super::write::tidy;

/// The least size of all parts but the last.
const PART_MIN: u64 = 5 << 20;

/// The most parts of an upload.
const PARTS_MAX: i32 = 10_000;

/// The place of an upload that is under way for exactly this key.
fn upload(store: &Store, bucket: &str, key: &str, upload: &str) -> S3Result<Place> {
    let place = store.place(bucket, key)?;
    let is_id = !upload.is_empty() && upload.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id && place.upload_metadata(upload).is_file() {
        Ok(place)
    } else {
        Err(s3_error!(NoSuchUpload, "The upload was completed or aborted, or never began for this key."))
    }
}

/// Begins an upload.
pub(crate) async fn create(
    store: Arc<Store>,
    mut request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = &mut request.input;
    if input.tagging.is_some() || input.sse_customer_algorithm.is_some() || input.object_lock_mode.is_some() {
        return Err(s3_error!(
            NotImplemented,
            "This store has no tags, locks and no encryption with the client's key."
        ));
    }
    let place = store.place(&input.bucket, &input.key)?;
    place.check_upload()?;
    let _lock = store.names.write().await;
    place.check_free()?;
    place.make_folder()?;
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let mut answer = store.files(&place.folder)?.create_multipart_upload(request).await?;
    answer.output.bucket = Some(place.bucket);
    answer.output.key = Some(place.key);
    Ok(answer)
}

/// Takes a part, after its body proved right.
pub(crate) async fn upload_part(
    store: Arc<Store>,
    mut request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let input = &mut request.input;
    let body = input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
    let found = upload(&store, &input.bucket, &input.key, &input.upload_id).and_then(|place| {
        if (1..=PARTS_MAX).contains(&input.part_number) {
            Ok(place)
        } else {
            Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {PARTS_MAX}, inclusive"))
        }
    });
    let place = match found {
        Ok(place) => place,
        Err(error) => {
            drain(body).await;
            return Err(error);
        }
    };
    let headers = Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        ..Checksum::default()
    };
    let declared = Declared::new(input.content_md5.take(), headers, &request.headers, request.trailing_headers.clone());
    let (body, ended) = checked(body, declared, None, None);
    input.body = Some(body);
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let answer = store.files(&place.folder)?.upload_part(request).await;
    let outcome = ended.take();
    if let Some(refused) = outcome.error {
        return Err(refused);
    }
    let mut answer = answer?;
    let output = &mut answer.output;
    output.checksum_crc32 = outcome.checksum.checksum_crc32;
    output.checksum_crc32c = outcome.checksum.checksum_crc32c;
    output.checksum_crc64nvme = outcome.checksum.checksum_crc64nvme;
    output.checksum_sha1 = outcome.checksum.checksum_sha1;
    output.checksum_sha256 = outcome.checksum.checksum_sha256;
    Ok(answer)
}

/// Joins the parts into the object, which appears whole if its conditions hold.
pub(crate) async fn complete(
    store: Arc<Store>,
    mut request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = &mut request.input;
    let conditions = WriteConditions { matches: input.if_match.take(), none_match: input.if_none_match.take() };
    conditions.check_form()?;
    let place = upload(&store, &input.bucket, &input.key, &input.upload_id)?;
    let size = check_parts(&place, &input.upload_id, input.multipart_upload.as_ref())?;
    let commit = Commit { names: Arc::clone(&store.names), place: place.clone(), conditions };
    let _lock = commit.enter().await?;
    // Another request may have completed or aborted the upload before the lock was free.
    upload(&store, &input.bucket, &input.key, &input.upload_id)?;
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let mut answer = store.files(&place.folder)?.complete_multipart_upload(request).await?;
    if let Some(late) = answer.output.future.take() {
        answer.output = late.await?;
    }
    answer.output.bucket = Some(place.bucket.clone());
    answer.output.key = Some(place.key.clone());
    answer.output.location = Some(format!("/{}/{}", place.bucket, place.key));
    store.announce(&place, size, answer.output.e_tag.as_ref());
    Ok(answer)
}

/// Checks what s3s-fs would find out too late, after it has taken the upload apart. Returns the size of the object.
fn check_parts(place: &Place, upload: &str, wanted: Option<&CompletedMultipartUpload>) -> S3Result<u64> {
    let parts = wanted.and_then(|wanted| wanted.parts.as_deref()).unwrap_or_default();
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let mut total = 0;
    for (number, part) in (1..=PARTS_MAX).zip(parts) {
        match part.part_number {
            Some(found) if found == number => {}
            Some(found) if found > number => {
                return Err(s3_error!(
                    NotImplemented,
                    "This store joins parts numbered from 1 without gaps; found {found} for {number}."
                ));
            }
            _ => return Err(s3_error!(InvalidPartOrder)),
        }
        let size = fs::metadata(place.part(upload, number))
            .map_err(|_| s3_error!(InvalidPart, "Part {number} was not uploaded."))?
            .len();
        if size < PART_MIN && usize::try_from(number).is_ok_and(|number| number < parts.len()) {
            return Err(s3_error!(EntityTooSmall, "Part {number} has {size} bytes, fewer than {PART_MIN}."));
        }
        total += size;
    }
    if parts.len() > usize::try_from(PARTS_MAX).unwrap_or(usize::MAX) {
        return Err(s3_error!(InvalidArgument, "An upload has at most {PARTS_MAX} parts."));
    }
    Ok(total)
}

/// Gives an upload up.
pub(crate) async fn abort(
    store: Arc<Store>,
    mut request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = &mut request.input;
    let place = upload(&store, &input.bucket, &input.key, &input.upload_id)?;
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let answer = store.files(&place.folder)?.abort_multipart_upload(request).await;
    tidy(&store, &place).await;
    answer
}

/// Lists the parts that have come, by number.
pub(crate) async fn list_parts(
    store: Arc<Store>,
    mut request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = &mut request.input;
    let place = upload(&store, &input.bucket, &input.key, &input.upload_id)?;
    let after = input.part_number_marker;
    let limit = usize::try_from(input.max_parts.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let mut answer = store.files(&place.folder)?.list_parts(request).await?;
    let output = &mut answer.output;
    output.bucket = Some(place.bucket);
    output.key = Some(place.key);
    let mut parts = output.parts.take().unwrap_or_default();
    parts.sort_by_key(|part| part.part_number);
    parts.retain(|part| part.part_number > after);
    let truncated = parts.len() > limit;
    parts.truncate(limit);
    output.is_truncated = Some(truncated);
    output.next_part_number_marker = parts.last().and_then(|part| part.part_number).filter(|_| truncated);
    output.parts = Some(parts);
    Ok(answer)
}
