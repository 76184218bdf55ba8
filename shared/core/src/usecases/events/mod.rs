//! Events: taken in, compacted into parts, published as snapshots, and deleted with their users.

mod compact;
mod delete_user;
mod flush;
mod ingest;

pub use compact::CompactionOutcome;
pub use ingest::Ingested;
