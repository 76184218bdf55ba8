//! The schemas of the types: one generator for what is read and one for what is answered, whose definitions become one list.
//!
//! What is read may leave things out that answers always have. A type that differs so is described twice, and what is read of it
//! has `Input` after its name.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::http::Meta;

/// Where the definitions lie in the document.
const ANSWERED: &str = "#/components/schemas/";
/// Where references to what is read point until the definitions are one list.
const READ: &str = "#/read/";

/// Collects the definitions of the types that operations name.
pub(super) struct Schemas {
    read: SchemaGenerator,
    answered: SchemaGenerator,
    envelopes: Map<String, Value>,
}

impl Default for Schemas {
    fn default() -> Self {
        let at = |place: &str| {
            let place = place.trim_matches(['#', '/']);
            SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = format!("/{place}").into())
        };
        Self {
            read: at(READ).for_deserialize().into_generator(),
            answered: at(ANSWERED).for_serialize().into_generator(),
            envelopes: Map::new(),
        }
    }
}

impl Schemas {
    /// A body that is read.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// A body that is answered, as it is.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().to_value()
    }

    /// A body that is answered in the envelope: a definition of its own, of the name given.
    pub(super) fn success<T: JsonSchema>(&mut self, name: &str) -> Value {
        let (body, meta) = (self.answer::<T>(), self.answer::<Meta>());
        let mut meta = json!({"allOf": [meta]});
        meta["description"] = "What every answer says of itself.".into();
        let envelope = json!({"type": "object", "required": ["meta"], "properties": {"meta": meta}});
        self.envelopes.insert(name.to_owned(), json!({"allOf": [body, envelope]}));
        json!({"$ref": format!("{ANSWERED}{name}")})
    }

    /// The document with the definitions in their place.
    pub(super) fn complete(mut self, mut document: Value) -> Value {
        let mut all = self.answered.take_definitions(true);
        all.values_mut().for_each(absent_is_not_null);
        let read = self.read.take_definitions(true);
        let twice = differing(&all, &read);
        for (name, schema) in read {
            let name = if twice.contains(&name) { format!("{name}Input") } else { name };
            all.entry(name).or_insert(schema);
        }
        all.extend(self.envelopes);
        all.sort_keys();
        document["components"]["schemas"] = Value::Object(all);
        finish(&mut document, &twice);
        drop_unused(&mut document);
        document
    }
}

/// The names whose two definitions differ, themselves or in what they refer to.
fn differing(answered: &Map<String, Value>, read: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for (name, schema) in read {
            let Some(other) = answered.get(name) else { continue };
            let (text, other) = (schema.to_string(), other.to_string());
            let refers = found.iter().any(|name| text.contains(&format!("\"{READ}{name}\"")));
            if refers || text.replace(READ, ANSWERED) != other {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// An answer leaves out what there is not, where it may: such a field is not null too.
fn absent_is_not_null(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    let required = map.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties {
            if !required.iter().any(|known| known == name) {
                never_null(property);
            }
        }
    }
    for name in ["oneOf", "anyOf", "allOf"] {
        if let Some(Value::Array(alternatives)) = map.get_mut(name) {
            alternatives.iter_mut().for_each(absent_is_not_null);
        }
    }
}

fn never_null(property: &mut Value) {
    let Value::Object(map) = property else { return };
    if let Some(Value::Array(kinds)) = map.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            map["type"] = one.clone();
        }
    }
    let Some(Value::Array(alternatives)) = map.get_mut("anyOf") else { return };
    alternatives.retain(|one| one["type"] != "null");
    if let [Value::Object(one)] = alternatives.as_slice() {
        let one = one.clone();
        map.shift_remove("anyOf");
        map.extend(one);
    }
}

/// Drops definitions that nothing refers to: of types whose schema was taken apart.
fn drop_unused(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(Value::Object(schemas)) = document["components"].get_mut("schemas") else { return };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"{ANSWERED}{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}

/// Points references to what is read to where it is now, and turns doc comments into descriptions for readers of JSON.
fn finish(value: &mut Value, twice: &BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = plain(text);
            }
            // What is absent is not null: it is not there.
            if map.get("default").is_some_and(Value::is_null) {
                map.shift_remove("default");
            }
            // How wide an integer is in Rust says nothing to others; that it is not negative is in `minimum`.
            if map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                map.shift_remove("format");
            }
            if let Some(Value::String(text)) = map.get_mut("$ref")
                && let Some(name) = text.strip_prefix(READ)
            {
                let suffix = if twice.contains(name) { "Input" } else { "" };
                *text = format!("{ANSWERED}{name}{suffix}");
            }
            map.values_mut().for_each(|value| finish(value, twice));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| finish(value, twice)),
        _ => {}
    }
}

/// Without links to items of Rust, which only rustdoc can follow; `None` is `null`.
fn plain(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    let text = paragraphs.join("\n\n").replace("[`", "`").replace("`]", "`").replace("crate::", "");
    text.replace("`None`", "`null`").replace("StateDiagnostics::", "diagnostics.")
}
