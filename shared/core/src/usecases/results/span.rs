//! The days that results are asked for.

use chrono::NaiveDate;

use crate::error::{ApiError, Detail};

/// Days, both ends included; all where an end is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    from: Option<i64>,
    to: Option<i64>,
}

impl Span {
    /// The days from one date to another.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] where the first is after the last.
    pub fn new(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Self, ApiError> {
        if let (Some(first), Some(last)) = (from, to)
            && first > last
        {
            return Err(ApiError::invalid_at(vec![Detail::new("from", format!("{first} is after to, {last}"))]));
        }
        let day = |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp().div_euclid(86_400);
        Ok(Self { from: from.map(day), to: to.map(day) })
    }

    pub(super) fn contains(&self, day: i64) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}
