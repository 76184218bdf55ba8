//! Headers of pages, as far as they say what a page comes to.

/// What the header of a page says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) uncompressed: i64,
    pub(super) compressed: i64,
    pub(super) is_dictionary: bool,
    pub(super) values: i64,
    pub(super) encoding: i64,
    /// Bytes of levels before the values, which are not compressed.
    pub(super) levels: i64,
    /// The values are not compressed either.
    pub(super) is_stored: bool,
    /// Its own length.
    pub(super) length: usize,
    /// Where among the bytes of the column its page begins.
    pub(super) page: usize,
}

/// Reads a page header, a struct of Thrift's compact protocol.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let mut input = Input { rest: bytes };
    let mut header = Header::default();
    let (mut has_uncompressed, mut has_compressed) = (false, false);
    let mut id = 0;
    while let kind @ 1.. = input.field(&mut id)? {
        match (id, kind) {
            (1, 5) => {
                input.integer()?;
            }
            (2, 5) => {
                header.uncompressed = input.integer()?;
                has_uncompressed = true;
            }
            (3, 5) => {
                header.compressed = input.integer()?;
                has_compressed = true;
            }
            // A data page of either version: values and encoding are their first and their second or fourth field.
            (5, 12) => input.page(&mut header, 2)?,
            (8, 12) => input.page(&mut header, 4)?,
            (7, 12) => {
                header.is_dictionary = true;
                input.skip(12, 0)?;
            }
            _ => input.skip(kind, 0)?,
        }
    }
    header.length = bytes.len() - input.rest.len();
    (has_uncompressed && has_compressed).then_some(header)
}

/// Thrift's compact protocol, as far as it takes to find the end of a struct.
struct Input<'b> {
    rest: &'b [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// An integer whose sign is its last bit.
    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        let half = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 1 { -half - 1 } else { half })
    }

    /// The type of the next field, whose number goes to `id`; 0 at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let byte = self.byte()?;
        let kind = byte & 0x0F;
        if kind == 0 {
            return Some(0);
        }
        *id = match byte >> 4 {
            0 => self.integer()?,
            delta => id.checked_add(i64::from(delta))?,
        };
        Some(kind)
    }

    fn page(&mut self, header: &mut Header, encoding: i64) -> Option<()> {
        let mut id = 0;
        while let kind @ 1.. = self.field(&mut id)? {
            match (id, kind) {
                (1, 5) => header.values = self.integer()?,
                (id, 5) if id == encoding => header.encoding = self.integer()?,
                // Of the second version alone: the lengths of both kinds of levels, and whether the values are compressed.
                (5 | 6, 5) => header.levels = header.levels.saturating_add(self.integer()?.max(0)),
                (7, 2) => header.is_stored = true,
                _ => self.skip(kind, 1)?,
            }
        }
        Some(())
    }

    /// Passes over a value of a type.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > 8 {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => {
                self.byte()?;
            }
            4..=6 => {
                self.varint()?;
            }
            7 => self.rest = self.rest.get(8..)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.rest = self.rest.get(length..)?;
            }
            12 => {
                let mut id = 0;
                while let kind @ 1.. = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            // No page header has lists, sets or maps.
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers() {
        // Data page: 1: type 0, 2: 300, 3: 7, 5: {1: 10, 2: 0, 3: 3, 4: 3, 5: {1: "x"}}, end.
        let page = [
            0x15, 0, 0x15, 0xD8, 0x04, 0x15, 0x0E, 0x2C, 0x15, 0x14, 0x15, 0, 0x15, 6, 0x15, 6, 0x1C, 0x18, 1, b'x', 0,
            0, 0,
        ];
        let data = Header { uncompressed: 300, compressed: 7, values: 10, length: page.len(), ..Header::default() };
        assert_eq!(header(&page), Some(data));
        // Dictionary page: 7: {1: 4, 2: 0}.
        let page = [0x15, 4, 0x15, 0x50, 0x15, 0x14, 0x4C, 0x15, 8, 0x15, 0, 0, 0];
        let dictionary =
            Header { uncompressed: 40, compressed: 10, is_dictionary: true, length: page.len(), ..Header::default() };
        assert_eq!(header(&page), Some(dictionary));
        for short in 0..page.len() {
            assert_eq!(header(&page[..short]), None);
        }
        assert_eq!(header(&[0]), None);
        assert_eq!(header(&[0x15, 4, 0x19, 0xF5]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(header) = header(&bytes) {
                prop_assert!(header.length <= bytes.len());
            }
        }
    }
}
