//! Serialises a value as JSON text: for numbers that `DynamoDB`'s own type (38 digits, 1e-130 to 1e125) would not keep.

use serde::de::{DeserializeOwned, Error as _};
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
