//! What an endpoint is, and what a request that comes to it may know already.

use lambda_http::{Body, Request, Response};

use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::error::ApiError;

/// Who sent a request, where that was found out before its handler runs.
#[derive(Clone, Debug)]
pub(super) struct Authenticated {
    pub(super) caller: Caller,
    pub(super) scope: Scope,
}

/// An endpoint: an `async fn(&App, Request) -> Result<Response<Body>, ApiError>`.
pub trait Handler<'a>: Send + Sync {
    /// What the call returns.
    type Answer: Future<Output = Result<Response<Body>, ApiError>> + Send + 'a;
    /// Calls it.
    fn call(&self, app: &'a App, request: Request) -> Self::Answer;
}

impl<'a, F, A> Handler<'a> for F
where
    F: Fn(&'a App, Request) -> A + Send + Sync,
    A: Future<Output = Result<Response<Body>, ApiError>> + Send + 'a,
{
    type Answer = A;
    fn call(&self, app: &'a App, request: Request) -> A {
        self(app, request)
    }
}
