//! The HTTP side of every server here: connections are taken, time-outs kept, requests under way finished at the end.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::own_answers::OwnAnswers;

/// How long clients may take to send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the request line and the headers, also on a connection that waits for its next request.
    pub head: Duration,
    /// For the body.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: Duration::from_secs(30), body: Duration::from_secs(30) }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's address.
    pub client: IpAddr,
    /// The address of this machine that the client reached.
    pub reached: IpAddr,
}

/// Makes the body of an answer that the HTTP library gives by itself, to what is no request or has too long a head.
pub type OwnBody = fn(StatusCode) -> Bytes;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// The server, in log lines.
    pub name: &'static str,
    /// For the heads of requests; bodies are the service's.
    pub timeouts: Timeouts,
    /// The JSON bodies of the HTTP library's own answers; `None` leaves them empty.
    pub own_body: Option<OwnBody>,
}

impl Connections {
    /// Serves the connections of a listener until `stopped`, and then the requests under way to their end. Dropped before, it ends
    /// them.
    pub async fn serve<S, B>(
        self,
        listener: TcpListener,
        service: impl Fn(Ends) -> S,
        mut stopped: oneshot::Receiver<()>,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let name = self.name;
        let graceful = GracefulShutdown::new();
        // The set aborts its connections when this future is dropped.
        let mut connections = JoinSet::new();
        loop {
            let (stream, client) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, name, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                Some(_) = connections.join_next() => continue,
                // Whoever drops the sender stops the server as well.
                _ = &mut stopped => break,
            };
            let reached = stream.local_addr().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
            let service = service(Ends { client: client.ip(), reached });
            let connection = graceful.watch(self.connection(stream, service));
            connections.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, name, "a connection ended early");
                }
            });
        }
        drop(listener);
        graceful.shutdown().await;
    }

    fn connection<S, B>(self, stream: TcpStream, service: S) -> http1::Connection<TokioIo<OwnAnswers<TcpStream>>, S>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
    {
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(OwnAnswers::new(stream, self.own_body));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.head)
            .serve_connection(stream, service)
    }
}
