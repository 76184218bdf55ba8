//! How much one run takes of anything, so that a small file cannot fill the memory or the time of a function.

use std::str::FromStr;

/// Limits on what is read. A file beyond one fails the run with its name and the limit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one record of a text file.
    pub record_bytes: usize,
    /// Fields of one record, and columns of one file.
    pub fields: usize,
    /// Objects and arrays within each other in JSON.
    pub nesting: usize,
    /// Bytes that the files of a folder come to when they are decompressed, all together.
    pub decompressed_bytes: u64,
    /// How many times its own size an object may become when it is decompressed, beyond [`Limits::ratio_from`].
    pub ratio: u64,
    /// Bytes to which any object may be decompressed, whatever its size.
    pub ratio_from: u64,
    /// Bytes of the window of a zstd stream.
    pub window_bytes: u64,
    /// Bytes of Parquet pages that are decompressed at one time: of each column that is read, its largest data page and
    /// its dictionary.
    pub page_bytes: u64,
    /// Values of one column of lists or maps in a row group of Parquet.
    pub nested_values: u64,
    /// Bytes of the footer of a Parquet file, which takes some fifteen times as many in memory.
    pub footer_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 1 << 20,
            fields: 10_000,
            nesting: 64,
            decompressed_bytes: 64 << 30,
            ratio: 200,
            ratio_from: 64 << 20,
            window_bytes: 64 << 20,
            page_bytes: 96 << 20,
            nested_values: 8_000_000,
            footer_bytes: 12 << 20,
        }
    }
}

/// A text that is no list of limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a limit with a whole number of at least 1, such as fields=20000")]
pub struct LimitError(String);

/// The defaults, but for those that a text names: `record_bytes=4194304,fields=20000`.
impl FromStr for Limits {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim) {
            let wrong = || LimitError(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let value: u64 = value.trim().parse().ok().filter(|value| *value > 0).ok_or_else(wrong)?;
            let size = usize::try_from(value).unwrap_or(usize::MAX);
            match name.trim() {
                "record_bytes" => limits.record_bytes = size,
                "fields" => limits.fields = size,
                "nesting" => limits.nesting = size,
                "decompressed_bytes" => limits.decompressed_bytes = value,
                "ratio" => limits.ratio = value,
                "ratio_from" => limits.ratio_from = value,
                "window_bytes" => limits.window_bytes = value,
                "page_bytes" => limits.page_bytes = value,
                "nested_values" => limits.nested_values = value,
                "footer_bytes" => limits.footer_bytes = value,
                _ => return Err(wrong()),
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_their_names() {
        let limits: Limits = "fields=20000, decompressed_bytes = 1".parse().unwrap();
        assert_eq!(limits, Limits { fields: 20_000, decompressed_bytes: 1, ..Limits::default() });
        for wrong in ["", "fields", "fields=", "fields=-1", "fields=0", "fields=1.5", "Fields=1", "fields=1,", "rows=5"]
        {
            assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
        }
        let error = "fields=1,rows=5".parse::<Limits>().unwrap_err();
        assert!(error.to_string().starts_with("\"rows=5\" is not a limit"), "{error}");
    }
}
