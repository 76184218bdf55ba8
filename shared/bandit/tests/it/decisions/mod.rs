//! Decisions, reports and stored objects, from posteriors made by hand.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers of tests"
)]

mod frozen;
mod hand;
mod policy;
mod rendezvous;
mod report;
mod share;
mod stored;
mod trained;
