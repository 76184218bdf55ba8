//! What each command does.

pub(crate) mod keys;
pub(crate) mod local;
pub(crate) mod models;
pub(crate) mod optimizations;
pub(crate) mod parts;
pub(crate) mod snapshots;
pub(crate) mod state;
mod stores;
mod upload;
mod versions;
