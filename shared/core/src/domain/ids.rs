//! Ids as the API writes them: UUIDs with hyphens.

use uuid::Uuid;

use crate::echo::quoted;
use crate::error::{ApiError, Detail};

/// A UUID in a named place.
///
/// # Errors
/// [`ApiError::InvalidRequest`] with the place and the value.
pub fn parse_uuid(field: &str, text: &str) -> Result<Uuid, ApiError> {
    // Only the hyphenated form: it is the one that we print, and one thing should have one name.
    let parsed = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    parsed.ok_or_else(|| {
        let message = format!("{} is not a UUID, such as 4754cae0-9a5d-4691-91af-6d15ccc1f82e", quoted(text));
        ApiError::invalid_at([Detail::new(field, message)])
    })
}
