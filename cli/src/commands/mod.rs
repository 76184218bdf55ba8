//! What each command does.

mod check;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod optimizations;
pub(crate) mod results;
pub(crate) mod snapshots;
mod state;
mod stores;
mod upload;
mod versions;
