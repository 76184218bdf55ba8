//! A running server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::EmbeddedError;

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

/// Where a server listens: a port alone is one of 127.0.0.1, and port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(SocketAddr);

impl From<u16> for Place {
    fn from(port: u16) -> Self {
        Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

impl From<(IpAddr, u16)> for Place {
    fn from(place: (IpAddr, u16)) -> Self {
        Self(SocketAddr::from(place))
    }
}

/// Listens there.
pub(crate) async fn listen(Place(place): Place) -> Result<(TcpListener, SocketAddr), EmbeddedError> {
    let listener = TcpListener::bind(place).await.map_err(|source| EmbeddedError::Listen { place, source })?;
    let address = listener.local_addr().map_err(|source| EmbeddedError::Listen { place, source })?;
    Ok((listener, address))
}
