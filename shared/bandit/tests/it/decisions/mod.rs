//! Decisions, reports and stored objects, from posteriors made by hand.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers of tests"
)]

mod hand;
mod policy;
mod rendezvous;
mod report;
mod stored;
mod trained;
