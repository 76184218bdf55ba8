//! The least that a function can be: what the cold starts of the others are held against.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response, service_fn};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::run(service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Body::from("Hello, world!"))) }))
        .await
}
