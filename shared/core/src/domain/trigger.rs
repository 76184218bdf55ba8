//! Training triggers: what calls for a training run without a caller who waits for it.

use uuid::Uuid;

/// What triggers a training run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingTrigger {
    /// A snapshot is complete.
    SnapshotCompleted {
        /// Whose it is, as its key says.
        organization: String,
        /// The optimization.
        optimization: Uuid,
        /// The snapshot.
        snapshot: String,
    },
    /// A training request waits in the queue.
    TrainingRequested {
        /// Whose model, as the request's key says.
        organization: String,
        /// The model.
        model: Uuid,
        /// The request's key.
        key: String,
    },
    /// The schedule: time to look for models whose latest snapshot is later than the one they were trained on.
    Schedule,
}

/// What may start a compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactionTrigger {
    /// The schedule: the events of all organizations.
    Schedule,
    /// An organization asks for it at once.
    Flush {
        /// The organization, as the object's key says.
        organization: String,
    },
}
