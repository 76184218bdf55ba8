//! The public interface: fits, decisions, reports and stored objects.

mod common;
mod cost;
mod decisions;
mod evaluation;
mod extremes;
mod models;
mod reference;
mod strata;
mod two_part;
