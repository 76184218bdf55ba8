//! The Lambda function `train-model`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run_with_events(train_model::handle, fulcrum_core::Prewarm::Snapshots).await
}
