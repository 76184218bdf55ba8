//! Models: made, trained, retrained by triggers, seen, rolled back and deleted.

mod changes;
mod expected;
mod in_force;
mod join;
mod learned;
mod lease;
mod observations;
mod outcome;
mod policies;
mod records;
mod requests;
mod retention;
mod retrain;
mod slots;
mod state;
mod told;
mod train;
mod versions;
mod written;

pub use outcome::{TrainResponse, Trained};
pub use retrain::RetrainOutcome;
pub use state::is_place_in_state;
