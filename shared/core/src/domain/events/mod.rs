//! Events as clients send them: what a good one is, and what is told of the others.

mod batch;
mod exposure;
mod fields;
mod record;
mod reward;

pub use batch::{MOST_EVENTS, split_batch};
pub use exposure::Exposure;
pub use fields::{IngestWarning, RejectedEvent, WarningExample};
pub use record::EventsRecord;
pub use reward::Reward;
