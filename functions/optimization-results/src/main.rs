//! The Lambda function `optimization-results`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(optimization_results::handle, fulcrum_core::Prewarm::Posteriors).await
}
