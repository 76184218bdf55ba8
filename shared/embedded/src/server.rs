//! A running server, and where it listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connections::Timeouts;
use crate::error::EmbeddedError;
use crate::hosts::Hosts;

/// How long [`Server::shutdown`] lets requests under way finish.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. It stops when this value is dropped; [`Server::shutdown`] also waits until it has.
#[derive(Debug)]
#[must_use = "the server stops when this value is dropped"]
pub struct Server {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(address: SocketAddr, stop: oneshot::Sender<()>, task: JoinHandle<()>) -> Self {
        Self { url: format!("http://{address}"), stop: Some(stop), task: Some(task) }
    }

    /// The endpoint for clients, as `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops taking connections, lets requests under way finish (for at most 5 s), and gives the data folder free.
    pub async fn shutdown(mut self) {
        self.stop = None;
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(GRACE, &mut task).await.is_err()
        {
            tracing::warn!(url = self.url, "requests under way did not finish; stopping without them");
            task.abort();
            let _ = task.await;
        }
    }
}

/// Where a server listens, under which names, and how long it waits for clients. A port alone is one of 127.0.0.1, and port 0
/// takes a free one.
#[derive(Clone, Debug)]
pub struct Place {
    address: SocketAddr,
    pub(crate) hosts: Hosts,
    pub(crate) timeouts: Timeouts,
}

impl Place {
    /// The same place, which more names lead to.
    #[must_use]
    pub fn with_hosts(self, more: impl IntoIterator<Item = String>) -> Self {
        Self { hosts: Hosts::new(self.address.ip(), more), ..self }
    }

    /// The same place with other time-outs.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Listens there.
    pub(crate) async fn listen(&self) -> Result<(TcpListener, SocketAddr), EmbeddedError> {
        let failed = |source| EmbeddedError::Listen { place: self.address, source };
        let listener = TcpListener::bind(self.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((listener, address))
    }
}

impl From<u16> for Place {
    fn from(port: u16) -> Self {
        (IpAddr::V4(Ipv4Addr::LOCALHOST), port).into()
    }
}

impl From<(IpAddr, u16)> for Place {
    fn from((address, port): (IpAddr, u16)) -> Self {
        Self { address: (address, port).into(), hosts: Hosts::new(address, []), timeouts: Timeouts::default() }
    }
}
