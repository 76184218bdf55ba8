//! The keys of records, and their places in lists.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;
use crate::domain::OptimizationStatus;

const BUILD: &str = "build request";

pub(super) fn built<T>(result: Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T, StoreError> {
    result.map_err(|e| StoreError::Fault { operation: BUILD, cause: e.to_string() })
}

pub(super) fn organization_key(organization: &str) -> String {
    format!("ORG#{organization}")
}

pub(super) fn model_key(id: Uuid) -> String {
    format!("MODEL#{id}")
}

pub(super) fn optimization_key(id: Uuid) -> String {
    format!("OPTIMIZATION#{id}")
}

/// What the place of an archived model begins with: apart from the others, so that lists without it do not read it.
pub(super) const ARCHIVED_MODEL: &str = "ARCHIVED";

/// What the place of an optimization of a status begins with; archived ones stand apart likewise.
pub(super) const fn optimization_list(status: OptimizationStatus) -> &'static str {
    match status {
        OptimizationStatus::Live | OptimizationStatus::Completed => "OPTIMIZATION",
        OptimizationStatus::Archived => "ARCHIVED_OPTIMIZATION",
    }
}

/// Where a record stands in a list. Milliseconds in 15 digits sort as text until the year 33658.
pub(super) fn list_order(kind: &str, time: DateTime<Utc>, id: Uuid) -> String {
    format!("{kind}#{:015}#{id}", time.timestamp_millis())
}
