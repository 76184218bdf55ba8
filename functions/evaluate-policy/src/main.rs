//! The Lambda function `evaluate-policy`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(evaluate_policy::handle, fulcrum_core::Prewarm::Posteriors).await
}
