//! Events to a URL: what `EventBridge` would deliver, one POST each.

use std::fmt;

use bytes::Bytes;
use fulcrum_core::notifications::{Notification, Recipient, SendError, Sending};

use crate::client::Client;
use crate::error::CliError;

/// Whoever listens at a URL.
pub struct Webhook(Client);

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook")
    }
}

impl Webhook {
    /// The listener at a URL.
    ///
    /// # Errors
    /// [`CliError::Url`] for what is no URL of a server.
    pub fn new(url: &str) -> Result<Self, CliError> {
        Client::without_token(url).map(Self)
    }
}

impl Recipient for Webhook {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        let body = Bytes::from(notification.document().to_string());
        Box::pin(async move { self.0.post_to_base(body).await.map_err(|error| SendError(error.to_string())) })
    }
}
