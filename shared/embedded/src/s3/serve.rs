//! The HTTP side of the S3 server.

use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::service::S3Service;
use s3s::{Body, HttpError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Server;
use crate::folder::DataFolder;

/// Serves on `listener` until the returned value is dropped. The folder is held as long as connections live.
pub(crate) fn spawn(listener: TcpListener, address: SocketAddr, service: S3Service, folder: DataFolder) -> Server {
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        accept(listener, service, stopped).await;
        drop(folder);
    });
    Server::new(address, stop, task)
}

async fn accept(listener: TcpListener, service: S3Service, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    // The set aborts its connections when this future is dropped.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to S3 could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let answer = service_fn(move |request| answer(service.clone(), request));
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to S3 ended early");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Answers a request. A client that expects "100 Continue" may get its answer instead: where it sends no bytes, or where the
/// request is refused before its body is read. botocore then takes the status of that answer for the next one on the same
/// connection, so the connection ends there, as it does with S3 itself.
async fn answer(service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    let headers = request.headers();
    let expects = headers.contains_key(EXPECT);
    let is_empty = headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    let mut response = hyper::service::Service::call(&service, request).await?;
    if expects && (is_empty || !response.status().is_success()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
