//! What other policies would have earned: the exposures by the version that decided them, and the values of policies on them.

mod asked;
mod defaults;
mod evaluate;
mod log;
mod rows;
mod valuation;

pub(super) use defaults::off_policy;
pub(super) use log::log;
