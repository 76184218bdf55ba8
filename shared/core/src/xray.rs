//! X-Ray tracing: one subsegment with annotations per request, sent to the daemon beside the function, as its protocol has it:
//! a UDP packet with a header line and a JSON document. Without a daemon or outside a sampled trace nothing is sent.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The trace that a request belongs to, of the header `X-Amzn-Trace-Id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    root: String,
    parent: String,
}

impl Trace {
    /// The trace of a header `Root=…;Parent=…;Sampled=1`, if it is sampled.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let field = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        (field("Sampled") == Some("1")).then_some(())?;
        Some(Self { root: field("Root")?.to_owned(), parent: field("Parent")?.to_owned() })
    }

    /// Sends what a request was to the daemon at `AWS_XRAY_DAEMON_ADDRESS`, if there is one.
    pub fn send(&self, name: &str, took: Duration, annotations: &[(&str, Value)]) {
        if let Ok(daemon) = std::env::var("AWS_XRAY_DAEMON_ADDRESS") {
            self.send_to(&daemon, name, took, annotations);
        }
    }

    /// Sends it to a daemon. What cannot be sent is lost, as is X-Ray's way.
    fn send_to(&self, daemon: &str, name: &str, took: Duration, annotations: &[(&str, Value)]) {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return };
        let packet = self.packet(name, now, took, annotations);
        let sent = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.send_to(packet.as_bytes(), daemon));
        if let Err(error) = sent {
            tracing::debug!(%error, "a trace was not sent");
        }
    }

    /// What X-Ray accepts as a name: it has no braces and no `$`.
    fn accepted(name: &str) -> String {
        name.replace('{', ":").replace(['}', '$'], "")
    }

    fn packet(&self, name: &str, end: Duration, took: Duration, annotations: &[(&str, Value)]) -> String {
        let annotations: Map<String, Value> =
            annotations.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let id = Uuid::new_v4().simple().to_string();
        let document = json!({
            "name": Self::accepted(name),
            "id": &id[..16],
            "trace_id": self.root,
            "parent_id": self.parent,
            "type": "subsegment",
            "start_time": end.saturating_sub(took).as_secs_f64(),
            "end_time": end.as_secs_f64(),
            "annotations": annotations,
        });
        format!("{{\"format\":\"json\",\"version\":1}}\n{document}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ROUTES;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn only_a_sampled_trace_is_one() {
        assert!(Trace::parse(HEADER).is_some());
        for header in ["", "Root=1-a-b;Parent=c;Sampled=0", "Root=1-a-b;Sampled=1", "Parent=c;Sampled=1", "Sampled"] {
            assert_eq!(Trace::parse(header), None, "{header}");
        }
    }

    #[test]
    fn the_daemon_gets_the_packet() {
        let daemon = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = daemon.local_addr().unwrap().to_string();
        Trace::parse(HEADER).unwrap().send_to(&address, "GET /", Duration::from_millis(5), &[("status", json!(200))]);
        let mut packet = [0; 2048];
        let (length, _) = daemon.recv_from(&mut packet).unwrap();
        let text = std::str::from_utf8(&packet[..length]).unwrap();
        assert!(text.contains(r#""annotations":{"status":200}"#), "{text}");
    }

    #[test]
    fn the_name_of_every_route_is_one() {
        let routes = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path));
        for name in routes.chain(["$default".to_owned(), "batch".to_owned()]) {
            let accepted = Trace::accepted(&name);
            let good = |c: char| c.is_ascii_alphanumeric() || "_.:/%&#=+\\-@ ".contains(c);
            assert!(!accepted.is_empty() && accepted.chars().all(good), "{name}: {accepted}");
        }
        assert_eq!(Trace::accepted("POST /api/v2/models/{id}/train"), "POST /api/v2/models/:id/train");
    }

    #[test]
    fn a_packet_is_a_header_and_a_document() {
        let trace = Trace::parse(HEADER).unwrap();
        let annotations = [("organization", json!("org_1")), ("status", json!(200))];
        let packet = trace.packet("GET /api/v2/models", Duration::from_secs(100), Duration::from_secs(1), &annotations);
        let (header, document) = packet.split_once('\n').unwrap();
        assert_eq!(header, r#"{"format":"json","version":1}"#);
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(document["parent_id"], "53995c3f42cd8ad8");
        assert_eq!((document["start_time"].as_f64(), document["end_time"].as_f64()), (Some(99.0), Some(100.0)));
        assert_eq!(document["annotations"]["status"], 200);
        assert_eq!(document["id"].as_str().unwrap().len(), 16);
    }
}
