//! The value of a policy on a log. No storage and no clock.

use bandit::PolicyHistory;
use bandit::evaluation::{EventSums, LoggedContext, OffPolicy, OffPolicySums};

use super::rows::Target;
use crate::domain::{LogSummary, LoggedVersion, PolicyName, PolicyValue, ShownPolicy, StoredLog};
use crate::error::ApiError;

/// A log, and the policies of the versions that decided it.
#[derive(Clone, Copy)]
pub(super) struct Valuation<'a> {
    log: &'a StoredLog,
    policies: &'a PolicyHistory,
    variants: usize,
}

/// Which policy is valued, and what of the log it was learned from.
pub(super) struct Valued<'a> {
    pub(super) name: Option<PolicyName>,
    pub(super) shown: ShownPolicy,
    pub(super) target: Target<'a>,
    /// It has seen what versions before this one decided; 0 for a policy that was not learned.
    pub(super) learned_before: u64,
}

impl<'a> Valuation<'a> {
    pub(super) fn new(log: &'a StoredLog, policies: &'a PolicyHistory, variants: usize) -> Self {
        Self { log, policies, variants }
    }

    /// Calls `each` with every version's exposures in a context whose propensities are known; gives the number of the others.
    fn for_each_known(
        &self,
        mut each: impl FnMut(&LoggedVersion, u64, &LoggedContext<'_>) -> Result<(), ApiError>,
    ) -> Result<u64, ApiError> {
        let (mut not_known, mut events) = (0, vec![EventSums::default(); self.variants]);
        let mut logged = vec![0.0; self.variants];
        for version in &self.log.versions {
            let policy = self.policies.get(version.posterior_version).map(Target::Compiled);
            for of in &version.contexts {
                if !policy.as_ref().is_some_and(|policy| policy.row(of.context, &mut logged)) {
                    not_known += of.cells.iter().map(|cell| cell.1).sum::<u64>();
                    continue;
                }
                events.fill(EventSums::default());
                for &(variant, n, nonzero, sum, sum_sq) in &of.cells {
                    let beyond = || ApiError::internal(format!("a log with variant {variant} of {}", self.variants));
                    *events.get_mut(variant).ok_or_else(beyond)? = EventSums { n, nonzero, sum, sum_sq };
                }
                let expected = self.policies.expected(version.posterior_version, of.context);
                let expected = expected.filter(|_| self.log.modelled);
                let context =
                    LoggedContext { policy: &logged, logged: &logged, expected: expected.as_deref(), events: &events };
                each(version, of.context, &context)?;
            }
        }
        Ok(not_known)
    }

    /// What policies are valued on.
    pub(super) fn summary(&self) -> Result<LogSummary, ApiError> {
        let (mut events, mut sum, mut versions) = (0, 0.0, Vec::new());
        let not_known = self.for_each_known(|version, _, context| {
            events += context.events.iter().map(|of| of.n).sum::<u64>();
            sum += context.events.iter().map(|of| of.sum).sum::<f64>();
            versions.push(version.posterior_version);
            Ok(())
        })?;
        versions.dedup();
        let mut left_out = self.log.left_out;
        left_out.not_known += not_known;
        #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
        let observed = (events > 0).then(|| sum / events as f64);
        let (versions, design_effect) = (versions.len(), self.log.design_effect);
        Ok(LogSummary { events, observed, versions, left_out, design_effect })
    }

    /// What a policy would have earned.
    pub(super) fn value(&self, of: &Valued<'_>) -> Result<PolicyValue, ApiError> {
        let mut row = vec![0.0; self.variants];
        let (mut sums, mut unknown_events, mut learned, mut all) = (OffPolicySums::default(), 0, 0, 0);
        self.for_each_known(|version, context, logged| {
            let events = logged.events.iter().map(|of| of.n).sum::<u64>();
            if !of.target.row(context, &mut row) {
                unknown_events += events;
                return Ok(());
            }
            all += events;
            learned += if version.posterior_version < of.learned_before { events } else { 0 };
            sums.add(&LoggedContext { policy: &row, ..*logged }).map_err(ApiError::internal)
        })?;
        let value: OffPolicy = sums.values(self.log.design_effect).map_err(ApiError::internal)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
        let learned_from = (all > 0).then(|| learned as f64 / all as f64);
        Ok(PolicyValue { name: of.name, policy: of.shown.clone(), learned_from, unknown_events, value })
    }
}
