//! Copies, as a read and a put, so that a copy appears whole and tells its own `ETag`.

use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, GetObjectInput, MetadataDirective,
    PutObjectInput, Range, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::conditions::{ReadConditions, Verdict, failed};
use super::place::{Current, Place};
use super::store::Store;
use super::{multipart, read, write};

async fn source(store: &Store, source: &CopySource, conditions: &ReadConditions) -> S3Result<(Place, Current)> {
    let CopySource::Bucket { bucket, key, version_id: None } = source else {
        return Err(s3_error!(NotImplemented, "This store copies from a bucket and key alone."));
    };
    let _lock = store.names.read().await;
    let place = store.place(bucket, key)?;
    let current = place.current()?.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?;
    // A copy answers 412 where a read answers 304.
    if conditions.verdict(&current) == Verdict::Go { Ok((place, current)) } else { Err(failed()) }
}

/// A request with another input and the same sender.
fn with<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        // The headers describe the body of another request.
        headers: hyper::HeaderMap::new(),
        extensions: hyper::http::Extensions::new(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
}

/// Copies an object.
pub(crate) async fn copy(
    store: Arc<Store>,
    mut request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let conditions = ReadConditions {
        matches: request.input.copy_source_if_match.take(),
        none_match: request.input.copy_source_if_none_match.take(),
        modified_since: request.input.copy_source_if_modified_since.take(),
        unmodified_since: request.input.copy_source_if_unmodified_since.take(),
    };
    let input = &request.input;
    let (from, _) = source(&store, &input.copy_source, &conditions).await?;
    let replace = input.metadata_directive.as_ref().map(MetadataDirective::as_str) == Some(MetadataDirective::REPLACE);
    if !replace && from.bucket == input.bucket && from.key == input.key {
        return Err(s3_error!(InvalidRequest, "A copy of an object to itself must change its metadata."));
    }
    if input.tagging.is_some() {
        return Err(s3_error!(NotImplemented, "This store has no tags."));
    }
    let get = GetObjectInput { bucket: from.bucket.clone(), key: from.key.clone(), ..GetObjectInput::default() };
    let original = read::get(Arc::clone(&store), with(&request, get)).await?.output;
    let mut put = PutObjectInput {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        body: original.body,
        content_length: original.content_length,
        ..PutObjectInput::default()
    };
    if replace {
        put.metadata.clone_from(&input.metadata);
        put.content_type.clone_from(&input.content_type);
        put.content_encoding.clone_from(&input.content_encoding);
        put.content_disposition.clone_from(&input.content_disposition);
        put.content_language.clone_from(&input.content_language);
        put.cache_control.clone_from(&input.cache_control);
        put.expires.clone_from(&input.expires);
    } else {
        put.metadata = original.metadata;
        put.content_type = original.content_type;
        put.content_encoding = original.content_encoding;
        put.content_disposition = original.content_disposition;
        put.content_language = original.content_language;
        put.cache_control = original.cache_control;
        put.expires = original.expires;
    }
    let answer = write::put(Arc::clone(&store), with(&request, put)).await?;
    let now = store.place(&input.bucket, &input.key)?.current()?;
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            e_tag: answer.output.e_tag,
            last_modified: now.map(|now| now.modified),
            ..CopyObjectResult::default()
        }),
        ..CopyObjectOutput::default()
    }))
}

/// Copies an object, or a range of it, into a part of an upload.
pub(crate) async fn copy_part(
    store: Arc<Store>,
    mut request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let conditions = ReadConditions {
        matches: request.input.copy_source_if_match.take(),
        none_match: request.input.copy_source_if_none_match.take(),
        modified_since: request.input.copy_source_if_modified_since.take(),
        unmodified_since: request.input.copy_source_if_unmodified_since.take(),
    };
    let input = &request.input;
    let (from, current) = source(&store, &input.copy_source, &conditions).await?;
    let body = part_of(&from, &current, input.copy_source_range.as_deref()).await?;
    let part = UploadPartInput {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        upload_id: input.upload_id.clone(),
        part_number: input.part_number,
        body: Some(body),
        ..UploadPartInput::default()
    };
    let answer = multipart::upload_part(store, with(&request, part)).await?;
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: answer.output.e_tag,
            last_modified: Some(current.modified),
            ..CopyPartResult::default()
        }),
        ..UploadPartCopyOutput::default()
    }))
}

async fn part_of(from: &Place, current: &Current, range: Option<&str>) -> S3Result<StreamingBlob> {
    let range = match range {
        None => 0..current.size,
        Some(text) => match Range::parse(text) {
            Ok(range @ Range::Int { last: Some(last), .. }) if last < current.size => range.check(current.size)?,
            _ => return Err(s3_error!(InvalidArgument, "The range to copy is not within the object.")),
        },
    };
    read::read_range(from, range.start, range.end - range.start).await
}
