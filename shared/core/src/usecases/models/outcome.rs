//! What comes of a call for a training run.

use crate::domain::PosteriorRecord;

/// A run that succeeded.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The posterior that is now in force.
    pub posterior: PosteriorRecord,
    /// Wall time of the run in milliseconds; of one that was waited for, the time that this took.
    pub duration_ms: u64,
    /// Whether another run made it, which this call waited for.
    pub joined: bool,
}

/// What a call for a training run responds.
#[derive(Clone, Debug)]
pub enum TrainResponse {
    /// A posterior is in force.
    Trained(Box<Trained>),
    /// The run waits in the queue and has the lease of the model.
    Queued,
}
