//! Events as clients send them: what a good one is, and what is told of the others.

mod batch;
mod exposure;
mod fields;
mod record;
mod reward;

#[cfg(feature = "openapi")]
pub(crate) use batch::Batch;
pub use batch::{MOST_EVENTS, split_batch};
#[cfg(feature = "openapi")]
pub(crate) use exposure::Body as ExposureBody;
pub use exposure::Exposure;
pub use fields::{IngestWarning, RejectedEvent, WarningExample};
pub use record::EventsRecord;
#[cfg(feature = "openapi")]
pub(crate) use reward::Body as RewardBody;
pub use reward::Reward;
