//! Time: strata (spans of constant allocation) from versions in force, and decay of old observations.

mod decay;
mod strata;

pub use decay::decay;
pub use strata::{MOST_STRATA, MOVED, Strata, StrataRule, VersionInForce, strata};
