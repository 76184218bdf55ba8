//! `fulcrum events`: exposures and rewards sent to the service, and seen as they come in.

use super::stores::{app, of_bucket};
use super::{send, tail};
use crate::args::EventsCommand;
use crate::client::Client;
use crate::error::CliError;

pub(crate) async fn run(command: EventsCommand) -> Result<(), CliError> {
    match command {
        EventsCommand::Send { file, flush, service } => {
            send::run(&Client::from_args(&service)?, &file, flush, service.json).await
        }
        EventsCommand::Tail { no_follow, bucket, organization } => {
            let app = app("", &bucket).await;
            tail::run(&app, &organization.organization, !no_follow, organization.json).await.map_err(of_bucket(&bucket))
        }
    }
}
