//! The Lambda function `best-variant`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(best_variant::handle, fulcrum_core::Prewarm::Serving).await
}
