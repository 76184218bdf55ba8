//! The Lambda function `flush-events`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(flush_events::handle, fulcrum_core::Prewarm::Records).await
}
