//! Levels, variants and contexts as JSON.

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

/// The number of a context given as `{factor: level}`. A factor that is missing, null or of an unlisted level is unknown, by
/// the rule of [`snapshots::json_level`]; a name of no factor is ignored.
#[must_use]
pub fn context_number(space: &Space, context: &Map<String, Value>) -> u64 {
    let level = |factor: &Factor| {
        let known = context.get(factor.name()).and_then(|value| snapshots::json_level(factor, value));
        known.unwrap_or(factor.levels().len())
    };
    space.encode_context(&space.context().iter().map(level).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_the_level_that_training_reads() {
        let factor = |name: &str, dtype, levels: &[&str]| {
            Factor::new(name, dtype, levels.iter().map(|l| (*l).into()).collect()).unwrap()
        };
        let design = vec![factor("h", Dtype::Str, &["a", "b"])];
        let context =
            vec![factor("price", Dtype::Str, &["1", "1.5"]), factor("member", Dtype::Bool, &["false", "true"])];
        let space = Space::new(design, context).unwrap();
        for (price, member, number) in [
            (r#""1""#, "false", 0),
            ("1", r#""false""#, 0),
            ("1.0", r#""False""#, 0),
            ("1e0", "true", 1),
            ("1.50", r#""TRUE""#, 4),
            (r#""1.50""#, r#""yes""#, 8),
            ("[1]", "1", 8),
            ("null", "null", 8),
        ] {
            let text = format!(r#"{{"price":{price},"member":{member},"other":1}}"#);
            assert_eq!(context_number(&space, &serde_json::from_str(&text).unwrap()), number, "{text}");
        }
        assert_eq!(context_number(&space, json!({}).as_object().unwrap()), 8);
    }
}
