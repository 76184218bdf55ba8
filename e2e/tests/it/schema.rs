//! JSON Schema as docs/openapi.json uses it, and stricter: an object has no field that its schema does not name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A document with definitions.
pub struct Description(Value);

/// What is wrong with a value, and which of its fields the schema names.
#[derive(Default)]
struct Found {
    faults: Vec<String>,
    named: BTreeSet<String>,
}

/// Keywords that say nothing about whether a value is right, or are looked at elsewhere.
const SAID: [&str; 9] = [
    "description",
    "title",
    "format",
    "example",
    "default",
    "required",
    "pattern",
    "uniqueItems",
    "additionalProperties",
];

impl Description {
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    pub fn document(&self) -> &Value {
        &self.0
    }

    /// What a reference leads to; anything else as it is.
    pub fn follow<'d>(&'d self, value: &'d Value) -> &'d Value {
        value["$ref"].as_str().map_or(value, |to| self.at(to))
    }

    fn at(&self, reference: &str) -> &Value {
        self.0.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// What is wrong with a value that should be of a schema, with the place of each fault.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        Walk { description: self, strict: true }.closed(schema, value, "")
    }
}

/// A walk through a value and its schema.
#[derive(Clone, Copy)]
struct Walk<'d> {
    description: &'d Description,
    /// Whether a field that no schema names is a fault.
    strict: bool,
}

impl Walk<'_> {
    fn closed(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let Found { mut faults, named } = self.evaluate(schema, value, at);
        let fields = value.as_object().into_iter().flat_map(Map::keys).filter(|_| self.strict);
        faults.extend(
            fields.filter(|name| !named.contains(*name)).map(|name| format!("{} is not described", field(at, name))),
        );
        faults
    }

    fn evaluate(&self, schema: &Value, value: &Value, at: &str) -> Found {
        let mut found = Found::default();
        let Value::Object(keywords) = schema else {
            assert_eq!(schema, &Value::Bool(true), "{at}: no schema");
            found.named.extend(value.as_object().into_iter().flat_map(Map::keys).cloned());
            return found;
        };
        for (keyword, meaning) in keywords {
            self.keyword(keyword, meaning, value, at, &mut found);
        }
        self.conditions(keywords, value, at, &mut found);
        if let Value::Object(fields) = value {
            self.fields(keywords, fields, at, &mut found);
        }
        found
    }

    /// What follows where a value is of the schema under `if`. It names no field.
    fn conditions(&self, keywords: &Map<String, Value>, value: &Value, at: &str, found: &mut Found) {
        let (Some(condition), Some(then)) = (keywords.get("if"), keywords.get("then")) else { return };
        let open = Self { strict: false, ..*self };
        if open.evaluate(condition, value, at).faults.is_empty() {
            found.faults.extend(open.evaluate(then, value, at).faults);
        }
    }

    fn keyword(&self, keyword: &str, meaning: &Value, value: &Value, at: &str, found: &mut Found) {
        let mut fault = |right: bool, message: String| {
            if !right {
                let place = if at.is_empty() { String::new() } else { format!("{at}: ") };
                found.faults.push(format!("{place}{value} {message}"));
            }
        };
        let bound = meaning.as_f64().unwrap_or_default();
        let size = match value {
            Value::String(text) => Some(text.chars().count()),
            Value::Array(values) => Some(values.len()),
            Value::Object(fields) => Some(fields.len()),
            _ => None,
        };
        let limit = usize::try_from(meaning.as_u64().unwrap_or_default()).unwrap();
        match keyword {
            "$ref" => found.join(self.evaluate(self.description.at(meaning.as_str().unwrap()), value, at)),
            "type" => {
                fault(is_of(value, meaning), format!("is not of the type {}", meaning.as_str().unwrap_or("allowed")));
            }
            "const" => fault(value == meaning, format!("is not {meaning}")),
            "enum" => fault(meaning.as_array().unwrap().contains(value), format!("is none of {meaning}")),
            "minimum" => fault(value.as_f64().is_none_or(|x| x >= bound), format!("is less than {meaning}")),
            "exclusiveMinimum" => fault(value.as_f64().is_none_or(|x| x > bound), format!("is not above {meaning}")),
            "maximum" => fault(value.as_f64().is_none_or(|x| x <= bound), format!("is more than {meaning}")),
            "minLength" | "minItems" | "minProperties" => {
                fault(size.is_none_or(|size| size >= limit), format!("is smaller than {limit}"));
            }
            "maxLength" | "maxItems" => fault(size.is_none_or(|size| size <= limit), format!("is larger than {limit}")),
            "allOf" => meaning.as_array().unwrap().iter().for_each(|one| found.join(self.evaluate(one, value, at))),
            "anyOf" | "oneOf" => self.any(meaning.as_array().unwrap(), value, at, found),
            "items" | "prefixItems" => self.items(meaning, value, at, found),
            // Looked at where all keywords are known.
            "if" | "then" | "properties" => {}
            said => assert!(SAID.contains(&said), "{at}: the keyword {said} is new here"),
        }
    }

    /// The alternatives that a value is of; where it is of none, what is wrong by the one that is nearest.
    fn any(&self, alternatives: &[Value], value: &Value, at: &str, found: &mut Found) {
        let mut nearest: Option<Vec<String>> = None;
        let mut matched = false;
        for one in alternatives {
            // One that only asks for more of fields that are described elsewhere describes nothing inside of them.
            let narrows = |keyword: &String| ["required", "properties"].contains(&keyword.as_str());
            let strict = self.strict && !one.as_object().is_some_and(|keywords| keywords.keys().all(narrows));
            let walk = Self { strict, ..*self };
            // What is named by no alternative is a fault of each; only then it tells which field it is.
            let closed = walk.closed(one, value, at);
            let evaluated = walk.evaluate(one, value, at);
            if evaluated.faults.is_empty() {
                matched = true;
                found.named.extend(evaluated.named);
            } else if nearest.as_ref().is_none_or(|known| is_nearer(&closed, known)) {
                nearest = Some(closed);
            }
        }
        if !matched {
            found.faults.extend(nearest.unwrap_or_default());
        }
    }

    fn items(&self, meaning: &Value, value: &Value, at: &str, found: &mut Found) {
        for (i, item) in value.as_array().into_iter().flatten().enumerate() {
            let schema = if let Value::Array(schemas) = meaning { schemas.get(i) } else { Some(meaning) };
            if let Some(schema) = schema {
                found.faults.extend(self.closed(schema, item, &format!("{at}[{i}]")));
            }
        }
    }

    fn fields(&self, keywords: &Map<String, Value>, fields: &Map<String, Value>, at: &str, found: &mut Found) {
        for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                found.faults.push(format!("{} is missing", field(at, name)));
            }
        }
        for (name, value) in fields {
            let place = field(at, name);
            let schema = keywords.get("properties").and_then(|properties| properties.get(name));
            match schema.or_else(|| keywords.get("additionalProperties")) {
                Some(Value::Bool(false)) => found.faults.push(format!("{place} is not described")),
                Some(schema) => {
                    found.named.insert(name.clone());
                    if schema != &Value::Bool(true) {
                        found.faults.extend(self.closed(schema, value, &place));
                    }
                }
                None => {}
            }
        }
    }
}

impl Found {
    fn join(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.named.extend(other.named);
    }
}

/// Whether some faults lie deeper than others, and so tell more.
fn is_nearer(faults: &[String], known: &[String]) -> bool {
    let depth = |faults: &[String]| faults.iter().map(|fault| fault.matches(['.', '[']).count()).max();
    depth(faults) > depth(known)
}

fn field(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Whether a value is of a type, or of one of several.
fn is_of(value: &Value, kinds: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|x| x.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    match kinds {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        kind => is(kind.as_str().unwrap()),
    }
}
