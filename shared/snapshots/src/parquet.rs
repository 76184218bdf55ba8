//! Parquet files, a row group at a time.

mod columns;
mod fetch;
mod in_path;
mod levels;
mod mapped;
mod open;
mod pages;
mod read;
mod variant;

pub(crate) use fetch::Chunks;
pub(crate) use open::{ParquetFile, decoding, open};
pub(crate) use read::read;
