//! The Lambda function `list-posteriors`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(list_posteriors::handle, fulcrum_core::Prewarm::Records).await
}
