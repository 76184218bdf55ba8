//! The Lambda function `console-page`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(console_page::handle, fulcrum_core::Prewarm::Nothing).await
}
