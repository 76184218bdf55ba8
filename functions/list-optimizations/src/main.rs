//! The Lambda function `list-optimizations`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(list_optimizations::handle, fulcrum_core::Prewarm::Records).await
}
