//! The HTTP server in front of the gateway.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fulcrum_core::http::failure;
use fulcrum_core::{ApiError, App, Body, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use lambda_http::http;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::gateway::{BODY_LIMIT, StandIn, dispatch_from};
use crate::error::CliError;

/// How long [`HttpServer::shutdown`] lets requests under way finish.
const GRACE: Duration = Duration::from_secs(10);
/// A body over the limit is read and thrown away up to here, so that the client is still there to hear why.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// The service on a port of this machine.
#[derive(Debug)]
#[must_use = "the server stops when this value is dropped"]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
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
        Self::start_with(listener, app, None)
    }

    /// As [`HttpServer::start`]; a stand-in answers every request in the place of the functions.
    ///
    /// # Errors
    /// As [`HttpServer::start`].
    pub fn start_with(listener: TcpListener, app: App, stand_in: Option<StandIn>) -> Result<Self, CliError> {
        let unnamed = |source| CliError::Listen { place: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), source };
        let address = listener.local_addr().map_err(unnamed)?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop: Some(stop), task: tokio::spawn(accept(listener, (app, stand_in), stopped)) })
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

/// The app, and what answers for its functions if anything does.
type Behind = (App, Option<StandIn>);

async fn accept(listener: TcpListener, behind: Behind, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let (running, mut all_ended) = mpsc::channel::<()>(1);
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        let connection = graceful.watch(connection(stream, client.ip(), behind.clone(), running.clone()));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop((listener, running));
    graceful.shutdown().await;
    // Nothing is ever sent: this waits until every request has dropped its sender.
    let _ = all_ended.recv().await;
}

fn connection(
    stream: TcpStream,
    client: IpAddr,
    behind: Behind,
    running: mpsc::Sender<()>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (behind, running) = (behind.clone(), running.clone());
        async move { Ok::<_, Infallible>(into_hyper(serve(behind, client, request, running).await)) }
    });
    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service)
}

/// Reads the whole request and has it answered in a task of its own, so that a client that hangs up does not end what it began.
async fn serve(
    (app, stand_in): Behind,
    client: IpAddr,
    request: http::Request<Incoming>,
    running: mpsc::Sender<()>,
) -> Response<Body> {
    let fresh_id = || format!("req_{}", Uuid::new_v4().simple());
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(error) => return failure(&error, &fresh_id()),
    };
    let request = http::Request::from_parts(parts, body);
    let task = tokio::spawn(async move {
        let response = dispatch_from(&app, client, stand_in, request).await;
        drop(running);
        response
    });
    task.await.unwrap_or_else(|panicked| {
        let (id, error) = (fresh_id(), ApiError::internal(panicked));
        tracing::error!(request_id = id, cause = error.cause(), "request failed");
        failure(&error, &id)
    })
}

async fn collect(mut body: Incoming) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| ApiError::invalid(format!("the body ends early: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes <= BODY_LIMIT {
            kept.extend_from_slice(&data);
        } else {
            kept = BytesMut::new();
        }
        if bytes > DRAIN_LIMIT {
            break;
        }
    }
    if bytes > BODY_LIMIT {
        return Err(ApiError::PayloadTooLarge { bytes, limit: BODY_LIMIT });
    }
    Ok(kept.freeze())
}

fn into_hyper(response: Response<Body>) -> http::Response<Full<Bytes>> {
    response.map(|body| {
        Full::new(match body {
            Body::Text(text) => Bytes::from(text),
            Body::Binary(bytes) => Bytes::from(bytes),
            _ => Bytes::new(),
        })
    })
}
