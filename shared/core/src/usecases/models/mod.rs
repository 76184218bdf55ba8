//! Models: made, trained, retrained by triggers, seen, rolled back and deleted.

mod changes;
mod learned;
mod lease;
mod observations;
mod records;
mod requests;
mod retrain;
mod slots;
mod state;
mod train;
mod versions;

pub use retrain::RetrainOutcome;
pub use state::is_place_in_state;
pub use train::{TrainResponse, Trained};
