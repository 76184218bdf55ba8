//! Estimators: Bayesian models of conversions, amounts and numeric rewards, one a file.

mod amounts;
mod assembly;
mod beta_binomial;
pub(crate) mod checks;
pub(crate) mod input;
pub(crate) mod linear;
pub(crate) mod logistic;
mod pooled;
mod regression;
pub(crate) mod two_part;
