//! Compaction over a store that stops between any two of its effects.

mod model;
mod sim;
