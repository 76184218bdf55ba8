//! Use cases, grouped by noun: what the service does with models and with optimizations. No HTTP in, no SDK out.

mod blocking;
mod models;
mod optimizations;
mod posterior_object;

pub use models::{RetrainOutcome, TrainResponse, Trained};
pub use optimizations::{Decision, PolicyDocument, PublishedPolicy, WithModel};
