//! Serialises a value as JSON text: for numbers that `DynamoDB`'s own type (38 digits, 1e-130 to 1e125) would not keep.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// To JSON text.
///
/// # Errors
/// As the serializer, and where the value does not serialise.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
}

/// From JSON text.
///
/// # Errors
/// As the deserializer, and where the text is not JSON of the type.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    serde_json::from_str(&String::deserialize(d)?).map_err(D::Error::custom)
}

/// A number as text, and from text or, as records had it before, from a number.
pub mod number {
    use super::{Deserializer, Serializer, Visitor, fmt};

    /// To text.
    ///
    /// # Errors
    /// As the serializer.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        super::serialize(value, s)
    }

    /// From text or from a number.
    ///
    /// # Errors
    /// As the deserializer, and where the text is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        d.deserialize_any(Number)
    }

    struct Number;

    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or its text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
            serde_json::from_str(text).map_err(E::custom)
        }

        fn visit_f64<E>(self, number: f64) -> Result<f64, E> {
            Ok(number)
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<f64, E> {
            i32::try_from(number).map(f64::from).map_err(E::custom)
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<f64, E> {
            u32::try_from(number).map(f64::from).map_err(E::custom)
        }
    }
}

/// A structure as text, and from text or, as records had it before, from a structure.
pub mod structure {
    use std::marker::PhantomData;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{DeserializeOwned, MapAccess};
    use serde::{Deserializer, Serialize, Serializer};

    use super::{Visitor, fmt};

    /// To text.
    ///
    /// # Errors
    /// As the serializer, and where the value does not serialise.
    pub fn serialize<T: Serialize, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        super::serialize(value, s)
    }

    /// From text or from a structure.
    ///
    /// # Errors
    /// As the deserializer, and where it is not of the type.
    pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        d.deserialize_any(Structure(PhantomData))
    }

    struct Structure<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> Visitor<'de> for Structure<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object, or its text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            serde_json::from_str(text).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        #[serde(with = "super::number")]
        share: f64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested {
        #[serde(with = "super::structure")]
        learned: Learned,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Learned {
        cap: f64,
        hours: f64,
    }

    #[test]
    fn a_structure_is_kept_as_text_and_read_from_either() {
        // Neither number is one of DynamoDB's.
        let nested = Nested { learned: Learned { cap: 1.7e308, hours: 5e-324 } };
        let item: std::collections::HashMap<String, AttributeValue> = serde_dynamo::to_item(&nested).unwrap();
        assert!(matches!(&item["learned"], AttributeValue::S(_)), "{item:?}");
        assert_eq!(serde_dynamo::from_item::<_, Nested>(item).unwrap(), nested);
        let number = |text: &str| AttributeValue::N(text.into());
        let map = [("cap".to_owned(), number("100")), ("hours".to_owned(), number("1.5"))].into();
        let item = std::collections::HashMap::from([("learned".to_owned(), AttributeValue::M(map))]);
        let read: Nested = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read, Nested { learned: Learned { cap: 100.0, hours: 1.5 } });
        for bad in [AttributeValue::S("{\"cap\": 1}".into()), number("1")] {
            let item = std::collections::HashMap::from([("learned".to_owned(), bad)]);
            assert!(serde_dynamo::from_item::<_, Nested>(item).is_err());
        }
    }

    #[test]
    fn a_number_is_kept_as_text_and_read_from_either() {
        let item: std::collections::HashMap<String, AttributeValue> =
            serde_dynamo::to_item(Record { share: 1e-131 }).unwrap();
        assert_eq!(item["share"], AttributeValue::S("1e-131".into()));
        assert_eq!(serde_dynamo::from_item::<_, Record>(item).unwrap(), Record { share: 1e-131 });
        for (number, share) in [("12.5", 12.5), ("10", 10.0), ("0", 0.0)] {
            let item = std::collections::HashMap::from([("share".to_owned(), AttributeValue::N(number.into()))]);
            assert_eq!(serde_dynamo::from_item::<_, Record>(item).unwrap(), Record { share });
        }
        let item = std::collections::HashMap::from([("share".to_owned(), AttributeValue::S("much".into()))]);
        assert!(serde_dynamo::from_item::<_, Record>(item).is_err());
    }
}
