//! Parquet files, a row group at a time.

mod columns;
mod fetch;
mod levels;
mod open;
mod pages;
mod read;
mod variant;

pub(crate) use fetch::Chunks;
pub(crate) use open::{ParquetFile, open};
pub(crate) use read::read;
