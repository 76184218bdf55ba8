//! Use cases, grouped by noun: what the service does with events, models and optimizations. No HTTP in, no SDK out.

mod blocking;
mod events;
mod history;
mod models;
mod optimizations;
mod past_policies;
mod posterior_object;
mod results;

pub use events::{CompactionOutcome, Ingested};
pub use models::{RetrainOutcome, TrainResponse, Trained, is_place_in_state};
pub use optimizations::{Decision, PolicyDocument, PublishedPolicy, WithModel};
pub use results::Span;
