//! The versions of a model's posterior.

use serde_json::{Value, json};

use super::parts::{assignment, list, number, text};
use crate::screen::{Screen, Table, percent};

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
            percent(expected),
            assignment(version, "/bias"),
        ]);
    }
    table.render(screen)
}
