//! Under which names a server of this machine may be called.
//!
//! A page of another site can make its own name resolve to this machine (DNS rebinding), and the browser then takes the server
//! here for the page's own. What gives it away is the name in the header `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HOST, ORIGIN};
use hyper::http::Uri;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, http};

/// Names of this machine, beside its addresses and what ends in `.localhost`. Containers know it by the second.
const NAMES: [&str; 2] = ["localhost", "host.docker.internal"];

/// The names and addresses under which a server may be called.
#[derive(Clone, Debug)]
pub struct Hosts {
    bound: IpAddr,
    more: Arc<[String]>,
}

/// Why a request was not meant for the server, or comes from a page that may not call it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misdirected {
    /// There is not exactly one `Host`.
    #[error("the request must have exactly one Host header")]
    NoHost,
    /// It names another machine.
    #[error(
        "{0:?} is not a name of this server, which answers to localhost and its own addresses; --allow-host adds names"
    )]
    Host(String),
    /// It was sent by a web page.
    #[error("web pages may not call this; the request came from a page at {0:?}")]
    Origin(String),
}

impl Hosts {
    /// Names of this machine, its loopback addresses, the address that a server is bound to, and `more` names.
    pub fn new(bound: IpAddr, more: impl IntoIterator<Item = String>) -> Self {
        Self { bound: bound.to_canonical(), more: more.into_iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Checks that a request names this machine, as the client reached it at the address `reached`.
    ///
    /// # Errors
    /// [`Misdirected::NoHost`], [`Misdirected::Host`].
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, reached: IpAddr) -> Result<(), Misdirected> {
        let mut given = headers.get_all(HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else { return Err(Misdirected::NoHost) };
        let named = [Some(shown(host)), uri.authority().map(ToString::to_string)];
        for host in named.into_iter().flatten() {
            if !self.allows(&host, reached) {
                return Err(Misdirected::Host(host));
            }
        }
        Ok(())
    }

    /// As [`Hosts::check`], and that no web page sent it.
    ///
    /// # Errors
    /// As [`Hosts::check`], and [`Misdirected::Origin`].
    pub fn check_no_page(&self, uri: &Uri, headers: &HeaderMap, reached: IpAddr) -> Result<(), Misdirected> {
        self.check(uri, headers, reached)?;
        match headers.get(ORIGIN) {
            Some(origin) => Err(Misdirected::Origin(shown(origin))),
            None => Ok(()),
        }
    }

    /// Whether a host, with its port or without, is this machine.
    fn allows(&self, host: &str, reached: IpAddr) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        // Nobody writes a password there, and what is before an @ is not the host.
        if host.contains('@') {
            return false;
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        if let Ok(address) = name.parse::<IpAddr>() {
            let address = address.to_canonical();
            return address.is_loopback() || address == self.bound || address == reached.to_canonical();
        }
        let name = name.to_ascii_lowercase();
        NAMES.contains(&name.as_str()) || name.ends_with(".localhost") || self.more.contains(&name)
    }
}

fn shown(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(host: &str) -> bool {
        let hosts = Hosts::new("192.168.1.2".parse().unwrap(), ["My.Laptop".to_owned()]);
        hosts.allows(host, "10.0.0.7".parse().unwrap())
    }

    #[test]
    fn names_and_addresses_of_this_machine_are_known() {
        for host in [
            "localhost",
            "LocalHost:3000",
            "localhost.",
            "bucket.localhost:3002",
            "127.0.0.1:3000",
            "127.9.9.9",
            "[::1]:3000",
            "[::ffff:127.0.0.1]",
            "host.docker.internal:3001",
            "192.168.1.2",
            "10.0.0.7:80",
            "my.laptop:3000",
        ] {
            assert!(allows(host), "{host}");
        }
    }

    #[test]
    fn other_names_and_addresses_are_not() {
        for host in [
            "attacker.example",
            "localhost.attacker.example",
            "notlocalhost",
            "127.0.0.1.attacker.example",
            "10.0.0.8",
            "169.254.169.254",
            "[::2]",
            "localhost@attacker.example",
            "attacker.example@localhost",
            "",
            ":3000",
            "a b",
        ] {
            assert!(!allows(host), "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host_and_comes_from_no_page() {
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), []);
        let check = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = http::Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            hosts.check_no_page(&parts.uri, &parts.headers, "127.0.0.1".parse().unwrap())
        };
        assert_eq!(check("/", &[("host", "localhost")]), Ok(()));
        assert_eq!(check("/", &[]), Err(Misdirected::NoHost));
        assert_eq!(check("/", &[("host", "localhost"), ("host", "localhost")]), Err(Misdirected::NoHost));
        assert_eq!(check("/", &[("host", "a.example")]), Err(Misdirected::Host("a.example".into())));
        let other = check("http://a.example/", &[("host", "localhost")]);
        assert_eq!(other, Err(Misdirected::Host("a.example".into())));
        let page = check("/", &[("host", "localhost"), ("origin", "https://a.example")]);
        assert_eq!(page, Err(Misdirected::Origin("https://a.example".into())));
    }
}
