//! What the service is about: configurations, models, optimizations. No storage and no HTTP.

mod checked;
mod config;
mod model;
mod optimization;
mod text;
mod time;

pub use checked::Checked;
pub use config::{AttributionConfig, FactorConfig, Immature, PriorConfig, RewardConfig, Touch, TrainingDataConfig};
pub use model::{
    InSampleMetrics, Interval, LastError, Lease, Model, ModelDetailView, ModelView, Observations, PosteriorRecord,
    Status,
};
pub use optimization::{Optimization, OptimizationStatus};
pub use time::{millis, rfc3339};
