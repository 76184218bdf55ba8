//! Where an object lies on disk, and which keys a folder of files can hold.
//!
//! s3s-fs puts the side files of all objects into one folder, named after the whole key, which fails on keys of more than about
//! 160 bytes. Here each folder of the key has an s3s-fs of its own with an empty bucket name, so that a side file is named
//! after the last segment of the key alone.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::crypto::{Checksum, Md5};
use s3s::dto::{ETag, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

/// The longest file name of the common file systems, in bytes.
const NAME_MAX: usize = 255;

/// Beginnings of file names that s3s-fs uses for itself.
const RESERVED: [&str; 4] = [".bucket-", ".upload-", ".upload_id-", ".tmp."];

/// A key split into the folder it lies in and its last segment.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// The folder of the bucket.
    root: PathBuf,
    /// The folder of the object, which is the root of its s3s-fs.
    pub(crate) folder: PathBuf,
    /// The last segment of the key, which is the key within that s3s-fs.
    pub(crate) name: String,
}

/// What is known of an object that exists.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) etag: ETag,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
}

/// Whether a file name is one of s3s-fs's own.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| name.starts_with(prefix))
}

/// Refuses a segment that cannot be the name of a file or folder, or that leads elsewhere.
pub(crate) fn check_segment(segment: &str) -> S3Result<()> {
    if segment.is_empty() || segment == "." || segment == ".." {
        return Err(s3_error!(NotImplemented, "This store cannot hold a key with an empty, \".\" or \"..\" segment."));
    }
    if segment.contains(['\0', std::path::MAIN_SEPARATOR]) {
        return Err(s3_error!(NotImplemented, "This store cannot hold a key with a zero byte or a path separator."));
    }
    if is_reserved(segment) {
        return Err(s3_error!(NotImplemented, "This store keeps names that begin with {RESERVED:?} for itself."));
    }
    if segment.len() > NAME_MAX {
        return Err(too_long(segment, NAME_MAX));
    }
    Ok(())
}

fn too_long(segment: &str, limit: usize) -> S3Error {
    s3_error!(
        KeyTooLongError,
        "A segment of the key has {} bytes; this store holds at most {limit} here.",
        segment.len()
    )
}

impl Place {
    /// Splits a key, or refuses it. `root` is the folder of the bucket.
    pub(crate) fn new(root: PathBuf, bucket: &str, key: &str) -> S3Result<Self> {
        if key.len() > 1024 {
            return Err(s3_error!(KeyTooLongError));
        }
        let (folders, name) = key.rsplit_once('/').map_or((None, key), |(folders, name)| (Some(folders), name));
        let mut folder = root.clone();
        for segment in folders.into_iter().flat_map(|folders| folders.split('/')) {
            check_segment(segment)?;
            folder.push(segment);
        }
        check_segment(name)?;
        let place = Self { bucket: bucket.to_owned(), key: key.to_owned(), root, folder, name: name.to_owned() };
        place.check_side_file(&place.metadata())?;
        Ok(place)
    }

    /// Refuses a key whose side files during a multipart upload would have names that are too long.
    pub(crate) fn check_upload(&self) -> S3Result<()> {
        self.check_side_file(&self.upload_metadata("00000000-0000-0000-0000-000000000000"))
    }

    fn check_side_file(&self, path: &Path) -> S3Result<()> {
        let excess = path.file_name().map_or(0, |name| name.len().saturating_sub(NAME_MAX));
        if excess == 0 {
            return Ok(());
        }
        // Base64 makes four bytes of three.
        let room = (URL_SAFE_NO_PAD.encode(&self.name).len() - excess) * 3 / 4;
        Err(too_long(&self.name, room))
    }

    /// The file of the object.
    pub(crate) fn object(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn side_file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!(".bucket-.object-{}{ending}", URL_SAFE_NO_PAD.encode(&self.name)))
    }

    /// The file with the `ETag` and the checksums.
    pub(crate) fn info(&self) -> PathBuf {
        self.side_file(".internal.json")
    }

    /// The file with the content type and the client's own metadata.
    pub(crate) fn metadata(&self) -> PathBuf {
        self.side_file(".metadata.json")
    }

    /// The metadata that an upload under way will give the object.
    pub(crate) fn upload_metadata(&self, upload: &str) -> PathBuf {
        self.side_file(&format!(".upload-{upload}.metadata.json"))
    }

    /// A part of an upload under way.
    pub(crate) fn part(&self, upload: &str, number: i32) -> PathBuf {
        self.folder.join(format!(".upload_id-{upload}.part-{number}"))
    }

    /// Refuses a key that lies below another key or that has others below it.
    pub(crate) fn check_free(&self) -> S3Result<()> {
        if self.object().is_dir() {
            return Err(s3_error!(
                NotImplemented,
                "This store cannot hold the key beside keys that begin with it and a slash."
            ));
        }
        self.check_above()
    }

    /// Refuses a key that lies below another key.
    pub(crate) fn check_above(&self) -> S3Result<()> {
        let mut folder = self.folder.as_path();
        while folder != self.root {
            if folder.is_file() {
                return Err(s3_error!(NotImplemented, "This store cannot hold a key below another key."));
            }
            let Some(parent) = folder.parent() else { break };
            folder = parent;
        }
        Ok(())
    }

    /// Makes the folder of the object.
    pub(crate) fn make_folder(&self) -> S3Result<()> {
        fs::create_dir_all(&self.folder).map_err(S3Error::internal_error)
    }

    /// Removes the folders of the object as far as they are empty.
    pub(crate) fn prune(&self) {
        let mut folder = self.folder.as_path();
        while folder != self.root && fs::remove_dir(folder).is_ok() {
            let Some(parent) = folder.parent() else { break };
            folder = parent;
        }
    }

    /// The object as it is now, or none.
    pub(crate) fn current(&self) -> S3Result<Option<Current>> {
        let path = self.object();
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Ok(None),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(S3Error::internal_error(error)),
        };
        let modified = metadata.modified().map_err(S3Error::internal_error)?;
        Ok(Some(Current {
            etag: ETag::Strong(self.etag(&path)?),
            size: metadata.len(),
            modified: Timestamp::from(modified),
        }))
    }

    /// The stored `ETag`, or the MD5 of the object where a process was killed before it was stored.
    fn etag(&self, object: &Path) -> S3Result<String> {
        if let Ok(bytes) = fs::read(self.info())
            && let Ok(info) = serde_json::from_slice::<serde_json::Value>(&bytes)
            && let Some(etag) = info.get("e_tag").and_then(serde_json::Value::as_str)
        {
            return Ok(etag.to_owned());
        }
        md5_of(object).map_err(S3Error::internal_error)
    }
}

fn md5_of(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> S3Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(S3Error::internal_error(error)),
        _ => Ok(()),
    }
}
