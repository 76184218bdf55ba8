//! The fields of the answer that hold what was logged against what was served, what is believed against what was measured, and policies
//! against the log.

use bandit::{Factor, Space};
use serde_json::{Map, Value, json};

use crate::domain::{NoLog, StoredAssignment, StoredInteraction, StoredOffPolicy, StoredResults, level_json, rfc3339};
use crate::error::ApiError;

/// A level of a context factor; the unknown one is null.
fn level(factor: &Factor, number: usize) -> Value {
    if number < factor.levels().len() { level_json(factor, number) } else { Value::Null }
}

#[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^52")]
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// What deciding exposures again came to; null where none could be.
pub(super) fn assignment(space: &Space, stored: &StoredAssignment, date: impl Fn(i64) -> String) -> Value {
    let found = &stored.found;
    if found.exposures == 0 {
        return Value::Null;
    }
    let concentrates_in = found.concentrates_in.map(|of| {
        let factor = &space.context()[of.factor];
        json!({
            "factor": factor.name(), "level": level(factor, of.level), "match": of.matching, "elsewhere": of.elsewhere,
        })
    });
    json!({
        "from": date(stored.days.0), "to": date(stored.days.1), "exposures": found.exposures, "of": stored.of,
        "match": found.matching, "mismatches": found.mismatches, "age_seconds": found.age_seconds,
        "concentrates_in": concentrates_in, "suspect": found.suspect, "not_served": stored.not_served,
        "not_known": stored.not_known, "holds_from": stored.holds_from.map(rfc3339),
    })
}

/// The variants of each version and context against its policy.
pub(super) fn balance(space: &Space, stored: &StoredAssignment) -> Vec<Value> {
    let row = |of: &crate::domain::StoredBalance| {
        let levels = space.context().iter().zip(space.decode_context(of.context));
        let context: Map<String, Value> =
            levels.map(|(factor, number)| (factor.name().to_owned(), level(factor, number))).collect();
        json!({
            "posterior_version": of.posterior_version, "context": context, "users": of.users,
            "chi_squared": of.balance.chi_squared, "degrees_of_freedom": of.balance.degrees_of_freedom,
            "p_value": of.balance.p_value, "impossible": of.balance.impossible,
        })
    };
    stored.balance.iter().map(row).collect()
}

/// Users of the sample who saw several variants although no version in force explains it.
pub(super) fn unexplained(stored: &StoredAssignment) -> Value {
    let users = &stored.users;
    json!({
        "of_users": users.users, "several_variants": users.several_variants, "users": users.unexplained,
        "share": share(users.unexplained, users.users),
    })
}

/// The matrices of pairs of design factors.
pub(super) fn interactions(space: &Space, stored: &StoredResults) -> Option<Vec<Value>> {
    let matrix = |of: &StoredInteraction| {
        let factors = of.factors.map(|factor| &space.design()[factor]);
        let levels = factors.map(|factor| (0..factor.levels().len()).map(|l| level(factor, l)).collect::<Vec<_>>());
        json!({
            "factors": factors.map(Factor::name), "levels": levels, "cells": of.pairs.cells, "test": of.pairs.test,
        })
    };
    stored.interactions.as_ref().map(|pairs| pairs.iter().map(matrix).collect())
}

/// What other policies would have earned, or why that is not known.
pub(super) fn off_policy(stored: &StoredResults) -> Result<Value, ApiError> {
    let none = StoredOffPolicy { unavailable: Some(NoLog::NotMeasured), log: None, policies: Vec::new() };
    let found = stored.off_policy.as_ref().unwrap_or(&none);
    let unavailable = found.unavailable.map(|why| json!({"reason": why, "message": why.message()}));
    let policies = serde_json::to_value(&found.policies).map_err(ApiError::internal)?;
    Ok(json!({"unavailable": unavailable, "log": found.log, "policies": policies}))
}
