//! The Lambda function `get-model`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(get_model::handle, fulcrum_core::Prewarm::Records).await
}
