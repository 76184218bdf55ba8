//! The Lambda function `model-state`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(model_state::handle, fulcrum_core::Prewarm::Posteriors).await
}
