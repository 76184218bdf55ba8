//! Estimators: the four Bayesian models (mab, cmab; bool, numeric), one a file.

mod checks;
pub mod cmab_bool;
pub mod cmab_numeric;
pub mod mab_bool;
pub mod mab_numeric;
mod pooled;
