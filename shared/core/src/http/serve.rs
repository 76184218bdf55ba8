//! One HTTP request from end to end: the handler, its error's envelope, and the one log line.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response, service_fn};
use serde::Serialize;
use serde_json::json;

use super::envelope::{Meta, failure, status, success};
use super::handler::{Authenticated, Handler};
use super::keyed;
use super::request::{RequestId, path, request_id};
use super::routes::{Match, find, is_serving};
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::deadline::Arrived;
use crate::error::ApiError;
use crate::log_fields::{LogFields, cold_start, set_log_field};
use crate::prewarm::Prewarm;
use crate::storage_calls::StorageCalls;
use crate::xray::Trace;

/// What a handler knows of the request besides its content: who calls, and under which id.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The id in the answer and in every log line.
    pub request_id: String,
}

impl Call {
    /// Authenticates the request for `scope`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`], [`ApiError::Forbidden`], [`ApiError::Unavailable`], [`ApiError::Internal`].
    pub async fn begin(app: &App, request: &Request, scope: Scope) -> Result<Self, ApiError> {
        // Whoever came with a key was authenticated before the key was looked up.
        let before = request.extensions().get::<Authenticated>().filter(|before| before.scope == scope);
        let caller = match before {
            Some(before) => before.caller.clone(),
            None => app.authenticate(request.headers(), scope).await?,
        };
        set_log_field("organization", &caller.organization_id);
        Ok(Self { caller, request_id: request_id(request) })
    }

    /// A JSON answer in the envelope.
    ///
    /// # Errors
    /// [`ApiError::Internal`] if `body` does not serialise to an object.
    pub fn respond<T: Serialize>(&self, status: StatusCode, body: &T) -> Result<Response<Body>, ApiError> {
        self.respond_page(status, body, None)
    }

    /// As [`Call::respond`], for one page of a list.
    ///
    /// # Errors
    /// As [`Call::respond`].
    pub fn respond_page<T: Serialize>(
        &self,
        status: StatusCode,
        body: &T,
        next_cursor: Option<String>,
    ) -> Result<Response<Body>, ApiError> {
        let organization_id = Some(self.caller.organization_id.clone());
        success(status, body, &Meta { request_id: self.request_id.clone(), organization_id, next_cursor })
    }
}

/// A JSON answer of an endpoint that takes no token.
///
/// # Errors
/// [`ApiError::Internal`] if `body` does not serialise to an object.
pub fn respond_open<T: Serialize>(request_id: String, body: &T) -> Result<Response<Body>, ApiError> {
    success(StatusCode::OK, body, &Meta { request_id, organization_id: None, next_cursor: None })
}

/// Answers one request: the handler's answer, or the envelope of its error; and one log line either way.
pub async fn answer<'a, H: Handler<'a>>(app: &'a App, handler: &H, mut request: Request) -> Response<Body> {
    let started = Instant::now();
    let id = request_id(&request);
    // A fresh id must be the same one in the answer, in the log and in the handler.
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(Arrived(started));
    let found = find(request.method().as_str(), path(&request));
    let about = About { route: route(&found), trace: trace(&request), request_id: id, cold_start: cold_start() };
    let (calls, log_fields) = (StorageCalls::within(), LogFields::default());
    let handled = log_fields.scope(calls.count(async {
        set_log_field("request_id", &about.request_id);
        // The gateway knows no path that is written out and has other methods than one with a parameter in its place.
        // What a browser asks before it lets a page call a serving route is the default route's.
        if let Match::OtherMethod { allow } = &found
            && !(request.method() == Method::OPTIONS && is_serving(path(&request)))
        {
            return Err(other_method(&request, allow.clone()));
        }
        let left = time_left(&request, app.clock.now());
        // On the heap, once: what follows moves it.
        let handled = Box::pin(async {
            match keyed::key(&request, &found)?.map(|(route, key)| (route, key.to_owned())) {
                Some(keyed) => Box::pin(keyed::answer(app, handler, request, keyed)).await,
                None => handler.call(app, request).await,
            }
        });
        match left {
            Some(left) => tokio::time::timeout(left, handled).await.unwrap_or(Err(OUT_OF_TIME)),
            None => handled.await,
        }
    }));
    let response = match handled.await {
        Ok(response) => response,
        Err(error) => about.refuse(&error),
    };
    about.log(response.status(), started.elapsed(), &calls, &log_fields);
    response
}

/// What the log says of a request.
struct About {
    request_id: String,
    route: String,
    trace: Option<Trace>,
    cold_start: bool,
}

impl About {
    fn refuse(&self, error: &ApiError) -> Response<Body> {
        let (status, code) = (status(error), error.code());
        let request_id = &self.request_id;
        if let Some(cause) = error.cause() {
            tracing::error!(request_id, code, cause, "request failed");
        } else {
            tracing::debug!(request_id, code, status = status.as_u16(), "request refused");
        }
        failure(error, request_id)
    }

    fn log(&self, status: StatusCode, took: Duration, calls: &StorageCalls, log_fields: &LogFields) {
        let Self { request_id, route, cold_start, .. } = self;
        let (status, duration_ms) = (status.as_u16(), took.as_secs_f64() * 1e3);
        let organization = log_fields.get("organization");
        let storage_calls = calls.total();
        let storage_calls_by_operation = serde_json::to_string(&calls.so_far()).unwrap_or_default();
        tracing::info!(
            request_id,
            organization,
            route,
            status,
            duration_ms,
            cold_start,
            storage_calls,
            storage_calls_by_operation,
            "request"
        );
        if let Some(trace) = &self.trace {
            let organization = organization.unwrap_or_default();
            let annotations = [
                ("request_id", json!(request_id)),
                ("organization", json!(organization)),
                ("status", json!(status)),
                ("cold_start", json!(cold_start)),
                ("storage_calls", json!(storage_calls)),
            ];
            trace.send(route, took, &annotations);
        }
    }
}

/// What an answer needs of a function's time.
const TO_ANSWER: TimeDelta = TimeDelta::seconds(1);
const OUT_OF_TIME: ApiError = ApiError::OutOfTime { retry_after: Duration::from_secs(2) };

/// How long a handler may take, so that the function answers before the platform ends it; `None` where nobody ends it.
fn time_left(request: &Request, now: DateTime<Utc>) -> Option<Duration> {
    let deadline = request.lambda_context_ref().map(|context| context.deadline).filter(|&millis| millis > 0)?;
    let end = DateTime::from_timestamp_millis(i64::try_from(deadline).ok()?)?;
    Some((end - now - TO_ANSWER).to_std().unwrap_or(Duration::ZERO))
}

/// The answer for a path that is known, with a method that it does not have.
fn other_method(request: &Request, allow: String) -> ApiError {
    ApiError::MethodNotAllowed { path: path(request).to_owned(), method: request.method().to_string(), allow }
}

/// The endpoint, as the table of routes writes it: the path itself may hold anything.
fn route(found: &Match) -> String {
    match found {
        Match::Found { route, .. } => format!("{} {}", route.method, route.path),
        Match::OtherMethod { .. } | Match::Unknown => "$default".to_owned(),
    }
}

fn trace(request: &Request) -> Option<Trace> {
    Trace::parse(request.lambda_context_ref()?.xray_trace_id.as_deref()?)
}

/// Runs an endpoint as a Lambda function, with the connections opened that it will need: all of a function's `main`.
///
/// # Errors
/// Whatever keeps the function from starting.
pub async fn run<H>(handler: H, prewarm: Prewarm) -> Result<(), lambda_http::Error>
where
    H: for<'a> Handler<'a>,
{
    crate::logging::init()?;
    run_app(App::from_env().await?, handler, prewarm).await
}

/// The same, for a function that trains and tells of it.
///
/// # Errors
/// As [`run`].
pub async fn run_with_events<H>(handler: H, prewarm: Prewarm) -> Result<(), lambda_http::Error>
where
    H: for<'a> Handler<'a>,
{
    crate::logging::init()?;
    run_app(App::from_env_with_events().await?, handler, prewarm).await
}

async fn run_app<H>(app: App, handler: H, prewarm: Prewarm) -> Result<(), lambda_http::Error>
where
    H: for<'a> Handler<'a>,
{
    prewarm.open(&app).await;
    let (app, handler) = (&app, &handler);
    lambda_http::run(service_fn(move |request: Request| async move {
        Ok::<_, std::convert::Infallible>(answer(app, handler, request).await)
    }))
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_config::{BehaviorVersion, SdkConfig};
    use lambda_http::Context;

    use super::*;
    use crate::clock::ManualClock;
    use crate::config::Endpoints;

    const NOW: &str = "2026-01-15T10:30:00Z";

    fn app() -> App {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let clock = Arc::new(ManualClock::new(NOW.parse().unwrap()));
        App { clock, ..App::new(&config, &Endpoints::default(), "table", "bucket") }
    }

    async fn never(_: &App, _: Request) -> Result<Response<Body>, ApiError> {
        std::future::pending().await
    }

    async fn at_once(_: &App, request: Request) -> Result<Response<Body>, ApiError> {
        respond_open(request_id(&request), &json!({}))
    }

    fn request(method: &str, path: &str, left: TimeDelta) -> Request {
        let mut context = Context::default();
        let deadline = NOW.parse::<DateTime<Utc>>().unwrap() + left;
        context.deadline = deadline.timestamp_millis().unsigned_abs();
        let request = lambda_http::http::Request::builder().method(method).uri(path).body(Body::Empty).unwrap();
        request.with_lambda_context(context)
    }

    #[tokio::test]
    async fn a_function_answers_before_its_time_is_over() {
        let app = app();
        let left = TO_ANSWER + TimeDelta::milliseconds(1);
        let late = answer(&app, &never, request("GET", "/api/v2/models", left)).await;
        assert_eq!((late.status().as_u16(), late.headers()["retry-after"].to_str().unwrap()), (503, "2"));
        let body: serde_json::Value = serde_json::from_slice(late.body()).unwrap();
        assert_eq!(body["error"]["code"], "unavailable", "{body}");
        let in_time = answer(&app, &at_once, request("GET", "/api/v2/models", left)).await;
        assert_eq!(in_time.status().as_u16(), 200);
    }

    #[tokio::test]
    async fn a_path_that_is_written_out_has_its_own_methods_alone() {
        for method in ["GET", "PATCH"] {
            let request = request(method, "/api/v2/optimizations/best-variant", TimeDelta::seconds(20));
            let refused = answer(&app(), &at_once, request).await;
            assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "POST"));
        }
    }
}
