//! The bytes of a text file: fetched ahead, unpacked, buffered.

use std::io::{self, Read};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::{Buf, Bytes};

use super::unpack::{failed, unpack};
use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::file::File;
use crate::limits::Limits;
use crate::source::Source;

/// Bytes of one read.
const PART: u64 = 4 << 20;
/// Bytes of decompressed text that are looked at together.
const BUFFER: usize = 256 << 10;
/// Bytes that are read on at least, so that a long record is not looked at for every few of them.
const STEP: usize = 64 << 10;

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

/// Text that has been unpacked and not yet taken.
pub(super) struct Text<'a> {
    key: &'a str,
    limits: Limits,
    reader: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

/// Opens a file and hands its text to `with`. `total` counts what all files of the folder come to.
///
/// # Errors
/// What `with` returns; a form of bytes that is not read.
pub(super) fn open(
    source: &dyn Source,
    file: &File<'_>,
    limits: &Limits,
    total: &AtomicU64,
    with: impl FnOnce(&mut Text<'_>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || fetch_parts(source, file, &sender));
        let reader = unpack(Parts { parts: receiver, current: Bytes::new() }, file, limits, total)?;
        with(&mut Text {
            key: file.key,
            limits: *limits,
            reader,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            ended: false,
        })
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

impl Text<'_> {
    /// What has been read and not yet taken.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing comes after what is unread.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
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
        let limit = self.limits.record_bytes;
        if bytes > limit {
            return Err(SnapshotError::RecordTooLong { object: self.key.into(), line, limit });
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
        if self.end + STEP > self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let before = self.end;
        while !self.ended && self.end < before + STEP {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(bytes) => {
                    self.end += bytes;
                    self.ended = bytes == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.key, Place::Line(line), error)),
            }
        }
        Ok(self.end > before)
    }
}
