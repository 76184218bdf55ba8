//! Reads what the latest run stored.

use chrono::NaiveDate;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::answer;
use crate::app::App;
use crate::domain::StoredResults;
use crate::error::{ApiError, Detail};
use crate::store::results_key;

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

impl App {
    /// What happened in an optimization, as the latest training run measured it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for an unknown optimization and where no run has measured anything, and storage errors.
    pub async fn results(&self, organization: &str, id: Uuid, span: &Span) -> Result<Map<String, Value>, ApiError> {
        let missing = |what| ApiError::NotFound { what, id: id.to_string() };
        let optimization = self.table.optimization(organization, id).await?.ok_or_else(|| missing("optimization"))?;
        let model = optimization.model_id.ok_or_else(|| missing("model of the optimization"))?;
        let model = self.model(organization, model).await?;
        // The latest run's, also after a rollback: results are what happened.
        let version = model.measured_version.ok_or_else(|| missing("training run with results of the optimization"))?;
        let key = results_key(organization, &model.id.to_string(), version);
        let bytes = self.bucket.read_all(&key).await?;
        let stored: StoredResults =
            serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(format!("{key}: {e}")))?;
        answer(&model.checked()?.space, &stored, span)
    }
}
