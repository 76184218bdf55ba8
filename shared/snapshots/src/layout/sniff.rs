//! Files whose name does not say how they are written: told by their first bytes.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;

use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::file::{Compression, Format};
use crate::source::{Object, Source};

/// Bytes of a file that are looked at.
const HEAD: u64 = 64 << 10;
/// Bytes of the text within, where the file is compressed.
const TEXT: usize = 4 << 10;

/// The format of an object that is not empty.
///
/// # Errors
/// A failed read, and bytes that are neither Parquet nor text.
pub(super) fn format(source: &dyn Source, object: &Object) -> Result<Format, SnapshotError> {
    let head = fetch(source, &object.key, 0..object.size.min(HEAD))?;
    let refuse = |detail: String| SnapshotError::undecodable(&object.key, Place::Object, detail);
    let unpacked = |reader: &mut dyn Read| {
        let mut text = vec![0; TEXT];
        let mut length = 0;
        // What comes after the end of the head, or is broken, is for the reader of the whole file to say.
        while let Ok(more @ 1..) = reader.read(&mut text[length..]) {
            length += more;
        }
        text.truncate(length);
        Bytes::from(text)
    };
    let (compression, text) = match head.as_ref() {
        [b'P', b'A', b'R', b'1', ..] => return Ok(Format::Parquet),
        [0x1f, 0x8b, ..] => (Compression::Gzip, unpacked(&mut MultiGzDecoder::new(head.reader()))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::Decoder::new(head.reader()) {
            Ok(mut decoder) => (Compression::Zstd, unpacked(&mut decoder)),
            Err(error) => return Err(refuse(format!("the text cannot be decompressed: {error}"))),
        },
        [b'O', b'R', b'C', ..] => return Err(refuse("it is an ORC file, which is not read; write Parquet".into())),
        [b'O', b'b', b'j', 1, ..] => return Err(refuse("it is an Avro file, which is not read; write Parquet".into())),
        _ => (Compression::Plain, head.clone()),
    };
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    let is_utf16 = text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF");
    let is_control = |c: &u8| *c < b' ' && !matches!(c, b'\t' | b'\n' | b'\r' | 0x1e);
    if !is_utf16 && text.iter().any(is_control) {
        return Err(refuse("the name has no ending, and the bytes are neither Parquet nor text".into()));
    }
    Ok(match text.trim_ascii_start().iter().find(|c| !matches!(c, 0 | 0x1e | 0xFE | 0xFF)) {
        Some(b'{' | b'[') => Format::Json(compression),
        _ => Format::Csv(compression),
    })
}
