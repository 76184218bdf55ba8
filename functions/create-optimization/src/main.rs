//! The Lambda function `create-optimization`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(create_optimization::handle, fulcrum_core::Prewarm::Records).await
}
