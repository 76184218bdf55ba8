//! Pages of a list, as a request asks for them and as the answer says where the next one begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::request::Query;
use crate::echo::quoted;
use crate::error::{ApiError, Detail};
use crate::store::{ListOptions, is_place};

/// The parameters of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// So many items at the most.
    pub limit: Option<usize>,
    /// The place after which the page begins.
    pub cursor: Option<String>,
    /// Whether what is archived is listed.
    pub include_archived: bool,
}

impl Paging {
    /// `limit`, `cursor` and `include_archived` of a request for a list whose places begin with `kind`.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] with the name and the value.
    pub fn of(query: &Query<'_>, kind: &str) -> Result<Self, ApiError> {
        Self::of_places(query, |text| is_place(kind, text))
    }

    /// The same for a list of which `is_place` knows what a cursor may hold.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] with the name and the value.
    pub fn of_places(query: &Query<'_>, is_place: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let include_archived = query.parse("include_archived", "true or false")?.unwrap_or(false);
        let limit = query.parse::<usize>("limit", "a whole number of 1 to 100")?;
        if let Some(limit) = limit.filter(|limit| !(1..=100).contains(limit)) {
            return Err(ApiError::invalid_at([Detail::new("limit", format!("{limit} is not between 1 and 100"))]));
        }
        let cursor = query.text("cursor").map(|text| decode(is_place, text)).transpose()?;
        Ok(Self { limit, cursor, include_archived })
    }

    /// The part of the list that is asked for, in an answer of so many bytes.
    #[must_use]
    pub fn options(&self, max_bytes: usize) -> ListOptions<'_> {
        let Self { limit, include_archived, .. } = *self;
        ListOptions { include_archived, limit, cursor: self.cursor.as_deref(), max_bytes }
    }
}

/// The cursor of a place: the next page begins after it.
#[must_use]
pub fn cursor(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

fn decode(is_place: impl Fn(&str) -> bool, text: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|place| is_place(place));
    place.ok_or_else(|| {
        let message = format!("{} is not a cursor; send meta.next_cursor of the page before", quoted(text));
        ApiError::invalid_at([Detail::new("cursor", message)])
    })
}
