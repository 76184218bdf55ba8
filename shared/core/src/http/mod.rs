//! HTTP as the gateway speaks it: requests in, envelopes out.

mod envelope;
mod handler;
mod keyed;
mod paging;
mod request;
mod routes;
mod serve;

#[cfg(feature = "openapi")]
pub(crate) use envelope::Failure;
pub use envelope::{Meta, failure, json_document, status, success};
pub use handler::Handler;
pub use keyed::{fingerprint, key_name};
pub use paging::{Paging, cursor};
pub use request::{
    BODY_LIMIT, EVENTS_BODY_LIMIT, Query, body, body_bytes, path, path_id, path_text, query, request_id,
};
pub use routes::{Match, ROUTES, Route, find, is_serving};
pub use serve::{Call, answer, respond_open, run, run_with_events};
