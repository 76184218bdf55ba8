//! The HTTP side of the S3 server.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::connections::{Connections, Ends};
use crate::folder::DataFolder;
use crate::hosts::Misdirected;
use crate::server::Place;
use crate::slow::Paced;

/// Serves on `listener` until `stopped`. The folder is held as long as connections live.
pub(super) async fn serve(
    listener: TcpListener,
    place: Place,
    service: S3Service,
    folder: DataFolder,
    stopped: oneshot::Receiver<()>,
) {
    let connections = Connections { name: "S3", timeouts: place.timeouts, own_body: None };
    let front = Arc::new((service, place));
    let service = |ends| {
        let front = Arc::clone(&front);
        service_fn(move |request| answer(Arc::clone(&front), ends, request))
    };
    connections.serve(listener, service, stopped).await;
    drop(front);
    drop(folder);
}

/// Answers a request. A client that expects "100 Continue" may get its answer instead: where it sends no bytes, or where the
/// request is refused before its body is read. botocore then takes the status of that answer for the next one on the same
/// connection, so the connection ends there, as it does with S3 itself.
async fn answer(
    front: Arc<(S3Service, Place)>,
    ends: Ends,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let (service, place) = &*front;
    if let Err(misdirected) = place.hosts.check_no_page(request.uri(), request.headers(), ends.reached) {
        return Ok(refused(&misdirected));
    }
    let headers = request.headers();
    let expects = headers.contains_key(EXPECT);
    let is_empty = headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    let within = place.timeouts.body;
    let request = request.map(|body| Body::http_body_unsync(Paced::new(body, within)));
    let mut response = service.call(request).await?;
    if expects && (is_empty || !response.status().is_success()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn refused(misdirected: &Misdirected) -> Response<Body> {
    let escaped = misdirected.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>{escaped}</Message></Error>"
    );
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
