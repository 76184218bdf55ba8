//! Factor → level as JSON, in the order of the configuration.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Dtype, Factor, Space};

/// A level as JSON writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum LevelValue {
    /// A level of a bool factor, where its text is `true` or `false`.
    Bool(bool),
    /// Any other level.
    Text(String),
    /// The unknown level of a context factor: JSON `null`.
    Unknown,
}

impl LevelValue {
    /// The level of a factor by its number; the number of levels stands for `unknown`.
    #[must_use]
    pub fn of(factor: &Factor, level: usize) -> Self {
        match factor.levels().get(level) {
            None => Self::Unknown,
            Some(text) => match (factor.dtype(), text.as_str()) {
                (Dtype::Bool, "true") => Self::Bool(true),
                (Dtype::Bool, "false") => Self::Bool(false),
                _ => Self::Text(text.clone()),
            },
        }
    }
}

/// One level for each of some factors: a JSON object whose fields are in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment(
    /// Factor name and level.
    pub Vec<(String, LevelValue)>,
);

impl Assignment {
    /// The levels of a variant.
    #[must_use]
    pub fn of_variant(space: &Space, variant: usize) -> Self {
        Self::of(space.design(), &space.decode_variant(variant))
    }

    /// The levels of a context; a level is `null` where it is unknown.
    #[must_use]
    pub fn of_context(space: &Space, context: u64) -> Self {
        Self::of(space.context(), &space.decode_context(context))
    }

    fn of(factors: &[Factor], levels: &[usize]) -> Self {
        Self(factors.iter().zip(levels).map(|(f, &l)| (f.name().to_owned(), LevelValue::of(f, l))).collect())
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Assignment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Assignment".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Factor name and level, in the order of the configuration.",
            "type": "object",
            "additionalProperties": generator.subschema_for::<LevelValue>(),
        })
    }
}

impl Serialize for Assignment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, level) in &self.0 {
            map.serialize_entry(name, level)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Assignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Assignment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of factor to level")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Assignment, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Assignment(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
