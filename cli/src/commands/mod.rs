//! What each command does.

mod check;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod models;
mod off_policy;
pub(crate) mod optimizations;
pub(crate) mod report;
pub(crate) mod results;
mod send;
pub(crate) mod snapshots;
mod state;
mod stores;
mod tail;
mod upload;
mod versions;
