//! The bytes of a text file: fetched ahead, decompressed, buffered.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;

use super::RECORD;
use crate::error::{Place, SnapshotError};
use crate::layout::{Compression, File};
use crate::scan::fetch;
use crate::source::Source;

/// Bytes of one read.
const PART: u64 = 4 << 20;
/// Bytes of decompressed text that are looked at together.
const BUFFER: usize = 256 << 10;

/// The parts of an object in order, one of them fetched ahead.
struct Parts {
    parts: Receiver<Result<Bytes, SnapshotError>>,
    current: Bytes,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.parts.recv() {
                Ok(part) => self.current = part.map_err(io::Error::other)?,
                Err(_) => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Text that has been decompressed and not yet taken.
pub(super) struct Text<'a> {
    key: &'a str,
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// Opens a file and hands its text to `with`.
///
/// # Errors
/// What `with` returns.
pub(super) fn open(
    source: &dyn Source,
    file: &File<'_>,
    compression: Compression,
    with: impl FnOnce(&mut Text<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || fetch_parts(source, file, &sender));
        let parts = Parts { parts: receiver, current: Bytes::new() };
        let reader: Box<dyn Read> = match compression {
            Compression::Plain => Box::new(parts),
            Compression::Gzip => Box::new(MultiGzDecoder::new(parts)),
            Compression::Zstd => Box::new(zstd::Decoder::new(parts).map_err(|e| failed(file.key, Place::Object, e))?),
        };
        with(&mut Text { key: file.key, reader, buffer: vec![0; BUFFER], start: 0, end: 0 })
    })
}

/// Fetches until the end, an error, or until nobody takes the parts.
fn fetch_parts(source: &dyn Source, file: &File<'_>, sender: &SyncSender<Result<Bytes, SnapshotError>>) {
    let mut from = 0;
    while from < file.size {
        let to = file.size.min(from + PART);
        let part = fetch(source, file.key, from..to);
        let failed = part.is_err();
        if sender.send(part).is_err() || failed {
            return;
        }
        from = to;
    }
}

fn failed(key: &str, place: Place, error: io::Error) -> SnapshotError {
    error.downcast::<SnapshotError>().unwrap_or_else(|error| {
        let what = if error.kind() == io::ErrorKind::UnexpectedEof { "truncated: " } else { "" };
        SnapshotError::undecodable(key, place, format!("{what}the text cannot be decompressed: {error}"))
    })
}

impl Text<'_> {
    /// What has been read and not yet taken.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes off the front.
    pub(super) fn take(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Whether a record of so many bytes, that begins on `line`, is short enough.
    ///
    /// # Errors
    /// [`SnapshotError::RecordTooLong`].
    pub(super) fn check(&self, bytes: usize, line: u64) -> Result<(), SnapshotError> {
        if bytes > RECORD {
            return Err(SnapshotError::RecordTooLong { object: self.key.into(), line, limit: RECORD });
        }
        Ok(())
    }

    /// Reads on; false at the end. What is unread stays, up to the longest record, that begins on `line`.
    ///
    /// # Errors
    /// A failed read, a stream that cannot be decompressed, a record that is too long.
    pub(super) fn fill(&mut self, line: u64) -> Result<bool, SnapshotError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        self.check(self.end, line)?;
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(bytes > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.key, Place::Line(line), error)),
            }
        }
    }
}
