//! Storage, once: the table and the bucket, through the AWS SDK.

mod bucket;
mod error;
mod events;
mod history;
mod keyed;
mod keys;
mod lists;
mod models;
mod names;
mod optimizations;
mod run_slots;
#[cfg(test)]
mod scripted;
mod serving;
mod table;
#[cfg(test)]
mod tests;
mod versions;

pub use bucket::{
    Bucket, FLUSHES, REQUESTS, SnapshotListing, WAITING, flush_key, log_key, policies_key, posterior_key, request_key,
    results_key, snapshots_prefix,
};
pub use error::StoreError;
pub use history::CHANGE;
pub use keyed::KeyAttempt;
pub(crate) use lists::bytes_in_answer;
pub use lists::{ListOptions, ListOrder, Page, is_place};
pub use models::{LeaseAttempt, SERVED};
pub use optimizations::ServingChange;
pub use table::{INDEX_BY_UPDATE, Table};
pub use versions::{KeptVersion, REMOVED};

/// A call of the SDK, boxed where it is made: its code is large, and what calls it through a pointer has not to be compiled
/// together with it, as each of the functions would.
type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
