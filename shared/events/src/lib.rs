//! Events without a warehouse: what the ingestion endpoints write down, compacted into Parquet parts and published as
//! snapshots.
//!
//! A request's events are one object, [`incoming`]. A [`run`] of compaction reads such objects, drops what was counted before
//! ([`keys`]), writes [`part`]s and an immutable [`manifest`], and moves the pointer to that manifest by one conditional write.
//! What a manifest in force does not name does not count, so that a run may die anywhere. This crate knows objects and bytes
//! through [`store::Store`], neither AWS nor HTTP; the clock is the store's.

pub mod batch;
pub mod compact;
pub mod erase;
pub mod incoming;
pub mod key;
pub mod keys;
pub mod kind;
pub mod layout;
pub mod manifest;
pub mod merge;
pub mod part;
pub mod publish;
pub mod rewrite;
pub mod run;
pub mod snapshot;
pub mod store;
pub mod sweep;

pub use key::EventKey;
pub use kind::Kind;
pub use manifest::Pointer;
pub use publish::Target;
pub use run::{Limits, Report, Run, RunError};
pub use snapshot::SnapshotManifest;
pub use store::{Listed, Store};
