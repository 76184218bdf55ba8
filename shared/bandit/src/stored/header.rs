//! The safetensors header: eight bytes of length, then JSON.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::StoredError;

/// The longest header that is read: many times what 2,000 columns need.
const LONGEST: u64 = 16 << 20;

/// Types of numbers that are written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Number {
    /// Doubles.
    F64,
    /// Single precision.
    F32,
    /// Bytes.
    U8,
}

impl Number {
    /// Bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::U8 => 1,
        }
    }
}

/// A tensor's entry in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) dtype: Number,
    pub(super) shape: Vec<u64>,
    pub(super) data_offsets: (u64, u64),
}

impl Entry {
    /// The entry of a tensor that begins at `place`, which is moved to its end.
    pub(super) fn at(place: &mut usize, dtype: Number, shape: &[usize]) -> Self {
        let start = *place as u64;
        *place += shape.iter().product::<usize>() * dtype.size();
        Self { dtype, shape: shape.iter().map(|&n| n as u64).collect(), data_offsets: (start, *place as u64) }
    }
}

/// The header of an object: its metadata, and where its tensors are, so that one tensor can be read by its range alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    metadata: BTreeMap<String, String>,
    entries: BTreeMap<String, Entry>,
    data: u64,
    end: u64,
}

impl Header {
    /// The number of bytes from the object's start to the end of its header. `prefix`: its first bytes, at least 8.
    ///
    /// # Errors
    /// [`StoredError::Short`] and [`StoredError::HeaderTooLarge`].
    pub fn length(prefix: &[u8]) -> Result<u64, StoredError> {
        let Some((length, _)) = prefix.split_first_chunk::<8>() else {
            return Err(StoredError::Short { needed: 8, found: prefix.len() });
        };
        let length = u64::from_le_bytes(*length);
        if length > LONGEST {
            return Err(StoredError::HeaderTooLarge { length });
        }
        Ok(length + 8)
    }

    /// Reads the header. `prefix`: the object's first bytes, at least [`Header::length`] of them; the rest is not looked
    /// at. Tensors must lie side by side without gap, each as large as its shape and type demand.
    ///
    /// # Errors
    /// [`StoredError`] for anything that is no such header.
    pub fn parse(prefix: &[u8]) -> Result<Self, StoredError> {
        let data = Self::length(prefix)?;
        let short = || StoredError::Short { needed: data, found: prefix.len() };
        let end = usize::try_from(data).map_err(|_| short())?;
        let json = prefix.get(8..end).ok_or_else(short)?;
        let mut fields: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(json).map_err(StoredError::Header)?;
        let metadata = fields.remove("__metadata__").map_or(Ok(BTreeMap::new()), serde_json::from_value);
        let metadata = metadata.map_err(StoredError::Header)?;
        let mut entries = BTreeMap::new();
        for (name, value) in fields {
            let entry: Entry = serde_json::from_value(value).map_err(StoredError::Header)?;
            entries.insert(name, entry);
        }
        let mut in_place: Vec<(&String, &Entry)> = entries.iter().collect();
        in_place.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut next = 0;
        for (name, entry) in in_place {
            let wrong = |what| StoredError::Tensor { name: name.clone(), what };
            let size = entry.shape.iter().try_fold(entry.dtype.size() as u64, |size, &n| size.checked_mul(n));
            if entry.data_offsets.0 != next {
                return Err(wrong("it does not begin where the one before ends"));
            }
            if size.is_none() || entry.data_offsets.1.checked_sub(next) != size {
                return Err(wrong("its shape does not fill its range"));
            }
            next = entry.data_offsets.1;
        }
        let end = data.checked_add(next).ok_or(StoredError::HeaderTooLarge { length: data })?;
        Ok(Self { metadata, entries, data, end })
    }

    /// The metadata, the reserved keys included.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The number of bytes of the whole object.
    #[must_use]
    pub fn object_length(&self) -> u64 {
        self.end
    }

    /// Where in the object the bytes of a tensor are.
    ///
    /// # Errors
    /// [`StoredError::MissingTensor`].
    pub fn range(&self, name: &str) -> Result<Range<u64>, StoredError> {
        let entry = self.entries.get(name).ok_or_else(|| StoredError::MissingTensor { name: name.to_owned() })?;
        Ok(self.data + entry.data_offsets.0..self.data + entry.data_offsets.1)
    }

    /// The bytes of a tensor of the given type in a whole object; `None` where there is no such tensor.
    pub(super) fn bytes<'a>(
        &self,
        object: &'a [u8],
        name: &str,
        dtype: Number,
    ) -> Result<Option<&'a [u8]>, StoredError> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let wrong = |what| StoredError::Tensor { name: name.to_owned(), what };
        if entry.dtype != dtype {
            return Err(wrong("it has another type of numbers"));
        }
        let range = self.range(name)?;
        let place = |at: u64| usize::try_from(at).map_err(|_| wrong("it is too large"));
        object.get(place(range.start)?..place(range.end)?).map(Some).ok_or_else(|| wrong("the object ends before it"))
    }

    pub(super) fn write(
        metadata: &BTreeMap<String, String>,
        entries: &[(&'static str, Entry)],
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::from(&b"{\"__metadata__\":"[..]);
        serde_json::to_writer(&mut json, metadata)?;
        for (name, entry) in entries {
            json.extend_from_slice(b",\"");
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            serde_json::to_writer(&mut json, entry)?;
        }
        json.push(b'}');
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut json);
        Ok(bytes)
    }
}
