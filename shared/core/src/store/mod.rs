//! Storage, once: the table and the bucket, through the AWS SDK.

mod bucket;
mod error;
mod keys;
mod models;
mod optimizations;
mod serving;
mod table;

pub use bucket::{Bucket, SnapshotListing, posterior_key, snapshots_prefix};
pub use error::StoreError;
pub use models::{Page, Taken};
pub use optimizations::OptimizationChange;
pub use table::{INDEX_BY_UPDATE, Table};
