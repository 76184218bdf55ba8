//! The stores as the environment describes them, for the commands that need no service.

use aws_config::SdkConfig;
use fulcrum_core::App;
use fulcrum_core::config::{Endpoints, Timeouts, sdk_config};

use crate::error::CliError;

/// An app over the named table and bucket; either name may be empty where it is not used.
pub(super) async fn app(table: &str, bucket: &str) -> App {
    let config: SdkConfig = sdk_config(Timeouts::COMMAND).await;
    App::new(&config, &Endpoints::from_env(), table, bucket)
}

/// Says of an error of storage which table it was.
pub(super) fn of_table(name: &str) -> impl Fn(CliError) -> CliError {
    of(format!("the table {name:?}"), Endpoints::from_env().dynamodb)
}

/// Says of an error of storage which bucket it was.
pub(super) fn of_bucket(name: &str) -> impl Fn(CliError) -> CliError {
    of(format!("the bucket {name:?}"), Endpoints::from_env().s3)
}

fn of(store: String, url: Option<String>) -> impl Fn(CliError) -> CliError {
    move |error| match error {
        CliError::Store(source) => CliError::StoreOf { store: store.clone(), url: url.clone(), source },
        other => other,
    }
}
