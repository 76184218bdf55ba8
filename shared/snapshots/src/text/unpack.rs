//! From the bytes of a text file to its text: decompressed and in UTF-8, whatever the ending of the name says.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::magic::{HEAD, Magic, magic};
use crate::error::{Place, SnapshotError};
use crate::file::File;
use crate::limits::Limits;

/// Compressions within each other that are taken off.
const LAYERS: usize = 3;

/// Takes off what a file is packed in.
///
/// # Errors
/// A form that is not read, a stream that cannot be begun.
pub(super) fn unpack<'a>(
    raw: impl Read + 'a,
    file: &File<'a>,
    limits: &Limits,
    total: &'a AtomicU64,
) -> Result<Box<dyn Read + 'a>, SnapshotError> {
    let mut bytes: Box<dyn Read + 'a> = Box::new(raw);
    for layer in 0..=LAYERS {
        let head = peek(&mut bytes).map_err(|error| failed(file.key, Place::Object, error))?;
        let form = magic(&head);
        let whole = Cursor::new(head).chain(bytes);
        let meter = Meter { key: file.key.into(), size: file.size, limits: *limits, total, taken: 0 };
        bytes = match form {
            None => return Ok(Box::new(Metered { inner: whole, meter })),
            Some(Magic::Utf16 { little }) => return Ok(Box::new(Metered { inner: Utf16::new(whole, little), meter })),
            Some(Magic::Gzip) if layer < LAYERS => Box::new(Metered { inner: Members::new(whole), meter }),
            Some(Magic::Zstd) if layer < LAYERS => {
                let mut inner = zstd::Decoder::new(whole).map_err(|e| failed(file.key, Place::Object, e))?;
                let window = limits.window_bytes.max(1 << 10).ilog2();
                inner.window_log_max(window).map_err(|e| failed(file.key, Place::Object, e))?;
                Box::new(Metered { inner, meter })
            }
            Some(form) => {
                let detail = format!("it is {}, which is not read under this name", form.name());
                return Err(SnapshotError::undecodable(file.key, Place::Object, detail));
            }
        };
    }
    Ok(bytes)
}

/// The first bytes of a stream.
fn peek(bytes: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    bytes.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The error of a stream.
pub(super) fn failed(key: &str, place: Place, error: io::Error) -> SnapshotError {
    error.downcast::<SnapshotError>().unwrap_or_else(|error| {
        let what = if error.kind() == io::ErrorKind::UnexpectedEof { "truncated: " } else { "" };
        let why = if error.to_string().contains("too much memory") {
            "its window is larger than 64 MiB; compress it without --long or --ultra".to_owned()
        } else {
            error.to_string()
        };
        SnapshotError::undecodable(key, place, format!("{what}the text cannot be decompressed: {why}"))
    })
}

/// Counts what one object and what the folder comes to.
struct Meter<'a> {
    key: String,
    size: u64,
    limits: Limits,
    total: &'a AtomicU64,
    taken: u64,
}

impl Meter<'_> {
    fn count(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        self.taken += bytes as u64;
        let all = self.total.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let beyond = |what, name, limit| {
            Err(SnapshotError::Limit { object: self.key.clone(), place: Place::Object, what, name, limit })
        };
        let Limits { ratio, ratio_from, decompressed_bytes, .. } = self.limits;
        if self.taken > ratio_from.max(self.size.saturating_mul(ratio)) {
            let what = format!("{} bytes decompress to {ratio_from} and to more than {ratio} times as many", self.size);
            return beyond(what, "ratio", ratio);
        }
        if all > decompressed_bytes {
            return beyond(
                format!("{all} bytes decompressed in this folder"),
                "decompressed_bytes",
                decompressed_bytes,
            );
        }
        Ok(())
    }
}

/// A stream whose bytes are counted.
struct Metered<'a, R> {
    inner: R,
    meter: Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.meter.count(bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }
}

/// The members of a gzip stream, and zeros behind them that some writers fill blocks with.
struct Members<R: Read> {
    /// `None` at the end.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn new(bytes: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(64 << 10, bytes))) }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let bytes = member.read(buffer)?;
            if bytes > 0 || buffer.is_empty() {
                return Ok(bytes);
            }
            let Some(member) = self.member.take() else { break };
            let mut rest = member.into_inner();
            self.member = match after_zeros(&mut rest)? {
                None => None,
                Some(0x1F) => Some(GzDecoder::new(rest)),
                Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes follow that are no gzip")),
            };
        }
        Ok(0)
    }
}

/// The first byte that is not zero, left where it is.
fn after_zeros(bytes: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = bytes.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let zeros = buffer.iter().take_while(|c| **c == 0).count();
        let next = buffer.get(zeros).copied();
        bytes.consume(zeros);
        if next.is_some() {
            return Ok(next);
        }
    }
}

/// UTF-16 as UTF-8. What is no character becomes U+FFFD.
struct Utf16<R> {
    inner: R,
    little: bool,
    /// The first half of a pair.
    high: Option<u16>,
    /// Text that has not been taken, from `start` on.
    text: Vec<u8>,
    start: usize,
    done: bool,
}

impl<R: Read> Utf16<R> {
    fn new(inner: R, little: bool) -> Self {
        Self { inner, little, high: None, text: Vec::new(), start: 0, done: false }
    }

    fn push(&mut self, unit: u16) {
        let mut units = [0; 2];
        let units = match self.high.take() {
            Some(high) => {
                units = [high, unit];
                &units[..]
            }
            None if (0xD800..0xDC00).contains(&unit) => {
                self.high = Some(unit);
                return;
            }
            None => {
                units[0] = unit;
                &units[..1]
            }
        };
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.start = 0;
        let mut bytes = Vec::with_capacity(16 << 10);
        self.inner.by_ref().take(16 << 10).read_to_end(&mut bytes)?;
        self.done = bytes.len() < 16 << 10;
        for pair in bytes.chunks(2) {
            match (pair, self.little) {
                (&[a, b], true) => self.push(u16::from_le_bytes([a, b])),
                (&[a, b], false) => self.push(u16::from_be_bytes([a, b])),
                _ => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half a unit of UTF-16 at the end")),
            }
        }
        if self.done && self.high.take().is_some() {
            self.text.extend_from_slice("\u{FFFD}".as_bytes());
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.text.len() && !self.done {
            self.fill()?;
        }
        let bytes = buffer.len().min(self.text.len() - self.start);
        buffer[..bytes].copy_from_slice(&self.text[self.start..self.start + bytes]);
        self.start += bytes;
        Ok(bytes)
    }
}
