//! The versions of a model's posterior.

use serde_json::{Value, json};

use crate::answers::{assignment, decimal, list, number, text};
use crate::screen::{Screen, Table};

/// `fulcrum models posteriors`.
pub(super) fn shown(screen: Screen, answer: &Value) -> String {
    let mut table =
        Table::new(&[">version", "", "trained", "in force", "snapshot", ">exposures", ">expected reward", "bias"]);
    for version in list(answer, "/posteriors") {
        let expected = number(version, "/in_sample_metrics/expected_reward/mean");
        table.row(vec![
            text(version, "/posterior_version"),
            if version["active"] == json!(true) { "active".into() } else { String::new() },
            text(version, "/trained_at"),
            in_force(version),
            text(version, "/snapshot_id"),
            text(version, "/observations/exposures"),
            decimal(expected),
            assignment(version, "/bias"),
        ]);
    }
    table.render(screen)
}

/// From when to when it was served: the last time, and how many there were before.
fn in_force(version: &Value) -> String {
    let times = list(version, "/in_force");
    let Some(last) = times.last() else { return "never".to_owned() };
    let end = |name: &str, absent: &str| last[name].as_str().unwrap_or(absent).to_owned();
    let more = if times.len() > 1 { format!(" ({} times)", times.len()) } else { String::new() };
    format!("{} … {}{more}", end("from", "long ago"), end("to", "now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_that_is_no_rate_is_not_told_as_one() {
        let version = json!({
            "posterior_version": 3, "active": true, "trained_at": "2026-11-23T19:00:00Z", "snapshot_id": "1",
            "in_sample_metrics": {"expected_reward": {"mean": 41.25}}, "observations": {"exposures": 400}, "bias": {},
            "in_force": [{"from": null, "to": "2026-11-20T00:00:00Z"}, {"from": "2026-11-23T19:00:00Z", "to": null}],
        });
        let shown = shown(Screen { bars: false, colour: false }, &json!({"posteriors": [version]}));
        assert!(shown.contains(" 41.2500") && !shown.contains('%'), "{shown}");
        assert!(shown.contains("2026-11-23T19:00:00Z … now (2 times)"), "{shown}");
    }
}
