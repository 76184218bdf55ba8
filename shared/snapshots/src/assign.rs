//! Variants and contexts of rows: from what is written to their numbers.

use std::collections::HashMap;

use bandit::{Factor, Space};
use serde_json::{Map, Value};

use crate::level::{Level, Scalar, json, level};

/// Distinct texts whose numbers are remembered; further ones are parsed each time, so that memory stays bounded.
const REMEMBERED: usize = 1 << 16;

/// The variant of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Index(usize),
    Unknown,
    BadJson,
}

/// The context of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// `unknown`: at least one factor has its unknown level.
    Index {
        index: u64,
        unknown: bool,
    },
    BadJson,
}

/// The levels of a row, one for each factor, as they are collected.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    levels: Vec<Level>,
    foreign: bool,
}

impl Levels {
    pub(crate) fn new(factors: usize) -> Self {
        Self { levels: vec![Level::Missing; factors], foreign: false }
    }

    pub(crate) fn clear(&mut self) {
        self.levels.fill(Level::Missing);
        self.foreign = false;
    }

    pub(crate) fn set(&mut self, factor: usize, level: Level) {
        self.levels[factor] = level;
    }

    /// Says that the row has a factor that is none of these.
    pub(crate) fn set_foreign(&mut self) {
        self.foreign = true;
    }
}

/// Numbers the variants and contexts of one worker's rows.
#[derive(Debug)]
pub(crate) struct Assigner<'a> {
    space: &'a Space,
    variants: HashMap<Box<str>, Variant>,
    contexts: HashMap<Box<str>, Context>,
    design: Levels,
    context: Levels,
    numbers: Vec<usize>,
    none: Context,
}

impl<'a> Assigner<'a> {
    pub(crate) fn new(space: &'a Space) -> Self {
        let unknown: Vec<usize> = space.context().iter().map(|f| f.levels().len()).collect();
        let none = Context::Index { index: space.encode_context(&unknown), unknown: !unknown.is_empty() };
        Self {
            space,
            none,
            variants: HashMap::new(),
            contexts: HashMap::new(),
            design: Levels::new(space.design().len()),
            context: Levels::new(space.context().len()),
            numbers: Vec::new(),
        }
    }

    pub(crate) fn space(&self) -> &'a Space {
        self.space
    }

    /// The variant written as JSON text.
    pub(crate) fn variant(&mut self, text: Option<&str>) -> Variant {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Variant::Unknown };
        if let Some(&known) = self.variants.get(text) {
            return known;
        }
        let mut levels = std::mem::replace(&mut self.design, Levels::new(0));
        let read = read_object(text, self.space.design(), "variant", &mut levels);
        let variant = if read { self.variant_of(&levels) } else { Variant::BadJson };
        self.design = levels;
        if self.variants.len() < REMEMBERED {
            self.variants.insert(text.into(), variant);
        }
        variant
    }

    /// The context written as JSON text.
    pub(crate) fn context(&mut self, text: Option<&str>) -> Context {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return self.none };
        if let Some(&known) = self.contexts.get(text) {
            return known;
        }
        let mut levels = std::mem::replace(&mut self.context, Levels::new(0));
        let read = read_object(text, self.space.context(), "context", &mut levels);
        let context = if read { self.context_of(&levels) } else { Context::BadJson };
        self.context = levels;
        if self.contexts.len() < REMEMBERED {
            self.contexts.insert(text.into(), context);
        }
        context
    }

    /// The variant of collected levels.
    pub(crate) fn variant_of(&mut self, levels: &Levels) -> Variant {
        self.numbers.clear();
        for level in &levels.levels {
            match level {
                Level::Known(number) => self.numbers.push(*number),
                Level::Missing | Level::Unknown => return Variant::Unknown,
            }
        }
        if levels.foreign { Variant::Unknown } else { Variant::Index(self.space.encode_variant(&self.numbers)) }
    }

    /// The context of collected levels.
    pub(crate) fn context_of(&mut self, levels: &Levels) -> Context {
        self.numbers.clear();
        let mut unknown = false;
        for (level, factor) in levels.levels.iter().zip(self.space.context()) {
            self.numbers.push(match level {
                Level::Known(number) => *number,
                Level::Missing | Level::Unknown => {
                    unknown = true;
                    factor.levels().len()
                }
            });
        }
        Context::Index { index: self.space.encode_context(&self.numbers), unknown }
    }

    /// The context in which nothing is known.
    pub(crate) fn no_context(&self) -> Context {
        self.none
    }
}

/// Collects the levels of a JSON object; false where the text is none. A `column` that is itself the only factor may hold its levels as
/// they are.
fn read_object(text: &str, factors: &[Factor], column: &str, levels: &mut Levels) -> bool {
    levels.clear();
    let object = match serde_json::from_str::<Option<Map<String, Value>>>(text) {
        Ok(Some(object)) => object,
        Ok(None) => return true,
        Err(_) => {
            return match factors {
                [factor] if factor.name().eq_ignore_ascii_case(column) => {
                    levels.set(0, bare_level(factor, text));
                    true
                }
                _ => false,
            };
        }
    };
    for (key, value) in &object {
        match factors.iter().position(|f| f.name() == key) {
            Some(factor) => levels.set(factor, json(&factors[factor], value)),
            None if value.is_null() => {}
            None => levels.set_foreign(),
        }
    }
    true
}

/// A level that is written without an object around it, as text or as a JSON scalar.
fn bare_level(factor: &Factor, text: &str) -> Level {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::String(text)) => level(factor, Scalar::Text(&text)),
        _ => level(factor, Scalar::Untyped(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandit::Dtype;

    fn factor(name: &str, dtype: Dtype, levels: &[&str]) -> Factor {
        Factor::new(name, dtype, levels.iter().map(|l| (*l).into()).collect()).unwrap()
    }

    fn space() -> Space {
        Space::new(
            vec![factor("h", Dtype::Str, &["a", "1", "2.5"]), factor("b", Dtype::Bool, &["false", "true"])],
            vec![factor("d", Dtype::Str, &["x", "y"])],
        )
        .unwrap()
    }

    #[test]
    fn variants() {
        let space = space();
        let mut assigner = Assigner::new(&space);
        for (text, variant) in [
            (r#"{"h":"a","b":false}"#, Variant::Index(0)),
            (r#" {"b": "true", "h": "a"} "#, Variant::Index(1)),
            (r#"{"h":1,"b":"True"}"#, Variant::Index(3)),
            (r#"{"h":"1","b":false,"old":null}"#, Variant::Index(2)),
            (r#"{"h":1.0,"b":false}"#, Variant::Index(2)),
            (r#"{"h":2.5,"b":true}"#, Variant::Index(5)),
            (r#"{"h":2.50,"b":true}"#, Variant::Index(5)),
            (r#"{"h":"2.50","b":true}"#, Variant::Unknown),
            (r#"{"h":"\u0061","b":true}"#, Variant::Index(1)),
            (r#"{"h":"a"}"#, Variant::Unknown),
            (r#"{"h":"a","b":null}"#, Variant::Unknown),
            (r#"{"h":"A","b":true}"#, Variant::Unknown),
            (r#"{"H":"a","b":true}"#, Variant::Unknown),
            (r#"{"h":"a","b":true,"extra":1}"#, Variant::Unknown),
            (r#"{"h":["a"],"b":true}"#, Variant::Unknown),
            ("null", Variant::Unknown),
            ("", Variant::Unknown),
            ("a", Variant::BadJson),
            (r#"["a"]"#, Variant::BadJson),
            (r#"{"h":"a","b":true"#, Variant::BadJson),
            (r#"{"h":"a","b":true} x"#, Variant::BadJson),
        ] {
            assert_eq!(assigner.variant(Some(text)), variant, "{text}");
            assert_eq!(assigner.variant(Some(text)), variant, "{text}, remembered");
        }
        assert_eq!(assigner.variant(None), Variant::Unknown);
    }

    #[test]
    fn contexts() {
        let space = space();
        let mut assigner = Assigner::new(&space);
        for (text, index, unknown) in [
            (r#"{"d":"x"}"#, 0, false),
            (r#"{"d":"y","more":[1]}"#, 1, false),
            (r#"{"d":"z"}"#, 2, true),
            (r#"{"d":null}"#, 2, true),
            ("{}", 2, true),
            ("null", 2, true),
        ] {
            assert_eq!(assigner.context(Some(text)), Context::Index { index, unknown }, "{text}");
        }
        assert_eq!(assigner.context(None), Context::Index { index: 2, unknown: true });
        assert_eq!(assigner.context(Some("x")), Context::BadJson);
    }

    #[test]
    fn a_factor_called_variant_may_stand_alone() {
        let space = Space::new(vec![factor("variant", Dtype::Str, &["A", "1", "null"])], vec![]).unwrap();
        let mut assigner = Assigner::new(&space);
        for (text, variant) in [
            ("A", Variant::Index(0)),
            ("\"A\"", Variant::Index(0)),
            ("1", Variant::Index(1)),
            (r#"{"variant":"A"}"#, Variant::Index(0)),
            ("B", Variant::Unknown),
        ] {
            assert_eq!(assigner.variant(Some(text)), variant, "{text}");
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let space = space();
        let mut assigner = Assigner::new(&space);
        for i in 0..REMEMBERED + 10 {
            let text = format!(r#"{{"d":"y","visit":{i}}}"#);
            assert_eq!(assigner.context(Some(&text)), Context::Index { index: 1, unknown: false });
        }
        assert_eq!(assigner.contexts.len(), REMEMBERED);
    }
}
