//! The Lambda function `default-route`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(default_route::handle, fulcrum_core::Prewarm::Nothing).await
}
