//! How much one run takes of anything, so that a small file cannot fill the memory or the time of a function.

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
        }
    }
}
