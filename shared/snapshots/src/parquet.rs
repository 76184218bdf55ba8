//! Parquet files, a row group at a time.

mod columns;
mod fetch;
mod header;
mod honest;
mod in_path;
mod levels;
mod mapped;
mod open;
mod pages;
mod read;
mod variant;

pub(crate) use fetch::Chunks;
pub(crate) use open::{ParquetFile, decoding, open};
pub(crate) use pages::{Group, check};
pub(crate) use read::read;
