//! Variants and contexts of rows: from what is written to their numbers.

use std::collections::HashMap;

use bandit::Space;
use serde_json::Value;

use crate::entries::Entries;
use crate::level::{Level, Scalar, level};
use crate::unknown::{CauseId, Found, Side, TextId, Unknowns};

/// Distinct texts whose numbers are remembered; further ones are parsed each time, so that memory stays bounded.
const REMEMBERED: usize = 1 << 16;
/// Bytes of a text that is no level and is remembered.
const SHORT: usize = 256;

/// The variant of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Index(usize),
    Unknown(CauseId),
    BadJson(TextId),
    /// The factor of this name is in it twice.
    Twice(TextId),
}

/// The context of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// `unknown`: why at least one factor has its unknown level, where one has.
    Index {
        index: u64,
        unknown: Option<CauseId>,
    },
    BadJson(TextId),
    /// The factor of this name is in it twice.
    Twice(TextId),
}

/// The levels of a row, one for each factor, as they are collected.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    /// One for each factor, and last what is none of them.
    found: Vec<Found>,
    /// A factor of which the row has two.
    twice: Option<TextId>,
}

impl Levels {
    pub(crate) fn new(factors: usize) -> Self {
        Self { found: vec![Found::Missing; factors + 1], twice: None }
    }

    pub(crate) fn clear(&mut self) {
        self.found.fill(Found::Missing);
        self.twice = None;
    }

    pub(crate) fn set(&mut self, factor: usize, level: Found) {
        self.found[factor] = level;
    }

    /// Says that the row has a factor that is none of these.
    pub(crate) fn set_foreign(&mut self, name: TextId) {
        if let Some(last) = self.found.last_mut() {
            *last = Found::Unknown(name);
        }
    }

    /// Says that the row has the factor of this name twice.
    pub(crate) fn set_twice(&mut self, name: TextId) {
        self.twice = Some(name);
    }
}

/// Numbers the variants and contexts of one worker's rows.
#[derive(Debug)]
pub(crate) struct Assigner<'a> {
    space: &'a Space,
    unknowns: &'a Unknowns,
    variants: HashMap<Box<str>, Variant>,
    contexts: HashMap<Box<str>, Context>,
    /// Texts that are no level, and sets of levels that are not known, that this worker has met.
    texts: HashMap<Box<str>, TextId>,
    causes: [HashMap<Box<[Found]>, CauseId>; 2],
    design: Levels,
    context: Levels,
    numbers: Vec<usize>,
    none: Context,
    has_twice: bool,
}

impl<'a> Assigner<'a> {
    pub(crate) fn new(space: &'a Space, unknowns: &'a Unknowns) -> Self {
        let mut assigner = Self {
            space,
            unknowns,
            none: Context::Index { index: 0, unknown: None },
            variants: HashMap::new(),
            contexts: HashMap::new(),
            texts: HashMap::new(),
            causes: Default::default(),
            design: Levels::new(space.design().len()),
            context: Levels::new(space.context().len()),
            numbers: Vec::new(),
            has_twice: false,
        };
        assigner.none = assigner.context_of(&Levels::new(space.context().len()));
        assigner
    }

    pub(crate) fn space(&self) -> &'a Space {
        self.space
    }

    /// Whether any row had a factor twice.
    pub(crate) fn has_twice(&self) -> bool {
        self.has_twice
    }

    /// What the text of a number was.
    pub(crate) fn shown(&self, text: TextId) -> String {
        self.unknowns.shown(text).unwrap_or_else(|| "…".into())
    }

    /// The variant written as JSON text.
    pub(crate) fn variant(&mut self, text: Option<&str>) -> Variant {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return self.no_variant() };
        if let Some(&known) = self.variants.get(text) {
            return known;
        }
        let mut levels = std::mem::replace(&mut self.design, Levels::new(0));
        let read = self.read_object(text, Side::Design, "variant", &mut levels);
        let variant = if read { self.variant_of(&levels) } else { Variant::BadJson(self.text(text)) };
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
        let read = self.read_object(text, Side::Context, "context", &mut levels);
        let context = if read { self.context_of(&levels) } else { Context::BadJson(self.text(text)) };
        self.context = levels;
        if self.contexts.len() < REMEMBERED {
            self.contexts.insert(text.into(), context);
        }
        context
    }

    /// The variant of collected levels.
    pub(crate) fn variant_of(&mut self, levels: &Levels) -> Variant {
        if let Some(name) = levels.twice {
            self.has_twice = true;
            return Variant::Twice(name);
        }
        self.numbers.clear();
        for level in &levels.found {
            match level {
                Found::Known(number) => self.numbers.push(*number),
                Found::Missing if self.numbers.len() == self.space.design().len() => {}
                Found::Missing | Found::Unknown(_) => return Variant::Unknown(self.cause(Side::Design, levels)),
            }
        }
        Variant::Index(self.space.encode_variant(&self.numbers))
    }

    /// The context of collected levels.
    pub(crate) fn context_of(&mut self, levels: &Levels) -> Context {
        if let Some(name) = levels.twice {
            self.has_twice = true;
            return Context::Twice(name);
        }
        self.numbers.clear();
        let mut known = true;
        for (level, factor) in levels.found.iter().zip(self.space.context()) {
            self.numbers.push(match level {
                Found::Known(number) => *number,
                Found::Missing | Found::Unknown(_) => {
                    known = false;
                    factor.levels().len()
                }
            });
        }
        let index = self.space.encode_context(&self.numbers);
        let unknown = (!known).then(|| self.cause(Side::Context, levels));
        Context::Index { index, unknown }
    }

    /// The variant of which nothing is known.
    pub(crate) fn no_variant(&mut self) -> Variant {
        let nothing = Levels::new(self.space.design().len());
        self.variant_of(&nothing)
    }

    /// The context in which nothing is known.
    pub(crate) fn no_context(&self) -> Context {
        self.none
    }

    /// What a value is for a factor.
    pub(crate) fn find(&mut self, side: Side, factor: usize, scalar: Scalar<'_>) -> Found {
        match level(&side.factors(self.space)[factor], scalar) {
            Level::Known(number) => Found::Known(number),
            Level::Missing => Found::Missing,
            Level::Unknown => Found::Unknown(match scalar {
                Scalar::Text(text) | Scalar::Number(text) | Scalar::Untyped(text) => self.text(text),
                Scalar::Bool(value) => self.text(if value { "true" } else { "false" }),
                Scalar::Nested => self.text("an array or object"),
                Scalar::Null => self.text("null"),
            }),
        }
    }

    /// The number of a text that is not what it should be.
    pub(crate) fn text(&mut self, text: &str) -> TextId {
        if let Some(&known) = self.texts.get(text) {
            return known;
        }
        let id = self.unknowns.text(text);
        if self.texts.len() < REMEMBERED && text.len() <= SHORT {
            self.texts.insert(text.into(), id);
        }
        id
    }

    fn cause(&mut self, side: Side, levels: &Levels) -> CauseId {
        let known = &mut self.causes[side as usize];
        if let Some(&known) = known.get(levels.found.as_slice()) {
            return known;
        }
        let cause = self.unknowns.cause(side, &levels.found);
        if known.len() < REMEMBERED {
            known.insert(levels.found.clone().into(), cause);
        }
        cause
    }

    /// Collects the levels of a JSON object; false where the text is none. A `column` that is itself the only factor may hold its levels
    /// as they are.
    fn read_object(&mut self, text: &str, side: Side, column: &str, levels: &mut Levels) -> bool {
        levels.clear();
        let factors = side.factors(self.space);
        let object = match serde_json::from_str::<Option<Entries>>(text) {
            Ok(Some(Entries(object))) => object,
            Ok(None) => return true,
            Err(_) => {
                return match factors {
                    [factor] if factor.name().eq_ignore_ascii_case(column) => {
                        levels.set(0, self.bare_level(side, text));
                        true
                    }
                    _ => false,
                };
            }
        };
        for (number, (key, value)) in object.iter().enumerate() {
            match factors.iter().position(|f| f.name() == key) {
                // Which of the two is meant cannot be told.
                Some(_) if object[..number].iter().any(|(earlier, _)| earlier == key) => {
                    levels.set_twice(self.text(key));
                    return true;
                }
                Some(factor) => levels.set(factor, self.json_level(side, factor, value)),
                // A context may say more than the model asks for.
                None if value.is_null() || side == Side::Context => {}
                None => levels.set_foreign(self.text(key)),
            }
        }
        true
    }

    fn json_level(&mut self, side: Side, factor: usize, value: &Value) -> Found {
        match value {
            Value::Null => Found::Missing,
            Value::Bool(value) => self.find(side, factor, Scalar::Bool(*value)),
            Value::String(text) => self.find(side, factor, Scalar::Text(text)),
            Value::Number(number) => self.find(side, factor, Scalar::Number(&number.to_string())),
            Value::Array(_) | Value::Object(_) => self.find(side, factor, Scalar::Nested),
        }
    }

    /// A level that is written without an object around it, as text or as a JSON scalar.
    fn bare_level(&mut self, side: Side, text: &str) -> Found {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::String(text)) => self.find(side, 0, Scalar::Text(&text)),
            _ => self.find(side, 0, Scalar::Untyped(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandit::{Dtype, Factor};

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

    /// No index: a text that is no variant at all.
    const BAD: Option<usize> = Some(usize::MAX);

    /// No index either: a factor is there twice.
    const TWICE: Option<usize> = Some(usize::MAX - 1);

    fn index(variant: Variant) -> Option<usize> {
        match variant {
            Variant::Index(index) => Some(index),
            Variant::Unknown(_) => None,
            Variant::BadJson(_) => BAD,
            Variant::Twice(_) => TWICE,
        }
    }

    fn place(context: Context) -> Option<(u64, bool)> {
        match context {
            Context::Index { index, unknown } => Some((index, unknown.is_some())),
            Context::BadJson(_) | Context::Twice(_) => None,
        }
    }

    #[test]
    fn variants() {
        let (space, unknowns) = (space(), Unknowns::default());
        let mut assigner = Assigner::new(&space, &unknowns);
        for (text, variant) in [
            (r#"{"h":"a","b":false}"#, Some(0)),
            (r#" {"b": "true", "h": "a"} "#, Some(1)),
            (r#"{"h":1,"b":"True"}"#, Some(3)),
            (r#"{"h":"1","b":false,"old":null}"#, Some(2)),
            (r#"{"h":1.0,"b":false}"#, Some(2)),
            (r#"{"h":2.5,"b":true}"#, Some(5)),
            (r#"{"h":2.50,"b":true}"#, Some(5)),
            (r#"{"h":"2.50","b":true}"#, None),
            (r#"{"h":"\u0061","b":true}"#, Some(1)),
            (r#"{"h":"a"}"#, None),
            (r#"{"h":"a","b":null}"#, None),
            (r#"{"h":"A","b":true}"#, None),
            (r#"{"H":"a","b":true}"#, None),
            (r#"{"h":"a","b":true,"extra":1}"#, None),
            (r#"{"h":["a"],"b":true}"#, None),
            ("null", None),
            ("", None),
            ("a", BAD),
            (r#"["a"]"#, BAD),
            (r#"{"h":"a","b":true"#, BAD),
            (r#"{"h":"a","b":true} x"#, BAD),
            (r#"{"h":"a","b":true,"h":"a"}"#, TWICE),
            (r#"{"h":null,"b":true,"\u0068":"a"}"#, TWICE),
        ] {
            let met = assigner.has_twice();
            assert_eq!(index(assigner.variant(Some(text))), variant, "{text}");
            assert_eq!(assigner.has_twice(), met || variant == TWICE, "{text}");
            assert_eq!(index(assigner.variant(Some(text))), variant, "{text}, remembered");
        }
        assert_eq!(index(assigner.variant(None)), None);
    }

    #[test]
    fn contexts() {
        let (space, unknowns) = (space(), Unknowns::default());
        let mut assigner = Assigner::new(&space, &unknowns);
        for (text, index, unknown) in [
            (r#"{"d":"x"}"#, 0, false),
            (r#"{"d":"y","more":[1]}"#, 1, false),
            (r#"{"d":"z"}"#, 2, true),
            (r#"{"d":null}"#, 2, true),
            ("{}", 2, true),
            ("null", 2, true),
        ] {
            assert_eq!(place(assigner.context(Some(text))), Some((index, unknown)), "{text}");
        }
        assert_eq!(place(assigner.context(None)), Some((2, true)));
        // What is not asked for may be there as often as it likes.
        assert_eq!(place(assigner.context(Some(r#"{"d":"x","more":1,"more":2}"#))), Some((0, false)));
        let Context::Twice(name) = assigner.context(Some(r#"{"d":"x","d":"y"}"#)) else { panic!("twice") };
        assert_eq!(assigner.shown(name), "d");
        assert_eq!(place(assigner.context(Some("x"))), None);
    }

    #[test]
    fn a_factor_called_variant_may_stand_alone() {
        let space = Space::new(vec![factor("variant", Dtype::Str, &["A", "1", "null"])], vec![]).unwrap();
        let unknowns = Unknowns::default();
        let mut assigner = Assigner::new(&space, &unknowns);
        for (text, variant) in
            [("A", Some(0)), ("\"A\"", Some(0)), ("1", Some(1)), (r#"{"variant":"A"}"#, Some(0)), ("B", None)]
        {
            assert_eq!(index(assigner.variant(Some(text))), variant, "{text}");
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let (space, unknowns) = (space(), Unknowns::default());
        let mut assigner = Assigner::new(&space, &unknowns);
        for i in 0..REMEMBERED + 10 {
            let text = format!(r#"{{"d":"y","visit":{i}}}"#);
            assert_eq!(place(assigner.context(Some(&text))), Some((1, false)));
        }
        assert_eq!(assigner.contexts.len(), REMEMBERED);
    }
}
