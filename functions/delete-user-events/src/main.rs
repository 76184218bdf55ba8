//! The Lambda function `delete-user-events`.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    fulcrum_core::run(delete_user_events::handle, fulcrum_core::Prewarm::Records).await
}
