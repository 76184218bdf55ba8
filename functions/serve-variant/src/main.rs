//! The Lambda function `serve-variant`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(serve_variant::handle, fulcrum_core::Prewarm::Serving).await
}
