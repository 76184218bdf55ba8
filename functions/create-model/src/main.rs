//! The Lambda function `create-model`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(create_model::handle, fulcrum_core::Prewarm::Records).await
}
