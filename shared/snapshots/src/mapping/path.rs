//! Paths into values: fields of objects and of JSON text, records by key, elements by number.

use serde_json::Value;

use crate::report::value;

/// A path: a column, and what is looked for within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    /// A column of exactly this name.
    pub(super) fn column(name: &str) -> Self {
        Self(vec![name.into()])
    }

    /// `geo.country`, or `["geo", "country"]` where a name has a dot in it.
    pub(super) fn parse(written: &Value, at: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{at} is {}; it must be a column, or a path such as \"geo.country\" or [\"geo\", \"country\"]",
                value(written)
            )
        };
        let parts = match written {
            Value::String(path) => path.split('.').map(str::to_owned).collect::<Vec<_>>(),
            Value::Array(parts) => {
                parts.iter().map(|part| part.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?
            }
            Value::Object(object) => match (object.get("path"), object.len()) {
                (Some(path @ (Value::String(_) | Value::Array(_))), 1) => return Self::parse(path, at),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        if parts.is_empty() || parts.iter().any(String::is_empty) { Err(wrong()) } else { Ok(Self(parts)) }
    }

    pub(super) fn whole(&self) -> String {
        self.0.join(".")
    }

    pub(super) fn first(&self) -> &str {
        &self.0[0]
    }

    pub(super) fn rest(&self) -> &[String] {
        &self.0[1..]
    }
}

/// What is at a path within a value; null where nothing is.
pub(super) fn find(value: &Value, path: &[String]) -> Value {
    let Some((first, rest)) = path.split_first() else { return value.clone() };
    match value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => find(&inner, path),
            _ => Value::Null,
        },
        Value::Object(object) => {
            // A name may have dots in it.
            if let Some(whole) = object.get(&path.join(".")) {
                return whole.clone();
            }
            let other_case =
                || object.iter().find(|(name, _)| name.eq_ignore_ascii_case(first)).map(|(_, value)| value);
            object.get(first).or_else(other_case).map_or(Value::Null, |value| find(value, rest))
        }
        Value::Array(records) => {
            let named = |record: &&Value| {
                ["key", "name", "Key", "Name"].iter().any(|key| record.get(key).and_then(Value::as_str) == Some(first))
            };
            if let Some(record) = records.iter().find(named) {
                let value = record.get("value").or_else(|| record.get("Value")).unwrap_or(&Value::Null);
                return find(&of_any_type(value), rest);
            }
            first
                .parse()
                .ok()
                .and_then(|index: usize| records.get(index))
                .map_or(Value::Null, |value| find(value, rest))
        }
        _ => Value::Null,
    }
}

/// The value of a record that has a field for each type: `{"string_value": null, "int_value": 1}`.
fn of_any_type(value: &Value) -> Value {
    match value {
        Value::Object(types) if !types.is_empty() && types.keys().all(|name| name.ends_with("_value")) => {
            types.values().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null)
        }
        other => other.clone(),
    }
}

/// A scalar as text, as it is compared; `None` for null and for what is no scalar.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_at_a_path() {
        let record = json!({
            "geo": {"country": "US"},
            "properties": "{\"$feature_flag\":\"exp\",\"a.b\":2}",
            "params": [
                {"key": "variation_id", "value": {"string_value": null, "int_value": 1}},
                {"key": "page", "value": {"string_value": "/x"}},
                {"name": "plain", "value": "y"}
            ],
            "list": [10, {"x": 11}]
        });
        for (path, found) in [
            ("geo.country", json!("US")),
            ("geo.Country", json!("US")),
            ("GEO.country", json!("US")),
            ("geo", json!({"country": "US"})),
            ("geo.city", json!(null)),
            ("geo.country.x", json!(null)),
            ("properties.$feature_flag", json!("exp")),
            ("properties.a.b", json!(2)),
            ("params.variation_id", json!(1)),
            ("params.page", json!("/x")),
            ("params.plain", json!("y")),
            ("params.none", json!(null)),
            ("list.0", json!(10)),
            ("list.1.x", json!(11)),
            ("list.7", json!(null)),
        ] {
            let parsed = Path::parse(&json!(path), "at").unwrap();
            let parts: Vec<String> = std::iter::once(parsed.first().to_owned()).chain(parsed.rest().to_vec()).collect();
            assert_eq!(find(&record, &parts), found, "{path}");
        }
    }

    #[test]
    fn what_is_no_path() {
        for written in
            [json!(1), json!(""), json!("a..b"), json!([]), json!(["a", 1]), json!({"path": "a", "x": 1}), json!({})]
        {
            assert!(
                Path::parse(&written, "exposures.name").unwrap_err().starts_with("exposures.name is "),
                "{written}"
            );
        }
        assert_eq!(Path::parse(&json!(["a.b", "c"]), "at").unwrap().rest(), ["c"]);
    }
}
