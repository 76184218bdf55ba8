//! The Lambda function `optimization-history`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(optimization_history::handle, fulcrum_core::Prewarm::Records).await
}
