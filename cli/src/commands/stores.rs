//! The stores as the environment describes them, for the commands that need no service.

use aws_config::SdkConfig;
use fulcrum_core::App;
use fulcrum_core::app::{Endpoints, Patience, sdk_config};

/// An app over the named table and bucket; either name may be empty where it is not used.
pub(super) async fn app(table: &str, bucket: &str) -> App {
    let config: SdkConfig = sdk_config(Patience::COMMAND).await;
    App::new(&config, &Endpoints::from_env(), table, bucket)
}
