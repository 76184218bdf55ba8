//! The policy as bytes.
//!
//! ```text
//! "FLCP"  1 (version, u8)  coverage (u8)  width of a variant (u8: 1, 2 or 4)  width of a count (u8: 2 or 4)
//! variants (u32)  total (u32)  contexts of the space (u64)  rows (u32)  entries (u32)
//! context of each row (u64; only where observed contexts are covered)
//! entries of each row (u32)
//! variant of each entry, count of each entry
//! ```
//! All numbers are little-endian. Widths are the least that hold variants − 1 and total − 1 or total.

use super::policy::{Coverage, Policy};

const MAGIC: &[u8; 4] = b"FLCP";
const VERSION: u8 = 1;

/// Why bytes are not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDecodeError {
    /// The bytes do not begin as a policy does.
    #[error("not a policy: it does not begin with FLCP")]
    Magic,
    /// A version or a code that is not known.
    #[error("a policy with {what} {value}, which is not known here")]
    Unknown {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u8,
    },
    /// The bytes end too early, or go on too long.
    #[error("a policy of {found} bytes where its header makes it {expected}")]
    Length {
        /// How many bytes there are.
        found: usize,
        /// How many there should be.
        expected: u64,
    },
    /// Numbers that contradict each other.
    #[error("row {row} of the policy: {what}")]
    Row {
        /// The row's place.
        row: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Sizes in the header that contradict each other.
    #[error("a policy with impossible sizes: {what}")]
    Header {
        /// What is wrong.
        what: &'static str,
    },
}

impl Policy {
    /// The policy as bytes; the same policy always gives the same bytes. About 4 bytes for every positive probability.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (variant_width, count_width) = widths(self.variants, self.total);
        let mut bytes = Vec::with_capacity(32 + self.rows() * 12 + self.entries() * 8);
        bytes.extend_from_slice(MAGIC);
        let coverage = match self.coverage {
            Coverage::AnyContext => 0,
            Coverage::EveryContext => 1,
            Coverage::ObservedContexts => 2,
        };
        bytes.extend_from_slice(&[VERSION, coverage, variant_width, count_width]);
        bytes.extend_from_slice(&self.variants.to_le_bytes());
        bytes.extend_from_slice(&self.total.to_le_bytes());
        bytes.extend_from_slice(&self.space_contexts.to_le_bytes());
        bytes.extend_from_slice(&to_u32(self.rows()).to_le_bytes());
        bytes.extend_from_slice(&to_u32(self.entries()).to_le_bytes());
        for context in &self.contexts {
            bytes.extend_from_slice(&context.to_le_bytes());
        }
        for ends in self.starts.windows(2) {
            bytes.extend_from_slice(&(ends[1] - ends[0]).to_le_bytes());
        }
        for (numbers, width) in [(&self.entry_variants, variant_width), (&self.entry_counts, count_width)] {
            for number in numbers {
                bytes.extend_from_slice(&number.to_le_bytes()[..usize::from(width)]);
            }
        }
        bytes
    }

    /// The policy of bytes that [`Policy::to_bytes`] made. Every row is checked: variants ascending and in range, counts
    /// positive and adding up to the total.
    ///
    /// # Errors
    /// [`PolicyDecodeError`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyDecodeError> {
        let Some((header, body)) = bytes.split_first_chunk::<32>() else {
            let begins = bytes.starts_with(&MAGIC[..bytes.len().min(4)]);
            let length = PolicyDecodeError::Length { found: bytes.len(), expected: 32 };
            return Err(if begins { length } else { PolicyDecodeError::Magic });
        };
        if !header.starts_with(MAGIC) {
            return Err(PolicyDecodeError::Magic);
        }
        if header[4] != VERSION {
            return Err(PolicyDecodeError::Unknown { what: "version", value: header[4] });
        }
        let coverage = match header[5] {
            0 => Coverage::AnyContext,
            1 => Coverage::EveryContext,
            2 => Coverage::ObservedContexts,
            value => return Err(PolicyDecodeError::Unknown { what: "coverage", value }),
        };
        let variants = number(&header[8..12]);
        let total = number(&header[12..16]);
        let space_contexts = u64::from(number(&header[16..20])) | u64::from(number(&header[20..24])) << 32;
        let rows = number(&header[24..28]);
        let entries = number(&header[28..32]);
        let (variant_width, count_width) = widths(variants, total);
        if header[6] != variant_width {
            return Err(PolicyDecodeError::Unknown { what: "width of variants", value: header[6] });
        }
        if header[7] != count_width {
            return Err(PolicyDecodeError::Unknown { what: "width of counts", value: header[7] });
        }
        let expected_rows = match coverage {
            Coverage::AnyContext => 1,
            Coverage::EveryContext => space_contexts,
            Coverage::ObservedContexts => u64::from(rows),
        };
        if expected_rows != u64::from(rows) || total == 0 || variants == 0 {
            return Err(PolicyDecodeError::Header { what: "rows, total or variants do not fit the coverage" });
        }
        let context_bytes = if coverage == Coverage::ObservedContexts { 8 } else { 0 };
        let per_entry = u64::from(variant_width + count_width);
        let expected = 32 + u64::from(rows) * (context_bytes + 4) + u64::from(entries) * per_entry;
        if expected != bytes.len() as u64 {
            return Err(PolicyDecodeError::Length { found: bytes.len(), expected });
        }
        // From here every part is known to be there, and every size below the length of the bytes.
        let (rows, entries) = (rows as usize, entries as usize);
        let (contexts, body) = body.split_at(if coverage == Coverage::ObservedContexts { rows * 8 } else { 0 });
        let (lengths, body) = body.split_at(rows * 4);
        let (entry_variants, entry_counts) = body.split_at(entries * usize::from(variant_width));
        let read = |bytes: &[u8], width: u8| bytes.chunks_exact(usize::from(width)).map(number).collect::<Vec<u32>>();
        let mut policy = Self {
            variants,
            space_contexts,
            total,
            coverage,
            contexts: contexts
                .chunks_exact(8)
                .map(|c| u64::from(number(&c[..4])) | u64::from(number(&c[4..])) << 32)
                .collect(),
            starts: vec![0],
            entry_variants: read(entry_variants, variant_width),
            entry_counts: read(entry_counts, count_width),
        };
        let mut end = 0_u32;
        for (row, length) in lengths.chunks_exact(4).map(number).enumerate() {
            end = end.checked_add(length).ok_or(PolicyDecodeError::Row { row, what: "too many entries" })?;
            policy.starts.push(end);
        }
        if end as usize != entries {
            return Err(PolicyDecodeError::Header { what: "the rows' entries do not add up" });
        }
        policy.check()
    }

    pub(super) fn check(self) -> Result<Self, PolicyDecodeError> {
        if self.contexts.windows(2).any(|pair| pair[0] >= pair[1])
            || self.contexts.last().is_some_and(|&c| c >= self.space_contexts)
        {
            return Err(PolicyDecodeError::Header { what: "contexts are not ascending numbers of the space" });
        }
        for row in 0..self.rows() {
            let wrong = |what| PolicyDecodeError::Row { row, what };
            let range = self.starts[row] as usize..self.starts[row + 1] as usize;
            let variants = &self.entry_variants[range.clone()];
            if variants.windows(2).any(|pair| pair[0] >= pair[1])
                || variants.last().is_some_and(|&v| v >= self.variants)
            {
                return Err(wrong("variants are not ascending numbers of the space"));
            }
            let counts = &self.entry_counts[range];
            if counts.contains(&0) || counts.iter().map(|&n| u64::from(n)).sum::<u64>() != u64::from(self.total) {
                return Err(wrong("counts are not positive numbers that add up to the total"));
            }
        }
        Ok(self)
    }
}

/// Bytes of a variant number and of a count.
fn widths(variants: u32, total: u32) -> (u8, u8) {
    let variant = match variants {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    };
    (variant, if total <= 0xffff { 2 } else { 4 })
}

/// Up to four little-endian bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b))
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
