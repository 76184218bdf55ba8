//! From the body of a request to policies that can be valued.

use std::collections::BTreeMap;

use bandit::{Factor, Space};
use serde_json::{Map, Value};

use super::rows::Rows;
use crate::domain::{AskedPolicy, PolicyRow, ShownPolicy};
use crate::echo::{self, quoted};
use crate::error::{ApiError, Detail};

/// Policies of a request, at most.
const MOST_POLICIES: usize = 10;
/// By how much the probabilities of a context may differ from 1 together.
const TOLERANCE: f64 = 1e-6;

/// A policy that is asked about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// That of a version.
    Version(u64),
    /// One that is written down.
    Written(ShownPolicy, Rows),
}

/// The policies of a request.
///
/// # Errors
/// [`ApiError::InvalidRequest`] with the place of each fault.
pub(super) fn asked(space: &Space, policies: &[AskedPolicy]) -> Result<Vec<Asked>, ApiError> {
    if !(1..=MOST_POLICIES).contains(&policies.len()) {
        let message = format!("there are {}; 1 to {MOST_POLICIES} are valued at once", policies.len());
        return Err(ApiError::invalid_at([Detail::new("policies", message)]));
    }
    let mut faults = Vec::new();
    let mut asked = Vec::new();
    for (i, policy) in policies.iter().enumerate() {
        asked.extend(one(space, policy, &format!("policies[{i}]"), &mut faults));
    }
    if faults.is_empty() { Ok(asked) } else { Err(ApiError::invalid_at(faults)) }
}

fn one(space: &Space, policy: &AskedPolicy, place: &str, faults: &mut Vec<Detail>) -> Option<Asked> {
    match (policy.posterior_version, policy.uniform, &policy.variant, &policy.table) {
        (Some(version), None, None, None) => Some(Asked::Version(version)),
        (None, Some(true), None, None) => Some(Asked::Written(ShownPolicy::Uniform(true), Rows::uniform(space))),
        (None, Some(false), None, None) => {
            faults.push(Detail::new(format!("{place}.uniform"), "false says nothing; leave it out"));
            None
        }
        (None, None, Some(levels), None) => {
            let variant = variant(space, levels, &format!("{place}.variant"), faults)?;
            Some(Asked::Written(ShownPolicy::Variant(levels.clone()), Rows::variant(variant)))
        }
        (None, None, None, Some(rows)) => {
            let known = faults.len();
            let table = table(space, rows, &format!("{place}.table"), faults);
            (faults.len() == known).then(|| Asked::Written(ShownPolicy::Table(rows.len()), table))
        }
        _ => {
            let message = "exactly one of posterior_version, uniform, variant and table is needed";
            faults.push(Detail::new(place, message));
            None
        }
    }
}

/// The level of a factor.
fn level(factor: &Factor, value: &Value, place: &str, faults: &mut Vec<Detail>) -> Option<usize> {
    let level = snapshots::json_level(factor, value);
    if level.is_none() {
        let message = format!("{} is none of its levels, {}", echo::value(value), echo::list(factor.levels()));
        faults.push(Detail::new(format!("{place}.{}", factor.name()), message));
    }
    level
}

/// Tells names that are of no factor.
fn check_names(factors: &[Factor], given: &Map<String, Value>, place: &str, faults: &mut Vec<Detail>) {
    let known: Vec<&str> = factors.iter().map(Factor::name).collect();
    for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
        let message = match known.as_slice() {
            [] => "there are no such factors".to_owned(),
            _ => format!("there is no factor {}; the factors are {}", quoted(name), echo::list(&known)),
        };
        faults.push(Detail::new(format!("{place}.{name}"), message));
    }
}

/// The number of a variant that is given by a level of each design factor.
fn variant(space: &Space, given: &Map<String, Value>, place: &str, faults: &mut Vec<Detail>) -> Option<usize> {
    check_names(space.design(), given, place, faults);
    let mut levels = Vec::new();
    for factor in space.design() {
        match given.get(factor.name()) {
            Some(value) => levels.extend(level(factor, value, place, faults)),
            None => faults.push(Detail::new(format!("{place}.{}", factor.name()), "a level is missing")),
        }
    }
    let variant = (levels.len() == space.design().len()).then(|| space.encode_variant(&levels))?;
    if !space.is_allowed(variant) {
        faults.push(Detail::new(place, "the variant is excluded, and was never shown"));
        return None;
    }
    Some(variant)
}

/// The number of a context that is given by a level of each factor, null for the unknown one.
fn context(space: &Space, given: &Map<String, Value>, place: &str, faults: &mut Vec<Detail>) -> Option<u64> {
    check_names(space.context(), given, place, faults);
    let mut levels = Vec::new();
    for factor in space.context() {
        match given.get(factor.name()) {
            Some(Value::Null) => levels.push(factor.levels().len()),
            Some(value) => levels.extend(level(factor, value, place, faults)),
            None => {
                let message = "a level is missing; null is the unknown one, and rows without a context hold in all";
                faults.push(Detail::new(format!("{place}.{}", factor.name()), message));
            }
        }
    }
    (levels.len() == space.context().len()).then(|| space.encode_context(&levels))
}

/// The rows of a table.
fn table(space: &Space, given: &[PolicyRow], place: &str, faults: &mut Vec<Detail>) -> Rows {
    let mut contexts: BTreeMap<Option<u64>, BTreeMap<usize, f64>> = BTreeMap::new();
    for (i, row) in given.iter().enumerate() {
        let place = format!("{place}[{i}]");
        let of = row.context.as_ref().map(|of| context(space, of, &format!("{place}.context"), faults));
        let variant = variant(space, &row.variant, &format!("{place}.variant"), faults);
        if !(0.0..=1.0).contains(&row.probability) {
            let message = format!("{} is not between 0 and 1", row.probability);
            faults.push(Detail::new(format!("{place}.probability"), message));
        }
        let (Some(variant), None | Some(Some(_))) = (variant, of) else { continue };
        if contexts.entry(of.flatten()).or_default().insert(variant, row.probability).is_some() {
            faults.push(Detail::new(place, "the same context and variant as in a row before"));
        }
    }
    if given.is_empty() {
        faults.push(Detail::new(place, "it has no row"));
    }
    let mut rows = Rows::default();
    for (context, of) in contexts {
        let sum: f64 = of.values().sum();
        if (sum - 1.0).abs() > TOLERANCE {
            let which = context.map_or_else(|| "the rows without a context".to_owned(), |of| shown(space, of));
            faults.push(Detail::new(place, format!("the probabilities of {which} add up to {sum}, and not to 1")));
        }
        // What is left of the tolerance is taken out.
        let of: Vec<(usize, f64)> =
            of.into_iter().filter(|(_, share)| *share > 0.0).map(|(variant, share)| (variant, share / sum)).collect();
        match context {
            Some(context) => drop(rows.of.insert(context, of)),
            None => rows.any = Some(of),
        }
    }
    rows
}

/// A context for people.
fn shown(space: &Space, context: u64) -> String {
    let levels = space.context().iter().zip(space.decode_context(context));
    let pair = |(factor, level): (&Factor, usize)| {
        let level = factor.levels().get(level).map_or("(unknown)", String::as_str);
        format!("{} = {}", factor.name(), echo::cut(level, 100))
    };
    levels.map(pair).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use bandit::Dtype;
    use serde_json::json;

    use super::*;

    fn space() -> Space {
        let factor = |name: &str, dtype, levels: &[&str]| {
            Factor::new(name, dtype, levels.iter().map(|level| (*level).into()).collect()).unwrap()
        };
        let design = vec![factor("headline", Dtype::Str, &["A", "B"]), factor("big", Dtype::Bool, &["false", "true"])];
        let context = vec![factor("device", Dtype::Str, &["desktop", "mobile"])];
        // A big B is excluded.
        Space::new(design, context).unwrap().excluding(&[vec![(0, 1), (1, 1)]])
    }

    fn parsed(policies: Value) -> Result<Vec<Asked>, ApiError> {
        asked(&space(), &serde_json::from_value::<Vec<AskedPolicy>>(policies).unwrap())
    }

    fn faults(policies: Value) -> Vec<(String, String)> {
        match parsed(policies).unwrap_err() {
            ApiError::InvalidRequest { details, .. } => details.into_iter().map(|d| (d.field, d.message)).collect(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn policies_are_what_they_say() {
        let row = |context: Value, headline: &str, probability: f64| {
            let mut row = json!({"variant": {"headline": headline, "big": false}, "probability": probability});
            if !context.is_null() {
                row["context"] = context;
            }
            row
        };
        let found = parsed(json!([
            {"posterior_version": 3},
            {"uniform": true, "variant": null},
            {"variant": {"headline": "A", "big": "true"}},
            {"table": [
                row(Value::Null, "A", 0.25), row(Value::Null, "B", 0.75),
                row(json!({"device": "mobile"}), "B", 1.0), row(json!({"device": null}), "A", 1.0),
                row(json!({"device": null}), "B", 0.0),
            ]},
        ]));
        let found = found.unwrap();
        assert_eq!(found[0], Asked::Version(3));
        let written = |place: usize| match &found[place] {
            Asked::Written(_, rows) => rows.clone(),
            Asked::Version(version) => panic!("{version}"),
        };
        let third = 1.0 / 3.0;
        assert_eq!(written(1).any, Some(vec![(0, third), (1, third), (2, third)]));
        assert_eq!(written(2), Rows::variant(1));
        let table = written(3);
        assert_eq!(table.any, Some(vec![(0, 0.25), (2, 0.75)]));
        assert_eq!(table.of, BTreeMap::from([(1, vec![(2, 1.0)]), (2, vec![(0, 1.0)])]));
        assert!(matches!(&found[3], Asked::Written(ShownPolicy::Table(5), _)));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let places = |policies: Value| faults(policies).into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert_eq!(places(json!([])), ["policies"]);
        assert_eq!(places(json!(vec![json!({"uniform": true}); 11])), ["policies"]);
        assert_eq!(places(json!([{}, {"uniform": true, "posterior_version": 1}])), ["policies[0]", "policies[1]"]);
        assert_eq!(places(json!([{"uniform": false}])), ["policies[0].uniform"]);
        assert_eq!(
            faults(json!([{"variant": {"headline": "C", "colour": "red"}}])),
            [
                ("policies[0].variant.colour", "there is no factor \"colour\"; the factors are headline, big"),
                ("policies[0].variant.headline", "\"C\" is none of its levels, A, B"),
                ("policies[0].variant.big", "a level is missing"),
            ]
            .map(|(field, message)| (field.to_owned(), message.to_owned()))
        );
        assert_eq!(
            faults(json!([{"variant": {"headline": "B", "big": true}}])),
            [("policies[0].variant".to_owned(), "the variant is excluded, and was never shown".to_owned())]
        );
        let a = json!({"headline": "A", "big": false});
        let table = json!([{"table": [
            {"variant": a, "probability": 0.5},
            {"variant": a, "probability": 0.4},
            {"context": {"device": "tv"}, "variant": a, "probability": 1},
            {"context": {}, "variant": a, "probability": 1},
            {"context": {"device": "mobile"}, "variant": a, "probability": 1.5},
        ]}]);
        let found = faults(table);
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "policies[0].table[1]",
                "policies[0].table[2].context.device",
                "policies[0].table[3].context.device",
                "policies[0].table[4].probability",
                "policies[0].table",
                "policies[0].table",
            ]
        );
        assert_eq!(found[4].1, "the probabilities of the rows without a context add up to 0.4, and not to 1");
        assert_eq!(found[5].1, "the probabilities of device = mobile add up to 1.5, and not to 1");
        assert_eq!(places(json!([{"table": []}])), ["policies[0].table"]);
    }
}
