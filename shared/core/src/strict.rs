//! JSON as every body is read: an object is written as an object and never as a list of its values, a name stands once in it,
//! and `24.0` is the integer 24 where an integer is meant.
//!
//! serde's derived structures would take a list of values by position, and of two equal names the last. Types of bodies must not
//! use `untagged`, `flatten` or `tag`: serde reads those through a reader of its own, which takes lists again.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Error, Map, Number, Value};

use crate::echo::{of_serde, quoted};
use crate::error::{ApiError, Detail};

/// A value of a type from JSON.
///
/// # Errors
/// [`ApiError::InvalidRequest`] with the place in the body and what is wrong there.
pub(crate) fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let Unique(value) = serde_path_to_error::deserialize(&mut json).map_err(refusal)?;
    json.end().map_err(|e| ApiError::invalid(format!("the body is not one JSON value: {e}")))?;
    serde_path_to_error::deserialize(Strict(value)).map_err(refusal)
}

/// A value of a type from one JSON value, such as an event of a batch.
///
/// # Errors
/// The place in the value and what is wrong there.
pub(crate) fn from_value_text<T: DeserializeOwned>(text: &str) -> Result<T, serde_path_to_error::Error<Error>> {
    // To know the place costs as much as to read, and is asked for only where something is wrong.
    let read = Unique::deserialize(&mut serde_json::Deserializer::from_str(text))
        .and_then(|Unique(v)| T::deserialize(Strict(v)));
    if let Ok(value) = read {
        return Ok(value);
    }
    let Unique(value) = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))?;
    serde_path_to_error::deserialize(Strict(value))
}

fn refusal(error: serde_path_to_error::Error<Error>) -> ApiError {
    let field = error.path().to_string();
    let error = error.into_inner();
    let message = of_serde(&error.to_string());
    // A number that no double holds, such as 1e999, is no fault of the JSON but of the value.
    let is_value = error.is_data() || message.starts_with("number out of range");
    if is_value && field != "." {
        ApiError::invalid_at([Detail::new(field, message)])
    } else if is_value {
        ApiError::invalid(format!("the body: {message}"))
    } else {
        ApiError::invalid(format!("the body is not JSON: {message}"))
    }
}

/// A value in whose objects each name stands once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(value)) = access.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the name {} stands there twice; give it once", quoted(&name))));
            }
            let Unique(value) = access.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// A value, read into a type.
struct Strict(Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// 2⁵³: to here a double holds every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Strict {
    /// A number without a fraction is an integer, however it is written.
    fn integer(self) -> Self {
        let whole = self.0.as_f64().filter(|x| self.0.is_f64() && x.fract() == 0.0 && x.abs() <= EXACT);
        #[expect(clippy::cast_possible_truncation, reason = "an integer of at most 2⁵³")]
        whole.map_or(self, |x| Self((x as i64).into()))
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => {
                let mut access = MapDeserializer::new(map.into_iter().map(|(name, value)| (name, Self(value))));
                let read = visitor.visit_map(&mut access)?;
                access.end()?;
                Ok(read)
            }
            other => Err(Error::invalid_type(unexpected(&other), &"an object")),
        }
    }
}

/// What was chosen of several: by a word, or by the one name of an object, with its value.
struct Choice {
    word: String,
    value: Option<Value>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Error;
    type Variant = Chosen;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Chosen), Error> {
        let variant = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(self.word))?;
        Ok((variant, Chosen(self.value)))
    }
}

struct Chosen(Option<Value>);

impl Chosen {
    fn value(self) -> Result<Strict, Error> {
        self.0
            .map(Strict)
            .ok_or_else(|| Error::custom("invalid type: string, expected an object with this name and its value"))
    }
}

impl<'de> VariantAccess<'de> for Chosen {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), |_| Err(Error::invalid_type(Unexpected::Map, &"a string")))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.value()?.object(visitor)
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), _, _) => Unexpected::Unsigned(value),
            (_, Some(value), _) => Unexpected::Signed(value),
            (_, _, Some(value)) => Unexpected::Float(value),
            _ => Unexpected::Other("number"),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer().deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(list) => {
                let mut access = SeqDeserializer::new(list.into_iter().map(Self));
                let read = visitor.visit_seq(&mut access)?;
                access.end()?;
                Ok(read)
            }
            Value::Object(_) => self.object(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.object(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.object(visitor)
    }

    /// One of several words, or an object with one of several names and its value.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Choice { word, value: None }),
            Value::Object(map) if map.len() == 1 => {
                let (word, value) = map.into_iter().next().expect("one name");
                visitor.visit_enum(Choice { word, value: Some(value) })
            }
            Value::Object(_) => Err(Error::custom("invalid value: give an object with one name")),
            other => Err(Error::invalid_type(unexpected(&other), &"a string or an object")),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::domain::{NewModel, NewOptimization, PatchOptimization, TrainingDataConfig, Visitor as ServedVisitor};

    fn refused<T: DeserializeOwned>(text: &str) -> (String, String) {
        match from_slice::<T>(text.as_bytes()).map(drop).unwrap_err() {
            ApiError::InvalidRequest { message, details } => {
                (details.into_iter().next().map(|detail| detail.field).unwrap_or_default(), message)
            }
            other => panic!("{other:?}"),
        }
    }

    fn config() -> Value {
        json!({
            "design_factors": [{"name": "headline", "dtype": "str", "levels": ["a", "b"]}],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        })
    }

    fn with(place: &str, value: Value) -> String {
        let mut body = json!({"name": "n", "model_type": "mab", "training_data_config": config()});
        body["training_data_config"]["prior"] = json!({"main_scale": 1.0});
        *body.pointer_mut(place).unwrap() = value;
        body.to_string()
    }

    #[test]
    fn an_object_is_never_a_list_of_its_values() {
        for (place, list) in [
            ("", json!(["n", "mab", config(), 10])),
            ("/training_data_config", json!([[], [], [], [], []])),
            ("/training_data_config/design_factors/0", json!(["headline", "str", ["a", "b"]])),
            ("/training_data_config/reward", json!(["signup", "bool"])),
            ("/training_data_config/attribution", json!(["last_touch", 24])),
            ("/training_data_config/prior", json!([1.0, 1.0, false])),
        ] {
            let (field, message) = refused::<NewOptimization>(&with(place, list));
            let expected = place.trim_start_matches('/').replace("/0", "[0]").replace('/', ".");
            assert_eq!(field, expected);
            assert!(message.contains("invalid type: sequence, expected an object"), "{message}");
        }
        refused::<NewModel>(r#"[null, "mab", {}]"#);
        refused::<PatchOptimization>(r#"["n", "live"]"#);
        refused::<ServedVisitor>(r#"["u", {}, false]"#);
        refused::<ServedVisitor>(r#"{"anonymous_id": "u", "context": [["a", 1]]}"#);
        refused::<BTreeMap<String, f64>>("[]");
    }

    #[test]
    fn a_word_is_no_object() {
        let (field, message) = refused::<NewOptimization>(&with("/model_type", json!({"mab": null})));
        assert_eq!(field, "model_type.mab");
        assert!(message.ends_with("invalid type: map, expected a string"), "{message}");
    }

    #[test]
    fn a_choice_with_a_value_is_an_object_with_one_name() {
        let read = |text: &str| from_slice::<bandit::BurnIn>(text.as_bytes());
        assert_eq!(read(r#"{"exposures": 100.0}"#).unwrap(), bandit::BurnIn::Exposures(100));
        assert_eq!(read(r#"{"hours": 1.5}"#).unwrap(), bandit::BurnIn::Hours(1.5));
        for (text, expected) in [
            (r#""hours""#, "expected an object with this name and its value"),
            (r#"{"hours": "1"}"#, "invalid type: string"),
            (r#"{"hours": 1, "exposures": 2}"#, "give an object with one name"),
            ("{}", "give an object with one name"),
            (r#"{"days": 1}"#, "unknown variant `days`"),
            ("[1]", "expected a string or an object"),
        ] {
            let (_, message) = refused::<bandit::BurnIn>(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn a_name_stands_once_in_every_object() {
        for (text, field) in [
            (r#"{"anonymous_id": "u", "anonymous_id": "v"}"#, ""),
            (r#"{"anonymous_id": "u", "context": {"device": "a", "device": "b"}}"#, "context"),
            (r#"{"anonymous_id": "u", "context": {"device": [{"a": 1, "a": 1}]}}"#, "context.device[0]"),
        ] {
            let (place, message) = refused::<ServedVisitor>(text);
            assert_eq!(place, field);
            assert!(message.contains("stands there twice; give it once"), "{message}");
        }
    }

    #[test]
    fn a_number_without_a_fraction_is_an_integer() {
        let hours = |number: &str| {
            let text = config().to_string().replace(":24", &format!(":{number}"));
            from_slice::<TrainingDataConfig>(text.as_bytes()).map(|config| config.attribution.conversion_window_hours)
        };
        for number in ["24", "24.0", "2.4e1", "240e-1"] {
            assert_eq!(hours(number).unwrap(), 24, "{number}");
        }
        for number in ["24.5", "-24.0", "4294967296.0", "1e300", "\"24\""] {
            assert!(hours(number).is_err(), "{number}");
        }
        // A version beyond 2⁵³ is exact as an integer, and is not made up from a double.
        assert_eq!(from_slice::<u64>(b"18446744073709551615").unwrap(), u64::MAX);
        assert!(from_slice::<u64>(b"1e19").is_err());
        assert!(from_slice::<f64>(b"24").unwrap().total_cmp(&24.0).is_eq());
    }

    #[test]
    fn what_is_sent_is_not_sent_back_at_length() {
        let long = "x".repeat(900_000);
        for text in [
            format!(r#"{{"{long}": 1}}"#),
            format!(r#"{{"anonymous_id": {{"{long}": 1}}}}"#),
            format!(r#"{{"anonymous_id": "u", "dry_run": "{long}"}}"#),
            format!(r#"{{"anonymous_id": "u", "context": {{"{long}": 1, "{long}": 1}}}}"#),
            format!(r#"{{"anonymous_id": "u", "context": {{"{long}": {{"a": 1, "a": 1}}}}}}"#),
        ] {
            let (field, message) = refused::<ServedVisitor>(&text);
            assert!(field.len() < 300 && message.len() < 1_000, "{} and {} bytes", field.len(), message.len());
        }
    }
}
