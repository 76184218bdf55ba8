//! The Lambda function `rollback-model`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(rollback_model::handle, fulcrum_core::Prewarm::Posteriors).await
}
