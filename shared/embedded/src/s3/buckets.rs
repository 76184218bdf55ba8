//! Buckets.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::list::holds_object;
use super::store::Store;

/// Makes a bucket.
pub(crate) async fn create(
    store: Arc<Store>,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let _lock = store.names.write().await;
    if store.bucket(&request.input.bucket).is_ok() {
        return Err(s3_error!(BucketAlreadyOwnedByYou, "The bucket is there already, and it is yours."));
    }
    store.files(store.root())?.create_bucket(request).await
}

/// Removes a bucket that holds no object.
pub(crate) async fn delete(
    store: Arc<Store>,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let _lock = store.names.write().await;
    let folder = store.bucket(&request.input.bucket)?;
    if holds_object(&folder).map_err(S3Error::internal_error)? {
        return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty."));
    }
    remove_tree(&folder)?;
    Ok(S3Response::new(DeleteBucketOutput {}))
}

fn remove_tree(folder: &Path) -> S3Result<()> {
    fs::remove_dir_all(folder).map_err(S3Error::internal_error)
}

/// Lists the buckets by name.
pub(crate) async fn list(
    store: Arc<Store>,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let mut answer = store.files(store.root())?.list_buckets(request).await?;
    if let Some(buckets) = &mut answer.output.buckets {
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(answer)
}
