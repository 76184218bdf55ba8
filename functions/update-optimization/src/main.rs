//! The Lambda function `update-optimization`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(update_optimization::handle, fulcrum_core::Prewarm::Records).await
}
