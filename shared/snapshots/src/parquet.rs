//! Parquet files, a row group at a time.

mod columns;
mod fetch;
mod levels;
mod open;
mod read;

pub(crate) use fetch::Chunks;
pub(crate) use open::{ParquetFile, open};
pub(crate) use read::read;
