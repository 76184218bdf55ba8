//! The HTTP server in front of the gateway.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use embedded::{Connections, Ends, Hosts, Timeouts};
use fulcrum_core::auth::Scope;
use fulcrum_core::http::{Match, failure, find, is_serving};
use fulcrum_core::{ApiError, App, Body, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use lambda_http::http::request::Parts;
use lambda_http::http::{self, HeaderValue, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::cors::{foreign_origin, permit};
use super::gateway::{BODY_LIMIT, StandIn, TARGET_LIMIT, dispatch_from, refuse};
use super::sign_in::{SESSION_PATH, SignIn};
use crate::error::CliError;

/// How long [`HttpServer::shutdown`] lets requests under way finish.
const GRACE: Duration = Duration::from_secs(10);
/// What is left of a refused request is read and thrown away up to here, so that the client is still there to hear why.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;
/// The same in time.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The service on a port of this machine.
#[derive(Debug)]
#[must_use = "the server stops when this value is dropped"]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// How the server serves.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Answers every request in the place of the functions.
    pub stand_in: Option<StandIn>,
    /// Names of this machine, beside those that it has anyway.
    pub hosts: Vec<String>,
    /// How long clients may take to send a request.
    pub timeouts: Timeouts,
    /// The one-time codes that sign a browser in.
    pub sign_in: SignIn,
}

/// Listens at an address; port 0 takes a free one.
///
/// # Errors
/// [`CliError::Listen`].
pub async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, CliError> {
    let place = SocketAddr::from((address, port));
    TcpListener::bind(place).await.map_err(|source| CliError::Listen { place, source })
}

impl HttpServer {
    /// Serves the app on a listener until [`HttpServer::shutdown`].
    ///
    /// # Errors
    /// [`CliError::Listen`] where the listener has no address.
    pub fn start(listener: TcpListener, app: App) -> Result<Self, CliError> {
        Self::start_with(listener, app, HttpOptions::default())
    }

    /// As [`HttpServer::start`], with options.
    ///
    /// # Errors
    /// As [`HttpServer::start`].
    pub fn start_with(listener: TcpListener, app: App, options: HttpOptions) -> Result<Self, CliError> {
        let unnamed = |source| CliError::Listen { place: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), source };
        let address = listener.local_addr().map_err(unnamed)?;
        let HttpOptions { stand_in, hosts, timeouts, sign_in } = options;
        let behind = Behind { app, stand_in, hosts: Hosts::new(address.ip(), hosts), timeouts, sign_in };
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop: Some(stop), task: tokio::spawn(accept(listener, Arc::new(behind), stopped)) })
    }

    /// Where the service is, as `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more connections and lets requests under way finish, for at most 10 s, also those whose client has gone.
    pub async fn shutdown(mut self) {
        self.stop = None;
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            tracing::warn!("requests under way did not finish; stopping without them");
            self.task.abort();
        }
    }
}

/// What is behind the port.
struct Behind {
    app: App,
    stand_in: Option<StandIn>,
    hosts: Hosts,
    timeouts: Timeouts,
    sign_in: SignIn,
}

async fn accept(listener: TcpListener, behind: Arc<Behind>, stopped: oneshot::Receiver<()>) {
    let (running, mut all_ended) = mpsc::channel::<()>(1);
    let connections = Connections { name: "the API", timeouts: behind.timeouts, own_body: Some(unreadable) };
    let service = |ends| {
        let (behind, running) = (Arc::clone(&behind), running.clone());
        service_fn(move |request: http::Request<Incoming>| {
            let (behind, running) = (Arc::clone(&behind), running.clone());
            async move { Ok::<_, Infallible>(into_hyper(serve(behind, ends, request, running).await)) }
        })
    };
    connections.serve(listener, service, stopped).await;
    drop(running);
    // Nothing is ever sent: this waits until every request has dropped its sender.
    let _ = all_ended.recv().await;
}

fn fresh_id() -> String {
    format!("req_{}", Uuid::new_v4().simple())
}

/// The envelope of what was no request at all, or has too long a head.
fn unreadable(status: StatusCode) -> Bytes {
    let error = match status {
        StatusCode::URI_TOO_LONG => {
            ApiError::invalid(format!("the URL is too long; at most {TARGET_LIMIT} bytes are accepted"))
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            ApiError::invalid("the request has too many or too long headers")
        }
        _ => ApiError::invalid("this is not a request of HTTP/1.1"),
    };
    let id = fresh_id();
    tracing::info!(request_id = id, status = status.as_u16(), "request refused by the gateway");
    bytes_of(failure(&error, &id).into_body())
}

/// Reads the whole request and has it answered in a task of its own, so that a client that hangs up does not end what it began.
/// Whoever may not call is told so before the body is read.
async fn serve(
    behind: Arc<Behind>,
    ends: Ends,
    request: http::Request<Incoming>,
    running: mpsc::Sender<()>,
) -> Response<Body> {
    let id = fresh_id();
    let (parts, body) = request.into_parts();
    let whole = match admit(&behind, ends, &parts, &body).await {
        Ok(()) => collect(body, behind.timeouts.body).await,
        Err(error) => {
            throw_away(body, 0);
            Err(error)
        }
    };
    let request = match whole {
        Ok(body) => http::Request::from_parts(parts, body),
        Err(error) => {
            let mut response = refuse(&error, &id, &parts.method, parts.uri.path());
            permit(&parts.method, parts.uri.path(), &parts.headers, &mut response);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    if is_session(request.method(), request.uri().path()) {
        return behind.sign_in.answer(&request, &id, behind.app.clock.now());
    }
    let task = tokio::spawn(async move {
        let response = dispatch_from(&behind.app, ends.client, behind.stand_in, request).await;
        drop(running);
        response
    });
    task.await.unwrap_or_else(|panicked| {
        let error = ApiError::internal(panicked);
        tracing::error!(request_id = id, cause = error.cause(), "request failed");
        failure(&error, &id)
    })
}

/// Whether a request exchanges a one-time code. That is the local service's own: in the cloud there is no such endpoint.
fn is_session(method: &Method, path: &str) -> bool {
    method == Method::POST && path == SESSION_PATH
}

/// Whether a request may come in at all, as far as its head tells.
async fn admit(behind: &Behind, ends: Ends, parts: &Parts, body: &Incoming) -> Result<(), ApiError> {
    let named = behind.hosts.check(&parts.uri, &parts.headers, ends.reached);
    named.map_err(|misdirected| ApiError::invalid(misdirected.to_string()))?;
    let path = parts.uri.path();
    if let Some(origin) = foreign_origin(&parts.headers)
        && !is_serving(path)
    {
        let origin: String = String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect();
        return Err(ApiError::invalid(format!(
            "pages of other origins may call the serving routes alone; this request comes from a page at {origin:?}"
        )));
    }
    if body.is_end_stream() || behind.stand_in.is_some() || is_serving(path) || is_session(&parts.method, path) {
        return Ok(());
    }
    match find(parts.method.as_str(), path) {
        // The function checks the scope; a token that lacks it is a good one.
        Match::Found { .. } => match behind.app.authenticate(&parts.headers, Scope::ModelsRead).await {
            Ok(_) | Err(ApiError::Forbidden { .. }) => Ok(()),
            Err(error) => Err(error),
        },
        Match::OtherMethod { allow } => {
            let method = parts.method.to_string();
            Err(ApiError::MethodNotAllowed { path: path.to_owned(), method, allow })
        }
        Match::Unknown => Err(ApiError::UnknownPath { path: path.to_owned() }),
    }
}

/// The body, if it is not too large and comes in time.
async fn collect(mut body: Incoming, within: Duration) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    let declared = body.size_hint().lower();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| ApiError::invalid(format!("the body ends early: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            kept.extend_from_slice(&data);
            if kept.len() > BODY_LIMIT {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match tokio::time::timeout(within, reading).await {
        Ok(Ok(true)) => Ok(kept.freeze()),
        Ok(Ok(false)) => {
            let read = kept.len();
            throw_away(body, read);
            let bytes = usize::try_from(declared).unwrap_or(usize::MAX).max(read);
            Err(ApiError::PayloadTooLarge { bytes, limit: BODY_LIMIT })
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            let seconds = within.as_secs_f64();
            Err(ApiError::invalid(format!("the body did not come within {seconds} s; {} bytes did", kept.len())))
        }
    }
}

/// Reads on without keeping anything, so that the client, which may still be sending, gets to read the answer.
fn throw_away(mut body: Incoming, mut read: usize) {
    tokio::spawn(tokio::time::timeout(DRAIN_TIME, async move {
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_LIMIT {
                break;
            }
        }
    }));
}

fn bytes_of(body: Body) -> Bytes {
    match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    }
}

fn into_hyper(response: Response<Body>) -> http::Response<Full<Bytes>> {
    response.map(|body| Full::new(bytes_of(body)))
}
