//! The policies of past versions: what the observations of a run were made under.

use std::collections::BTreeSet;

use aws_sdk_s3::primitives::ByteStream;
use bandit::time::VersionInForce;
use bandit::{Policy, PolicyHistory, Space};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Allocation, InForce, Model, Timeline};
use crate::error::ApiError;
use crate::store::policies_key;

/// Versions that a run looks up in their posteriors, at most; the next run goes on.
const MOST_LOOKED_UP: usize = 20;

impl App {
    /// The policies of those versions of a model that a timeline names: of the object that the last run wrote, and of the posteriors
    /// where it lacks one. What is nowhere any more is left out.
    ///
    /// # Errors
    /// Storage errors. What is damaged is logged and counts as missing.
    pub(super) async fn past_policies(
        &self,
        model: &Model,
        space: &Space,
        timeline: &Timeline,
    ) -> Result<PolicyHistory, ApiError> {
        let wanted = versions(model.id, timeline);
        // Before the first training there is no object.
        let trained = wanted.last().is_some_and(|&newest| newest > 0);
        let stored = if trained { self.stored_policies(model, space).await? } else { None };
        let mut policies = match stored {
            Some(policies) => policies,
            None => PolicyHistory::new(space).ok_or_else(|| ApiError::internal("a space of 2³² variants or more"))?,
        };
        policies.retain(|version| wanted.contains(&version));
        let missing = wanted.iter().rev().copied().filter(|&version| policies.get(version).is_none());
        let missing: Vec<u64> = missing.take(MOST_LOOKED_UP).collect();
        for version in missing {
            let policy = if version == 0 { Policy::uniform(space) } else { self.past_policy(model, version).await? };
            if let Some(policy) = policy {
                policies.insert(version, policy);
            }
        }
        Ok(policies)
    }

    /// Writes the policies of a model's versions, for the runs to come.
    pub(super) async fn write_policies(&self, model: &Model, policies: &PolicyHistory) -> Result<(), ApiError> {
        let key = policies_key(&model.organization_id, &model.id.to_string());
        let bytes = policies.to_bytes(PolicyHistory::MOST_BYTES);
        Ok(self.bucket.put(&key, ByteStream::from(bytes)).await?)
    }
}

/// The versions of a model that a timeline names, whose policies were explored.
fn versions(model: Uuid, timeline: &Timeline) -> BTreeSet<u64> {
    let times = timeline.times().iter().filter_map(|time| explored(model, time));
    times.collect()
}

/// The version of a model whose policy was served in a time; `None` where another allocation was, or another model.
fn explored(model: Uuid, time: &InForce) -> Option<u64> {
    let served = time.served;
    (served.model_id == Some(model) && served.allocation == Allocation::Exploring).then_some(served.posterior_version)
}

/// What was in force since when, for strata. A time in which nothing of ours was served is one of a policy that is not known.
pub(super) fn versions_in_force<'a>(
    model: Uuid,
    timeline: &Timeline,
    policies: &'a PolicyHistory,
) -> Vec<VersionInForce<'a>> {
    let mut in_force = Vec::new();
    let mut end = None;
    for time in timeline.times() {
        let from = time.from.map_or(i64::MIN, |from| from.timestamp());
        if let Some(end) = end.filter(|&end| end < from) {
            in_force.push(VersionInForce { from: end, policy: None });
        }
        let policy = explored(model, time).and_then(|version| policies.get(version));
        in_force.push(VersionInForce { from, policy });
        end = time.to.map(|to| to.timestamp());
    }
    in_force.extend(end.map(|from| VersionInForce { from, policy: None }));
    in_force
}
