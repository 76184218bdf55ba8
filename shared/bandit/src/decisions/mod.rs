//! From a posterior to decisions: the compiled policy, and the hash that serves it.

mod blocks;
mod compile;
mod deviations;
mod encoding;
mod error;
mod expectations;
mod floor;
mod frozen;
mod history;
mod keys;
mod logarithm;
mod logistic;
mod outcomes;
mod policy;
mod rendezvous;
mod serving;
mod tile;
mod varint;
mod walk;

pub(crate) use blocks::{Block, LANES, Lanes, Layout};
pub use compile::{CompileLimits, PolicyOptions};
pub(crate) use compile::{OBSERVED_CELLS, most_frequented};
pub use encoding::PolicyDecodeError;
pub use error::DecisionError;
pub use history::PolicyHistory;
pub use keys::VariantKeys;
#[cfg(test)]
pub(crate) use logistic::{exponential_of, logistic_of};
pub(crate) use outcomes::{Outcomes, StratumShare};
pub use policy::{Coverage, Policy, Row, RowRef};
pub use rendezvous::{UserHasher, choose, choose_for, hold_out, propensity, unit_ln, user_hash, variant_uniform};
pub use serving::{SERVING_DRAWS, draw_row, serving_seed};
pub(crate) use tile::Tile;
pub(crate) use walk::Walk;
