//! What other policies would have earned, for people.

use serde_json::Value;

use crate::answers::{assignment, facts, list, number, text};
use crate::screen::{Screen, Table, percent};

/// What the policies were valued on.
pub(super) fn log(screen: Screen, log: &Value) -> String {
    let left_out = log.get("left_out").and_then(Value::as_object).into_iter().flatten();
    let reasons =
        left_out.filter(|(_, n)| n.as_u64() != Some(0)).map(|(name, n)| format!("{n} {}", name.replace('_', " ")));
    let observed = number(log, "/observed");
    facts(
        screen,
        &[
            ("exposures", format!("{}, decided by {} versions", text(log, "/events"), text(log, "/versions"))),
            ("left out", reasons.collect::<Vec<_>>().join(", ")),
            ("earned", if observed.is_finite() { format!("{observed:.4} per exposure") } else { String::new() }),
            ("design effect", format!("{:.2}", number(log, "/design_effect"))),
        ],
    )
}

/// A row for each policy; nothing where there is none.
pub(super) fn table(policies: &[Value]) -> Option<Table> {
    let mut table = Table::new(&[
        "policy",
        ">IPS",
        "95 %",
        ">SNIPS",
        "95 %",
        ">doubly robust",
        "95 %",
        ">worth exposures",
        "remark",
    ]);
    for policy in policies {
        let mut row = vec![name(policy)];
        for estimator in ["ips", "snips", "dr"] {
            let value = number(policy, &format!("/{estimator}/value"));
            row.push(if value.is_finite() { format!("{value:.4}") } else { String::new() });
            let end = |end: usize| number(policy, &format!("/{estimator}/ci/{end}"));
            let known = end(0).is_finite() && end(1).is_finite();
            row.push(if known { format!("{:.4} … {:.4}", end(0), end(1)) } else { String::new() });
        }
        row.push(format!("{:.0}", number(policy, "/effective_events")));
        row.push(remark(policy));
        table.row(row);
    }
    (!policies.is_empty()).then_some(table)
}

/// Why nothing is known; empty where something is.
pub(super) fn unavailable(found: &Value) -> String {
    text(found, "/unavailable/message")
}

/// The policies of an answer.
pub(super) fn policies(answer: &Value) -> &[Value] {
    list(answer, "/policies")
}

fn name(policy: &Value) -> String {
    let version = text(policy, "/policy/posterior_version");
    let rows = text(policy, "/policy/table");
    let shown = if !version.is_empty() {
        format!("version {version}")
    } else if policy.pointer("/policy/variant").is_some() {
        assignment(policy, "/policy/variant")
    } else if rows.is_empty() {
        "every variant alike".to_owned()
    } else {
        format!("table of {rows} rows")
    };
    match text(policy, "/name").as_str() {
        "" | "uniform" => shown,
        name => format!("{}: {shown}", name.replace('_', " ")),
    }
}

/// What keeps a value from being what it seems.
fn remark(policy: &Value) -> String {
    let withheld = match text(policy, "/withheld/reason").as_str() {
        "unsupported" => format!("withheld: {} of it was never shown", percent(number(policy, "/withheld/share"))),
        "few_rewards" => format!("no interval: worth {:.1} rewards", number(policy, "/withheld/effective")),
        "no_events" => "withheld: no exposure whose decision is known".to_owned(),
        _ => String::new(),
    };
    let learned = number(policy, "/learned_from");
    let seen = (learned > 0.0).then(|| format!("optimistic: {} of this it was learned from", percent(learned)));
    [Some(withheld).filter(|text| !text.is_empty()), seen].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_is_named_and_what_limits_its_value_is_said() {
        let newest = json!({"name": "newest_version", "policy": {"posterior_version": 4}, "learned_from": 1.0, "withheld": null});
        assert_eq!(name(&newest), "newest version: version 4");
        assert_eq!(remark(&newest), "optimistic: 100.00 % of this it was learned from");
        let baseline = json!({
            "name": "baseline", "policy": {"variant": {"headline": "A"}}, "learned_from": 0.0,
            "withheld": {"reason": "unsupported", "share": 0.25},
        });
        assert_eq!(name(&baseline), "baseline: headline=A");
        assert_eq!(remark(&baseline), "withheld: 25.00 % of it was never shown");
        assert_eq!(name(&json!({"name": "uniform", "policy": {"uniform": true}})), "every variant alike");
        assert_eq!(name(&json!({"policy": {"table": 12}})), "table of 12 rows");
        let few = json!({"policy": {"uniform": true}, "withheld": {"reason": "few_rewards", "effective": 3.25}});
        assert_eq!(remark(&few), "no interval: worth 3.2 rewards");
    }
}
