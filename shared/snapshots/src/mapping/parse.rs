//! From the JSON of a mapping to its tables, with an error for everything that is not understood.

use std::collections::BTreeMap;

use bandit::Space;
use serde_json::{Map, Value};

use super::path::{Path, text_of};
use super::presets;
use crate::level::json_level;
use crate::report::{cut, listed, value};

/// The fields that are taken from one path.
const FIELDS: [&str; 11] = [
    "anonymous_id",
    "timestamp",
    "optimization_id",
    "name",
    "value",
    "reward",
    "n",
    "reward_sum",
    "reward_sum_sq",
    "day",
    "nonzero",
];
const TABLES: [&str; 4] = ["exposures", "rewards", "observations", "cells"];

/// How the rows of a folder are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) fields: BTreeMap<String, Path>,
    pub(super) variant: Option<From>,
    pub(super) context: Option<From>,
    /// Paths and the values that rows must have there; `None` is null.
    pub(super) filters: Vec<(Path, Vec<Option<String>>)>,
}

/// Where a variant or a context comes from.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// A column that holds all factors.
    Path(Path),
    /// A path for each factor.
    Paths(Vec<(String, Path)>),
    /// A key, and the levels that each of its values stands for, as JSON text.
    Keys { from: Path, levels: BTreeMap<String, String> },
}

/// The tables of a mapping.
pub(super) fn tables(written: &Value) -> Result<BTreeMap<&'static str, Table>, String> {
    let mut written = object(written, "the mapping")?.clone();
    let experiment = written.remove("experiment");
    let preset = match written.remove("preset") {
        None if experiment.is_some() => {
            return Err("experiment needs a preset, which says in which column it is".into());
        }
        None => Map::new(),
        Some(Value::String(name)) => presets::preset(&name, experiment.as_ref())?,
        Some(other) => return Err(format!("preset is {}; it must be one of {}", value(other), presets::names())),
    };
    let written = merged(preset, written);
    let mut tables = BTreeMap::new();
    for (name, table) in &written {
        let known = TABLES.iter().find(|known| *known == name);
        let known = known.ok_or_else(|| {
            format!("{:?} is unknown; a mapping has preset, experiment, {}", cut(name), TABLES.join(", "))
        })?;
        tables.insert(*known, self::table(name, object(table, name)?)?);
    }
    Ok(tables)
}

fn object<'v>(written: &'v Value, at: &str) -> Result<&'v Map<String, Value>, String> {
    written.as_object().ok_or_else(|| format!("{at} is {}; it must be an object", value(written)))
}

/// One object over another: objects within are merged too, what is written goes before the preset.
fn merged(mut under: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in over {
        let value = match (under.remove(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => Value::Object(merged(under, over)),
            (_, value) => value,
        };
        under.insert(name, value);
    }
    under
}

fn table(at: &str, written: &Map<String, Value>) -> Result<Table, String> {
    let mut table = Table::default();
    for (name, written) in written {
        let at = format!("{at}.{}", cut(name));
        match name.as_str() {
            "variant" => table.variant = Some(from(written, &at)?),
            "context" => table.context = Some(from(written, &at)?),
            "where" => {
                for (path, wanted) in object(written, &at)? {
                    let path = Path::parse(&Value::String(path.clone()), &at)?;
                    table.filters.push((path, values(wanted, &at)?));
                }
            }
            field if FIELDS.contains(&field) => {
                table.fields.insert(field.into(), Path::parse(written, &at)?);
            }
            _ => {
                let known = FIELDS.join(", ");
                return Err(format!("{at} is unknown; a folder has variant, context, where, {known}"));
            }
        }
    }
    Ok(table)
}

/// The values that a filter lets pass: one, or one of several.
fn values(written: &Value, at: &str) -> Result<Vec<Option<String>>, String> {
    let one = |one: &Value| match one {
        Value::Null => Ok(None),
        Value::Array(_) | Value::Object(_) => {
            Err(format!("{at} has {}; it must be a text, a number, a bool or null", value(one)))
        }
        scalar => Ok(text_of(scalar)),
    };
    match written {
        Value::Array(values) => values.iter().map(one).collect(),
        single => one(single).map(|single| vec![single]),
    }
}

fn from(written: &Value, at: &str) -> Result<From, String> {
    let Value::Object(of) = written else { return Path::parse(written, at).map(From::Path) };
    if of.contains_key("path") && of.len() == 1 {
        return Path::parse(written, at).map(From::Path);
    }
    let Some(key) = of.get("from") else {
        if let Some(values) = of.get("values") {
            return Err(format!("{at} has values {}, and no from: the column of the key is missing", value(values)));
        }
        let path = |(factor, path): (&String, &Value)| {
            Ok((factor.clone(), Path::parse(path, &format!("{at}.{}", cut(factor)))?))
        };
        return of.iter().map(path).collect::<Result<_, String>>().map(From::Paths);
    };
    if let Some(other) = of.keys().find(|name| !matches!(name.as_str(), "from" | "values")) {
        return Err(format!("{at}.{} is unknown; a variation key has from and values", cut(other)));
    }
    let from = Path::parse(key, &format!("{at}.from"))?;
    let Some(values) = of.get("values") else {
        return Err(format!(
            "{at}.values is missing: it says which levels each value of {:?} stands for, as in {{\"0\": {{\"headline\": \"Ship faster\"}}}}",
            cut(&from.whole())
        ));
    };
    let mut levels = BTreeMap::new();
    for (key, of) in object(values, &format!("{at}.values"))? {
        object(of, &format!("{at}.values.{}", cut(key)))?;
        levels.insert(key.clone(), of.to_string());
    }
    Ok(From::Keys { from, levels })
}

impl Table {
    /// Checks the factors and levels of a variation key against the model's.
    pub(super) fn check(&self, space: &Space) -> Result<(), String> {
        let Some(From::Keys { levels, .. }) = &self.variant else {
            return match &self.variant {
                Some(From::Paths(paths)) => {
                    let known = |name: &str| space.design().iter().any(|factor| factor.name() == name);
                    match paths.iter().find(|(name, _)| !known(name)) {
                        Some((name, _)) => Err(format!("the model has no factor {:?}", cut(name))),
                        None => Ok(()),
                    }
                }
                _ => Ok(()),
            };
        };
        for (key, text) in levels {
            let key = cut(key);
            let levels: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            for (name, level) in &levels {
                let Some(factor) = space.design().iter().find(|factor| factor.name() == name) else {
                    return Err(format!("values.{key}: the model has no factor {:?}", cut(name)));
                };
                if json_level(factor, level).is_none() {
                    let (level, known) = (value(level), listed(factor.levels()));
                    return Err(format!("values.{key}: {name} has no level {level}; its levels are {known}"));
                }
            }
            if let Some(factor) = space.design().iter().find(|factor| !levels.contains_key(factor.name())) {
                return Err(format!("values.{key}: the factor {:?} is missing", factor.name()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (written, message) in [
            (json!([]), "the mapping is []"),
            (json!({"exposure": {}}), "\"exposure\" is unknown"),
            (json!({"exposures": 1}), "exposures is 1; it must be an object"),
            (json!({"exposures": {"id": "x"}}), "exposures.id is unknown"),
            (json!({"exposures": {"anonymous_id": 1}}), "exposures.anonymous_id is 1"),
            (json!({"exposures": {"variant": {"from": "v"}}}), "exposures.variant.values is missing"),
            (json!({"exposures": {"variant": {"values": {}}}}), "exposures.variant has values {}, and no from"),
            (
                json!({"exposures": {"variant": {"from": "v", "values": {}, "else": 1}}}),
                "exposures.variant.else is unknown",
            ),
            (json!({"exposures": {"variant": {"from": "v", "values": {"0": 1}}}}), "exposures.variant.values.0 is 1"),
            (json!({"exposures": {"where": {"a": {"b": 1}}}}), "exposures.where has {\"b\":1}"),
            (json!({"preset": "nobody"}), "there is no preset \"nobody\""),
            (json!({"preset": 7}), "preset is 7"),
            (json!({"experiment": "x"}), "experiment needs a preset"),
        ] {
            let error = tables(&written).unwrap_err();
            assert!(error.starts_with(message), "{written}: {error}");
        }
    }

    #[test]
    fn what_is_written_goes_before_the_preset() {
        let written = json!({"preset": "growthbook", "experiment": "checkout", "exposures": {
            "anonymous_id": "device_id", "where": {"country": "US"}, "variant": {"values": {"0": {"h": "a"}}}
        }});
        let table = &tables(&written).unwrap()["exposures"];
        assert_eq!(table.fields["anonymous_id"].whole(), "device_id");
        let mut filters: Vec<String> = table.filters.iter().map(|(path, _)| path.whole()).collect();
        filters.sort();
        assert_eq!(filters, ["country", "experiment_id"]);
        let Some(From::Keys { from, levels }) = &table.variant else { panic!("{:?}", table.variant) };
        assert_eq!((from.whole(), levels.len()), ("variation_id".to_owned(), 1));
    }
}
