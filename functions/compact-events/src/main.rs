//! The Lambda function `compact-events`.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    fulcrum_core::schedule::run(compact_events::handle).await
}
