//! The Lambda function `get-optimization`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(get_optimization::handle, fulcrum_core::Prewarm::Records).await
}
