//! The Lambda function `retrain`.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    fulcrum_core::queue::run(retrain::handle).await
}
