//! The Lambda function `ingest-rewards`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(ingest_rewards::handle, fulcrum_core::Prewarm::Records).await
}
