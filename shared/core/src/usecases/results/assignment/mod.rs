//! Whether logged exposures show what serving decided: a sample of them is decided again, under the versions that were in force.

mod balance;
mod decide;
mod in_force;
mod policies;

use std::collections::BTreeMap;
use std::sync::Arc;

use bandit::evaluation::{RecheckedExposures, Verdict, assignment};
use bandit::{PolicyHistory, VariantKeys};
use chrono::DateTime;
use snapshots::{AuditSample, AuditedExposures};

use self::decide::{Outcome, UNEXPLAINED, decide, explain};
use self::in_force::InForceVersions;
use self::policies::{Contexts, Policies};
use crate::app::App;
use crate::domain::{Checked, Model, SampledUsers, ServedVersion, StoredAssignment, Timeline};
use crate::error::ApiError;
use crate::usecases::blocking::blocking;

/// As many exposures of a day are sampled at least, or all of it.
pub(in crate::usecases) const LEAST_SAMPLED: usize = 200_000;

/// What is decided, and by what.
struct Decided {
    sample: AuditSample,
    outcomes: Vec<Outcome>,
    policies: Policies,
}

impl App {
    /// Decides a sample of exposures again, and gives the policies back. What cannot be read is said to be missing: no run fails for it.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where the configuration or a computation is at fault.
    pub(in crate::usecases) async fn check_assignment(
        &self,
        model: &Model,
        checked: &Arc<Checked>,
        (sample, timeline): (AuditSample, Timeline),
        policies: PolicyHistory,
    ) -> Result<(Option<StoredAssignment>, PolicyHistory), ApiError> {
        if sample.rows.is_empty() {
            return Ok((None, policies));
        }
        let keys = Arc::new(VariantKeys::of(&checked.space).map_err(ApiError::internal)?);
        let in_force = Arc::new(InForceVersions::new(timeline));
        let mut policies = Policies::new(model.id, policies);
        let wanted = wanted(&sample.rows, |from| in_force.deciding(from).map(|time| time.served).collect());
        Box::pin(self.draw_missing(model, checked, &wanted, &mut policies)).await;
        let (versions, of, with) = (Arc::clone(&in_force), Arc::clone(checked), Arc::clone(&keys));
        let decision = move || {
            let outcomes = decide(&of.space, &with, &sample.rows, &versions, &policies);
            Decided { sample, outcomes, policies }
        };
        let Decided { sample, mut outcomes, mut policies } = blocking(decision).await?;
        let unexplained =
            |(row, outcome): (&AuditedExposures, &Outcome)| (*outcome == Outcome::Checked(UNEXPLAINED)).then_some(*row);
        let rows: Vec<AuditedExposures> = sample.rows.iter().zip(&outcomes).filter_map(unexplained).collect();
        if !rows.is_empty() {
            let older = self::wanted(&rows, |from| in_force.older(from).map(|time| time.served).collect());
            Box::pin(self.draw_missing(model, checked, &older, &mut policies)).await;
        }
        let of = Arc::clone(checked);
        let rest = move || {
            explain(&keys, &sample.rows, &mut outcomes, &in_force, &policies);
            let found = stored(&of, &sample, &outcomes, &in_force, &policies)?;
            Ok((Some(found), policies.into_compiled()))
        };
        blocking(rest).await?
    }
}

/// The versions that are needed to decide some exposures, each with the contexts in which it is, and how often.
fn wanted(rows: &[AuditedExposures], versions: impl Fn(i64) -> Vec<ServedVersion>) -> Vec<(ServedVersion, Contexts)> {
    let mut known: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut wanted: Vec<(ServedVersion, Contexts)> = Vec::new();
    for row in rows.iter().filter(|row| !row.held_out) {
        let places = known.entry(row.from).or_insert_with(|| {
            let place = |version: ServedVersion| {
                let found = wanted.iter().position(|(known, _)| *known == version);
                found.unwrap_or_else(|| {
                    wanted.push((version, Contexts::new()));
                    wanted.len() - 1
                })
            };
            versions(row.from).into_iter().map(place).collect()
        });
        for &place in places.iter() {
            *wanted[place].1.entry(row.context).or_default() += u64::from(row.exposures);
        }
    }
    wanted
}

/// What is stored of it.
fn stored(
    checked: &Checked,
    sample: &AuditSample,
    outcomes: &[Outcome],
    in_force: &InForceVersions,
    policies: &Policies,
) -> Result<StoredAssignment, ApiError> {
    let space = &checked.space;
    let factors: Vec<usize> = space.context().iter().map(|factor| factor.levels().len() + 1).collect();
    let levels: Vec<Vec<usize>> = sample.rows.iter().map(|row| space.decode_context(row.context)).collect();
    let rechecked =
        sample.rows.iter().zip(outcomes).zip(&levels).filter_map(|((row, outcome), levels)| match outcome {
            Outcome::Checked(verdict) => {
                Some(RecheckedExposures { verdict: *verdict, levels, exposures: u64::from(row.exposures) })
            }
            Outcome::NotServed | Outcome::NotKnown => None,
        });
    let count = |wanted: Outcome| {
        let rows = sample.rows.iter().zip(outcomes).filter(|(_, outcome)| **outcome == wanted);
        rows.map(|(row, _)| u64::from(row.exposures)).sum()
    };
    let (balance, balance_test) = balance::balance_of(&sample.rows, outcomes, in_force, policies)?;
    let unknown = sample.rows.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::NotKnown);
    let holds_from = unknown.filter_map(|(row, _)| in_force.end_of_unknown(row.from, policies)).max();
    Ok(StoredAssignment {
        days: sample.days.unwrap_or_default(),
        of: sample.of,
        found: assignment(&factors, rechecked),
        not_served: count(Outcome::NotServed),
        not_known: count(Outcome::NotKnown),
        holds_from: holds_from.and_then(DateTime::from_timestamp_micros),
        users: users(&sample.rows, outcomes),
        balance,
        balance_test,
    })
}

/// The users of the sample, and those who saw several variants.
fn users(rows: &[AuditedExposures], outcomes: &[Outcome]) -> SampledUsers {
    let mut users = SampledUsers::default();
    let mut rest = rows.iter().zip(outcomes).peekable();
    while let Some((first, outcome)) = rest.next() {
        let is_wrong = |outcome: &Outcome| matches!(outcome, Outcome::Checked(verdict) if *verdict != Verdict::Match);
        let (mut several, mut wrong) = (false, is_wrong(outcome));
        while let Some((row, outcome)) = rest.next_if(|(row, _)| row.user == first.user) {
            several |= row.variant != first.variant;
            wrong |= is_wrong(outcome);
        }
        users.users += 1;
        users.several_variants += u64::from(several);
        users.unexplained += u64::from(several && wrong);
    }
    users
}

#[cfg(test)]
mod tests;
