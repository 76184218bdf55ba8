//! Reads of one object.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::stream;
use s3s::dto::{ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range, StreamingBlob};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, StdError, s3_error};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::body::blob;
use super::conditions::ReadConditions;
use super::place::{Current, Place};
use super::store::Store;
use super::write::EMPTY_ETAG;

/// How much of a file is read at a time. s3s-fs reads 4 KiB at a time, which costs more than the transfer.
const CHUNK: usize = 256 * 1024;

/// The content type of an object that was put without one.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// An object that exists and fits the conditions, or the reason why not. The caller holds the lock on names.
fn find(store: &Store, bucket: &str, key: &str, conditions: &ReadConditions) -> S3Result<(Place, Current)> {
    let place = store.place(bucket, key)?;
    let current = place.current()?.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?;
    conditions.check(&current)?;
    Ok((place, current))
}

fn is_folder(store: &Store, bucket: &str, key: &str) -> S3Result<bool> {
    let Some(folder) = key.strip_suffix('/') else { return Ok(false) };
    if store.place(bucket, folder)?.object().is_dir() { Ok(true) } else { Err(s3_error!(NoSuchKey)) }
}

/// GET: the whole object or a range of it, under the conditions.
pub(crate) async fn get(
    store: Arc<Store>,
    mut request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = &mut request.input;
    if input.version_id.is_some() || input.part_number.is_some() || input.sse_customer_algorithm.is_some() {
        return Err(s3_error!(NotImplemented, "This store has no versions, reads by part or keys of the client."));
    }
    let conditions = ReadConditions {
        matches: input.if_match.take(),
        none_match: input.if_none_match.take(),
        modified_since: input.if_modified_since.take(),
        unmodified_since: input.if_unmodified_since.take(),
    };
    let _lock = store.names.read().await;
    if is_folder(&store, &input.bucket, &input.key)? {
        return Ok(S3Response::new(GetObjectOutput {
            content_length: Some(0),
            e_tag: Some(ETag::Strong(EMPTY_ETAG.to_owned())),
            ..GetObjectOutput::default()
        }));
    }
    let (place, current) = find(&store, &input.bucket, &input.key, &conditions)?;
    let range = match input.range {
        None => 0..current.size,
        Some(range) => range.check(current.size)?,
    };
    if input.range.is_some() {
        // s3s-fs fails on a suffix longer than the object.
        input.range = Some(Range::Int { first: range.start, last: Some(range.end - 1) });
    }
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let overrides = (input.response_content_type.take(), input.response_content_disposition.take());
    let mut answer = store.files(&place.folder)?.get_object(request).await?;
    let output = &mut answer.output;
    output.body = Some(read_range(&place, range.start, range.end - range.start).await?);
    output.accept_ranges = Some("bytes".to_owned());
    output.content_type = overrides.0.or(output.content_type.take()).or_else(|| Some(DEFAULT_TYPE.to_owned()));
    output.content_disposition = overrides.1.or(output.content_disposition.take());
    Ok(answer)
}

/// HEAD, under the conditions.
pub(crate) async fn head(
    store: Arc<Store>,
    mut request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = &mut request.input;
    if input.version_id.is_some() || input.part_number.is_some() || input.range.is_some() {
        return Err(s3_error!(NotImplemented, "This store has no versions and no HEAD of a part or a range."));
    }
    let conditions = ReadConditions {
        matches: input.if_match.take(),
        none_match: input.if_none_match.take(),
        modified_since: input.if_modified_since.take(),
        unmodified_since: input.if_unmodified_since.take(),
    };
    let _lock = store.names.read().await;
    if is_folder(&store, &input.bucket, &input.key)? {
        return Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(0),
            e_tag: Some(ETag::Strong(EMPTY_ETAG.to_owned())),
            ..HeadObjectOutput::default()
        }));
    }
    let (place, _) = find(&store, &input.bucket, &input.key, &conditions)?;
    input.bucket = String::new();
    input.key.clone_from(&place.name);
    let mut answer = store.files(&place.folder)?.head_object(request).await?;
    answer.output.accept_ranges = Some("bytes".to_owned());
    answer.output.content_type.get_or_insert_with(|| DEFAULT_TYPE.to_owned());
    Ok(answer)
}

/// Streams part of the file of an object. It is opened now, and a later put does not change an open file.
pub(crate) async fn read_range(place: &Place, start: u64, length: u64) -> S3Result<StreamingBlob> {
    let mut file = File::open(place.object()).await.map_err(S3Error::internal_error)?;
    file.set_max_buf_size(CHUNK);
    file.seek(SeekFrom::Start(start)).await.map_err(S3Error::internal_error)?;
    Ok(blob(stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, StdError>(None);
        }
        let want = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = BytesMut::with_capacity(want);
        let read = (&mut file).take(want as u64).read_buf(&mut buffer).await?;
        if read == 0 {
            return Err("the object is shorter than it was".into());
        }
        Ok(Some((buffer.freeze(), (file, left - read as u64))))
    })))
}
