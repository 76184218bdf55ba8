//! What a file is, told by its first bytes.

/// A form of bytes that is not plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    Gzip,
    Zstd,
    /// Text in two bytes a unit; whether the low byte comes first.
    Utf16 {
        little: bool,
    },
    Parquet,
    /// Something that is not read, by its name.
    Other(&'static str),
}

/// First bytes, and whose they are.
const OTHERS: [(&[u8], &str); 20] = [
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"PK\x03\x04", "a zip archive (or an Excel workbook)"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"\x04\x22\x4D\x18", "lz4"),
    (b"\xFF\x06\0\0sNaPpY", "snappy"),
    (b"\x82SNAPPY\0", "snappy"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "Feather"),
    (b"\xFF\xFE\0\0", "UTF-32"),
    (b"\0\0\xFE\xFF", "UTF-32"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89HDF", "HDF5"),
    (b"%PDF", "a PDF"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"<", "XML or HTML"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook"),
];

/// Bytes that are enough for [`magic`].
pub(crate) const HEAD: usize = 264;

/// What the first bytes of a file say that it is; `None` for plain text.
pub(crate) fn magic(head: &[u8]) -> Option<Magic> {
    if let Some((_, name)) = OTHERS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(Magic::Other(name));
    }
    match head {
        [0x1F, 0x8B, ..] => Some(Magic::Gzip),
        // A frame, or one to be skipped before it.
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Magic::Zstd),
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Magic::Parquet),
        [0xFF, 0xFE, ..] => Some(Magic::Utf16 { little: true }),
        [0xFE, 0xFF, ..] => Some(Magic::Utf16 { little: false }),
        // Without the mark, two letters of a header or an object tell as much.
        [first, 0, second, 0, ..] if first.is_ascii_graphic() && second.is_ascii() => {
            Some(Magic::Utf16 { little: true })
        }
        [0, first, 0, second, ..] if first.is_ascii_graphic() && second.is_ascii() => {
            Some(Magic::Utf16 { little: false })
        }
        _ if head.get(257..262) == Some(b"ustar") => Some(Magic::Other("a tar archive")),
        _ => None,
    }
}

impl Magic {
    /// The name of the form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Utf16 { .. } => "UTF-16",
            Self::Parquet => "Parquet",
            Self::Other(name) => name,
        }
    }
}

/// Whether plain text begins as JSON does.
pub(crate) fn is_json(head: &[u8]) -> bool {
    let mut text = head;
    loop {
        let shorter = text.strip_prefix(b"\xEF\xBB\xBF").or_else(|| text.strip_prefix(b"\x1E")).unwrap_or(text);
        let shorter = shorter.trim_ascii_start();
        if shorter.len() == text.len() {
            return matches!(text, [b'{' | b'[', ..]);
        }
        text = shorter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        for (head, name) in [
            (&b"\x1F\x8B\x08\0"[..], Some("gzip")),
            (b"\x28\xB5\x2F\xFD", Some("zstd")),
            (b"\x5A\x2A\x4D\x18", Some("zstd")),
            (b"PAR1\x15", Some("Parquet")),
            (b"\xFF\xFEa\0", Some("UTF-16")),
            (b"\xFE\xFF\0a", Some("UTF-16")),
            (b"\xFF\xFE\0\0a\0\0\0", Some("UTF-32")),
            (b"a\0n\0", Some("UTF-16")),
            (b"\0{\0\"", Some("UTF-16")),
            (b"BZh91AY", Some("bzip2")),
            (b"PK\x03\x04", Some("a zip archive (or an Excel workbook)")),
            (b"<!DOCTYPE html>", Some("XML or HTML")),
            (b"anonymous_id,timestamp", None),
            (b"{\"a\":1}", None),
            (b"\xEF\xBB\xBF{}", None),
            (b"a", None),
            (b"", None),
        ] {
            assert_eq!(magic(head).map(Magic::name), name, "{head:?}");
        }
    }

    #[test]
    fn json_or_not() {
        for (head, json) in [
            (&b"{\"a\":1}"[..], true),
            (b"\xEF\xBB\xBF \n[", true),
            (b"\x1E{", true),
            (b"anonymous_id", false),
            (b"", false),
            (b"\"a\",\"b\"", false),
        ] {
            assert_eq!(is_json(head), json, "{head:?}");
        }
    }
}
