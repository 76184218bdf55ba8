//! Variants and contexts as JSON.

use bandit::{Dtype, Factor, Space};
use serde_json::{Map, Value};

/// A level as JSON, of the factor's type.
#[must_use]
pub fn level_json(factor: &Factor, level: usize) -> Value {
    let text = &factor.levels()[level];
    match factor.dtype() {
        Dtype::Str => Value::String(text.clone()),
        Dtype::Bool => Value::Bool(text == "true"),
    }
}

/// A variant as `{factor: level}`.
#[must_use]
pub fn variant_json(space: &Space, variant: usize) -> Map<String, Value> {
    let levels = space.decode_variant(variant);
    let pairs = space.design().iter().zip(levels);
    pairs.map(|(factor, level)| (factor.name().to_owned(), level_json(factor, level))).collect()
}

/// The number of a context given as `{factor: level}`. A factor that is missing, null or of an unlisted level is unknown; a
/// name of no factor is ignored.
#[must_use]
pub fn context_number(space: &Space, context: &Map<String, Value>) -> u64 {
    let level = |factor: &Factor| {
        let text = match context.get(factor.name()) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
            _ => None,
        };
        text.and_then(|text| factor.level(&text)).unwrap_or(factor.levels().len())
    };
    space.encode_context(&space.context().iter().map(level).collect::<Vec<_>>())
}
