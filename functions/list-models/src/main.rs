//! The Lambda function `list-models`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(list_models::handle, fulcrum_core::Prewarm::Records).await
}
