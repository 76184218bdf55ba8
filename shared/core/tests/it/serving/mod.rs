//! Optimizations and serving, over real stores inside the process and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod cache;
mod completed;
mod damaged;
mod history;
mod life;
mod lists;
mod made;
mod optimizations;
mod runs;
mod shares;
mod slots;
pub(crate) mod stage;
mod strata;
mod versions;
