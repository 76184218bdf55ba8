//! The service behind the endpoints: records and storage, authentication, use cases, and the HTTP envelope.

pub mod app;
pub mod auth;
pub mod storage_calls;
mod error_chain;
pub mod clock;
pub mod deadline;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod log_fields;
pub mod queue;
pub mod store;
pub mod usecases;
pub mod prewarm;
pub mod xray;

pub use app::App;
pub use error_chain::error_chain;
pub use error::ApiError;
pub use http::{Call, run};
pub use lambda_http::{Body, Request, Response};
pub use prewarm::Prewarm;
