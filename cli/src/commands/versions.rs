//! The versions of a model's posterior.

use serde_json::{Value, json};

use crate::answers::{assignment, decimal, list, number, text};
use crate::screen::{Screen, Table};

/// `fulcrum models posteriors`.
pub(super) fn shown(screen: Screen, answer: &Value) -> String {
    let mut table = Table::new(&[">version", "", "trained", "snapshot", ">exposures", ">expected reward", "bias"]);
    for version in list(answer, "/posteriors") {
        let expected = number(version, "/in_sample_metrics/expected_reward/mean");
        table.row(vec![
            text(version, "/posterior_version"),
            if version["active"] == json!(true) { "active".into() } else { String::new() },
            text(version, "/trained_at"),
            text(version, "/snapshot_id"),
            text(version, "/observations/exposures"),
            decimal(expected),
            assignment(version, "/bias"),
        ]);
    }
    table.render(screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_that_is_no_rate_is_not_told_as_one() {
        let version = json!({
            "posterior_version": 3, "active": true, "trained_at": "2026-11-23T19:00:00Z", "snapshot_id": "1",
            "in_sample_metrics": {"expected_reward": {"mean": 41.25}}, "observations": {"exposures": 400}, "bias": {},
        });
        let shown = shown(Screen { bars: false, colour: false }, &json!({"posteriors": [version]}));
        assert!(shown.contains(" 41.2500") && !shown.contains('%'), "{shown}");
    }
}
