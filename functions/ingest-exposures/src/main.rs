//! The Lambda function `ingest-exposures`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(ingest_exposures::handle, fulcrum_core::Prewarm::Records).await
}
