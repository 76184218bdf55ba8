//! The Lambda function `optimization-policy`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(optimization_policy::handle, fulcrum_core::Prewarm::Serving).await
}
