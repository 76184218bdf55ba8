//! Schemas of what bodies hold as free JSON, and of what a type alone does not say: for the description of the API.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A kind of value whose schema is written out.
macro_rules! described {
    ($($(#[$doc:meta])* $name:ident = $generator:ident => $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

described! {
    /// A level of a text factor.
    TextLevel = _generator => level("A level: a text of 1 to 256 characters, or the same with an id.", &text(), &text());
    /// A level of a bool factor.
    BoolLevel = _generator => level(
        "A level: true or false, or the same with an id.",
        &json!({"type": "boolean"}),
        &json!({"anyOf": [text(), {"type": "boolean"}]}),
    );
    /// A level by its value.
    Level = _generator => json_schema!({
        "description": "A level by its value: a text of 1 to 256 characters where the factor's dtype is str, else true or false.",
        "anyOf": [text(), {"type": "boolean"}],
    });
    /// Levels of some design factors.
    Combination = generator => json_schema!({
        "description": "Levels of one design factor or several: every variant that has them all.",
        "type": "object",
        "additionalProperties": generator.subschema_for::<Level>(),
        "minProperties": 1,
    });
    /// A level that an event names.
    EventLevel = _generator => json_schema!({
        "description": "A level as it was seen: a text, a number, or true or false. It need not be one that the model knows.",
        "type": ["string", "number", "boolean"],
    });
}

/// A word that never is another.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "const": $word})
            }
        }
    )*};
}

words! {
    /// Of a run that ended.
    IsTrained = "trained";
    /// Of a run that waits.
    IsTraining = "training";
    /// Of a model that was deleted.
    IsArchived = "archived";
    /// Of a user's events.
    IsDeleting = "deleting";
    /// Of events that are published.
    IsFlushing = "flushing";
}

/// Where a body is about a mab.
pub(super) fn is_mab() -> Value {
    json!({"properties": {"model_type": {"const": "mab"}}, "required": ["model_type"]})
}

/// What a mab has none of.
pub(super) fn mab_leaves_out() -> Value {
    json!({"properties": {"training_data_config": {
        "properties": {"context_factors": {"maxItems": 0}, "prior": {"type": "null"}},
    }}})
}

/// A change that changes nothing is refused.
pub(super) fn name_or_status() -> Value {
    json!([
        {"required": ["name"], "properties": {"name": {"type": "string"}}},
        {"required": ["status"], "properties": {"status": {"type": "string"}}},
    ])
}

/// A policy that is asked about: exactly one of the ways to say it; null is absent.
pub(super) fn one_policy() -> Value {
    let way = |name: &str, kind: &str| json!({"required": [name], "properties": {name: {"type": kind}}});
    json!([
        way("posterior_version", "integer"),
        way("uniform", "boolean"),
        way("variant", "object"),
        way("table", "array"),
    ])
}

/// A percentage of users: none, or no less than one in a hundred million.
pub(super) fn none_or_a_share() -> Value {
    json!([{"const": 0}, {"minimum": 0.000_001}])
}

fn text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256})
}

fn level(description: &str, value: &Value, previous: &Value) -> Schema {
    let mut previous = json!({"type": ["array", "null"], "items": previous});
    previous["description"] = "What the level was before: data with one of these values count under the level.".into();
    let mut id = text();
    id["description"] = "The client's own id of the level: unique in its factor, and kept.".into();
    let mut named = value.clone();
    named["description"] = "The value of the level, which serving answers.".into();
    json_schema!({
        "description": description,
        "anyOf": [value, {
            "description": "A level with an id.",
            "type": "object",
            "properties": {"id": id, "value": named, "previous_values": previous},
            "required": ["id", "value"],
            "additionalProperties": false,
        }],
    })
}

/// The schema of a factor, one for each dtype: which levels it has, and whether they may be left out, follow from that.
pub(super) fn by_dtype(schema: &mut Schema) {
    let of = |dtype: &str, title: &str, reference: &str| {
        let mut one = schema.clone();
        one.remove("description");
        one.insert("title".to_owned(), title.into());
        if let Some(properties) = one.get_mut("properties") {
            properties["dtype"] = json!({"description": "The JSON type of its levels.", "const": dtype});
            properties["levels"]["items"] = json!({"$ref": reference});
            if dtype == "str" {
                properties["levels"]["type"] = "array".into();
            }
        }
        if dtype == "str" {
            one.insert("required".to_owned(), json!(["name", "dtype", "levels"]));
        }
        one
    };
    let reference = |name: &str| {
        let levels = schema.pointer("/properties/levels/items/anyOf");
        let all = levels.and_then(Value::as_array).into_iter().flatten();
        let mut references = all.filter_map(|one| one["$ref"].as_str());
        references.find(|path| path.ends_with(name)).unwrap_or_default().to_owned()
    };
    let (text, bool) = (reference("/TextLevel"), reference("/BoolLevel"));
    let both = [of("str", "Text factor", &text), of("bool", "Bool factor", &bool)];
    let description = schema.get("description").cloned();
    *schema = json_schema!({"oneOf": both});
    if let Some(description) = description {
        schema.insert("description".to_owned(), description);
    }
}

/// The schema of what an outcome matches, one for each thing that is looked at.
pub(super) fn by_what_is_matched(schema: &mut Schema) {
    let of = |by: &str, what: &str, value: Value| {
        let mut one = schema.clone();
        one.remove("description");
        if let Some(properties) = one.get_mut("properties") {
            properties["by"] = json!({"description": "What of a reward is looked at.", "const": by});
            properties["value"] = value;
            properties["value"]["description"] = what.into();
        }
        one
    };
    let number = json!({"type": ["number", "boolean"]});
    let both = [
        of("name", "The name of the reward.", text()),
        of("value", "Its value, where its name is the reward's.", number),
    ];
    let description = schema.get("description").cloned();
    *schema = json_schema!({"oneOf": both});
    if let Some(description) = description {
        schema.insert("description".to_owned(), description);
    }
}

/// The levels of a factor whose dtype is not yet known.
pub(super) enum AnyLevel {}

impl JsonSchema for AnyLevel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnyLevel".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<TextLevel>(), generator.subschema_for::<BoolLevel>()]})
    }
}
