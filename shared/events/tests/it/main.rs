//! Compaction over a store that stops between any two of its effects.

mod backlog;
mod model;
mod sim;
mod together;
