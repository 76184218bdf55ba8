//! The service behind the endpoints: records and storage, authentication, use cases, and the HTTP envelope.

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod domain;
pub mod echo;
pub mod error;
mod error_chain;
pub mod http;
mod ingest_cache;
pub mod keyed_work;
pub mod log_fields;
pub mod logging;
pub mod metrics;
pub mod notifications;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod prewarm;
pub mod queue;
pub mod schedule;
mod serving_cache;
pub mod storage_calls;
pub mod store;
mod strict;
pub mod triggers;
pub mod usecases;
pub mod visitor_ids;
pub mod xray;

pub use app::App;
pub use error::ApiError;
pub use error_chain::error_chain;
pub use http::{Call, run, run_with_events};
pub use ingest_cache::IngestCache;
pub use lambda_http::{Body, Request, Response};
pub use prewarm::Prewarm;
pub use serving_cache::ServingCache;
