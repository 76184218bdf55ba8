//! A request's events as an object: lines of JSON, compressed with zstd.
//!
//! The lines are the service's own: their fields are checked, times are integer microseconds, and the key is a hash.

use std::borrow::Cow;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most that an object may hold when it is decompressed. A body is of at most 5 MB, and a line is little longer than the
/// event that it was made of.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How hard to compress: the fastest level of zstd's ordinary ones.
const LEVEL: i32 = 1;

/// Why an object is none.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// It is not compressed as it should be.
    #[error("it does not decompress: {0}")]
    Compression(#[from] std::io::Error),
    /// It is larger than any request.
    #[error("it holds more than {MOST_BYTES} bytes")]
    TooLarge,
    /// A line is no event.
    #[error("line {line}: {cause}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
}

/// An exposure.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExposureLine<'a> {
    /// The hash of its key, hexadecimal.
    pub key: &'a str,
    /// Who saw it.
    #[serde(borrow)]
    pub anonymous_id: Cow<'a, str>,
    /// When, in microseconds since 1970.
    pub timestamp: i64,
    /// What it is an exposure of.
    pub optimization_id: &'a str,
    /// Factor → level.
    pub variant: &'a RawValue,
    /// Factor → level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<&'a RawValue>,
    /// What serving answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior_version: Option<i64>,
    /// What serving answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    /// What serving answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<bool>,
}

/// A reward.
#[derive(Debug, Serialize, Deserialize)]
pub struct RewardLine<'a> {
    /// The hash of its key, hexadecimal.
    pub key: &'a str,
    /// Who earned it.
    #[serde(borrow)]
    pub anonymous_id: Cow<'a, str>,
    /// When, in microseconds since 1970.
    pub timestamp: i64,
    /// What it is called.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// How much it is.
    pub value: f64,
    /// The optimization that it counts for; all that know the name where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimization_id: Option<&'a str>,
    /// Kept, not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<&'a RawValue>,
}

/// Compresses lines.
///
/// # Errors
/// What the compressor says.
pub fn compress(lines: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(lines, LEVEL)
}

/// Decompresses an object, whose lines are text.
///
/// # Errors
/// [`IncomingError::Compression`], [`IncomingError::TooLarge`], [`IncomingError::Line`] where one is not UTF-8.
pub fn decompress(object: &[u8]) -> Result<String, IncomingError> {
    let mut lines = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(object)?;
    decoder.take(MOST_BYTES as u64 + 1).read_to_end(&mut lines)?;
    if lines.len() > MOST_BYTES {
        return Err(IncomingError::TooLarge);
    }
    String::from_utf8(lines).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        IncomingError::Line { line, cause: "it is not UTF-8".to_owned() }
    })
}

/// A line as an event.
///
/// # Errors
/// [`IncomingError::Line`].
pub fn parse<'a, T: Deserialize<'a>>(line: &'a str, number: usize) -> Result<T, IncomingError> {
    serde_json::from_str(line).map_err(|e| IncomingError::Line { line: number, cause: e.to_string() })
}
