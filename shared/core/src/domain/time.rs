//! Times: RFC 3339 in UTC on the wire, epoch milliseconds in the table.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-01-15T10:30:00Z`.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Serialises a time as epoch milliseconds.
pub mod millis {
    use chrono::{DateTime, TimeZone, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// To epoch milliseconds.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(time.timestamp_millis())
    }

    /// From epoch milliseconds.
    ///
    /// # Errors
    /// As the deserializer, and for a number that is no time.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DateTime<Utc>, D::Error> {
        let millis = i64::deserialize(d)?;
        Utc.timestamp_millis_opt(millis).single().ok_or_else(|| de::Error::custom(format!("{millis} is no time")))
    }

    /// The same for a time that may be absent.
    pub mod option {
        use super::{DateTime, Deserialize, Deserializer, Serializer, Utc};

        /// To epoch milliseconds.
        ///
        /// # Errors
        /// As the serializer.
        pub fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, s),
                None => s.serialize_none(),
            }
        }

        /// From epoch milliseconds.
        ///
        /// # Errors
        /// As the deserializer, and for a number that is no time.
        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DateTime<Utc>>, D::Error> {
            #[derive(Deserialize)]
            struct Millis(#[serde(with = "super")] DateTime<Utc>);
            Ok(Option::<Millis>::deserialize(d)?.map(|m| m.0))
        }
    }
}
