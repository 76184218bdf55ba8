//! Maps of JSON in which a name stands once. JSON itself lets the last of two win, and the other would be lost unseen.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Names(PhantomData)).map(Self)
    }
}

struct Names<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = access.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the name {name:?} stands there twice; give it once")));
            }
            map.insert(name, access.next_value()?);
        }
        Ok(map)
    }
}

/// A map whose names are all different.
///
/// # Errors
/// As the deserializer, and for a name that stands there twice.
pub fn map<'de, V: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, V>, D::Error> {
    Unique::deserialize(d).map(|unique| unique.0)
}

/// A list of such maps.
///
/// # Errors
/// As [`map`].
pub fn maps<'de, V: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<BTreeMap<String, V>>, D::Error> {
    let maps = Vec::<Unique<V>>::deserialize(d)?;
    Ok(maps.into_iter().map(|unique| unique.0).collect())
}
