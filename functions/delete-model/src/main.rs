//! The Lambda function `delete-model`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(delete_model::handle, fulcrum_core::Prewarm::Records).await
}
