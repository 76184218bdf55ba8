//! The Lambda function `openapi`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(openapi::handle, fulcrum_core::Prewarm::Nothing).await
}
