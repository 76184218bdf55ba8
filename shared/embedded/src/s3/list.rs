//! Listings, in the order of the keys' bytes.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::place::{check_segment, is_reserved};
use super::store::Store;

/// The most entries of one page.
const PAGE: i32 = 1000;

/// What S3 leaves as it is under `encoding-type=url`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Object(String),
    Group(String),
}

impl Entry {
    fn text(&self) -> &str {
        match self {
            Self::Object(text) | Self::Group(text) => text,
        }
    }
}

#[derive(Debug)]
struct Query {
    prefix: String,
    delimiter: Option<String>,
    after: String,
    limit: usize,
}

#[derive(Debug, Default)]
struct Page {
    objects: Vec<Object>,
    groups: Vec<String>,
    last: Option<String>,
    truncated: bool,
}

/// `ListObjectsV2`. The continuation token is the last key or group of the page before, in Base64.
pub(crate) async fn list_v2(
    store: Arc<Store>,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let token = input.continuation_token.as_deref().map(decode_token).transpose()?;
    let max_keys = max_keys(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: token.or_else(|| input.start_after.clone()).unwrap_or_default(),
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let page = page(&store, &input.bucket, query).await?;
    let encode = Encoder::new(input.encoding_type.as_ref())?;
    let count = page.objects.len() + page.groups.len();
    let output = ListObjectsV2Output {
        name: Some(input.bucket),
        key_count: i32::try_from(count).ok(),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        next_continuation_token: page.last.filter(|_| page.truncated).map(|last| URL_SAFE_NO_PAD.encode(last)),
        contents: encode.objects(page.objects),
        common_prefixes: encode.groups(&page.groups),
        prefix: input.prefix.map(|text| encode.text(&text)),
        delimiter: input.delimiter.map(|text| encode.text(&text)),
        start_after: input.start_after.map(|text| encode.text(&text)),
        encoding_type: input.encoding_type,
        continuation_token: input.continuation_token,
        ..ListObjectsV2Output::default()
    };
    Ok(S3Response::new(output))
}

/// `ListObjects`, the first version, whose marker is a key.
pub(crate) async fn list_v1(
    store: Arc<Store>,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let max_keys = max_keys(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: input.marker.clone().unwrap_or_default(),
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let page = page(&store, &input.bucket, query).await?;
    let encode = Encoder::new(input.encoding_type.as_ref())?;
    let output = ListObjectsOutput {
        name: Some(input.bucket),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        next_marker: page.last.filter(|_| page.truncated).map(|last| encode.text(&last)),
        contents: encode.objects(page.objects),
        common_prefixes: encode.groups(&page.groups),
        prefix: input.prefix.map(|text| encode.text(&text)),
        delimiter: input.delimiter.map(|text| encode.text(&text)),
        marker: input.marker.map(|text| encode.text(&text)),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    };
    Ok(S3Response::new(output))
}

fn max_keys(wanted: Option<i32>) -> S3Result<i32> {
    match wanted.unwrap_or(PAGE) {
        negative if negative < 0 => Err(s3_error!(InvalidArgument, "max-keys must not be negative.")),
        wanted => Ok(wanted.min(PAGE)),
    }
}

fn decode_token(token: &str) -> S3Result<String> {
    let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Encodes keys where the request asks for it.
struct Encoder(bool);

impl Encoder {
    fn new(wanted: Option<&EncodingType>) -> S3Result<Self> {
        match wanted.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    fn text(&self, text: &str) -> String {
        if self.0 { utf8_percent_encode(text, PLAIN).to_string() } else { text.to_owned() }
    }

    fn objects(&self, mut objects: Vec<Object>) -> Option<Vec<Object>> {
        for object in &mut objects {
            object.key = object.key.take().map(|key| self.text(&key));
        }
        (!objects.is_empty()).then_some(objects)
    }

    fn groups(&self, groups: &[String]) -> Option<Vec<CommonPrefix>> {
        let groups: Vec<_> = groups.iter().map(|group| CommonPrefix { prefix: Some(self.text(group)) }).collect();
        (!groups.is_empty()).then_some(groups)
    }
}

async fn page(store: &Arc<Store>, bucket: &str, query: Query) -> S3Result<Page> {
    let _lock = store.names.read().await;
    let root = store.bucket(bucket)?;
    let (store, bucket) = (Arc::clone(store), bucket.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut entries = entries(&root, &query).map_err(S3Error::internal_error)?;
        let truncated = query.limit > 0 && entries.len() > query.limit;
        entries.truncate(query.limit);
        let mut page = Page { last: entries.last().map(|entry| entry.text().to_owned()), truncated, ..Page::default() };
        for entry in entries {
            match entry {
                Entry::Group(group) => page.groups.push(group),
                Entry::Object(key) => page.objects.extend(describe(&store, &bucket, key)?),
            }
        }
        Ok(page)
    })
    .await
    .map_err(S3Error::internal_error)?
}

fn describe(store: &Store, bucket: &str, key: String) -> S3Result<Option<Object>> {
    let current = store.place(bucket, &key)?.current()?;
    Ok(current.map(|current| Object {
        key: Some(key),
        e_tag: Some(current.etag),
        size: i64::try_from(current.size).ok(),
        last_modified: Some(current.modified),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }))
}

/// Everything that the query covers, sorted, without regard to its limit.
fn entries(root: &Path, query: &Query) -> io::Result<Vec<Entry>> {
    // Only the folder that the prefix leads to is walked.
    let base = query.prefix.rsplit_once('/').map_or("", |(folders, _)| folders);
    let mut folder = root.to_owned();
    for segment in base.split('/').filter(|_| !base.is_empty()) {
        if check_segment(segment).is_err() {
            return Ok(Vec::new());
        }
        folder.push(segment);
    }
    if query.prefix.starts_with('/') || !folder.is_dir() {
        return Ok(Vec::new());
    }
    let base = if base.is_empty() { String::new() } else { format!("{base}/") };
    let mut found = Vec::new();
    walk(&folder, &base, query, &mut found)?;
    found.sort_unstable_by(|a, b| a.text().cmp(b.text()));
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, base: &str, query: &Query, found: &mut Vec<Entry>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name();
        let Some(name) = name.to_str().filter(|name| !is_reserved(name)) else { continue };
        if item.file_type()?.is_dir() {
            walk_folder(&item.path(), &format!("{base}{name}/"), query, found)?;
            continue;
        }
        let key = format!("{base}{name}");
        let Some(rest) = key.strip_prefix(&query.prefix) else { continue };
        if key <= query.after {
            continue;
        }
        match query.delimiter.as_deref().and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
            None => found.push(Entry::Object(key)),
            Some(end) => {
                let group = &key[..query.prefix.len() + end];
                if group != query.after {
                    found.push(Entry::Group(group.to_owned()));
                }
            }
        }
    }
    Ok(())
}

/// `base` is the folder's own part of the keys, with a slash at its end.
fn walk_folder(folder: &Path, base: &str, query: &Query, found: &mut Vec<Entry>) -> io::Result<()> {
    let within = base.starts_with(&query.prefix);
    if !within && !query.prefix.starts_with(base) {
        return Ok(());
    }
    let resumes_inside = query.after.starts_with(base);
    if query.after.as_str() > base && !resumes_inside {
        return Ok(());
    }
    let slash = base.strip_prefix(&query.prefix).and_then(|rest| Some(rest.find('/')? + 1 == rest.len()));
    let is_group = slash == Some(true) && query.delimiter.as_deref() == Some("/");
    if is_group && query.after == base {
        return Ok(());
    }
    if is_group && !resumes_inside {
        // One object below makes the group; no need to see the others.
        if holds_object(folder)? {
            found.push(Entry::Group(base.to_owned()));
        }
        return Ok(());
    }
    walk(folder, base, query, found)
}

/// Whether any object lies in the folder or below.
pub(crate) fn holds_object(folder: &Path) -> io::Result<bool> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            if holds_object(&item.path())? {
                return Ok(true);
            }
        } else if item.file_name().to_str().is_some_and(|name| !is_reserved(name)) {
            return Ok(true);
        }
    }
    Ok(false)
}
