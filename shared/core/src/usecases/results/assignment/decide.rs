//! Decides logged exposures again. No storage and no clock.

use std::collections::BTreeMap;

use bandit::evaluation::Verdict;
use bandit::{Space, VariantKeys, choose_for};
use snapshots::AuditedExposures;

use super::in_force::{InForceVersions, ended};
use super::policies::Policies;
use crate::domain::{Allocation, InForce, ServedVersion};

/// What no version in force serves, before older ones are asked.
pub(super) const UNEXPLAINED: Verdict = Verdict::NotInForce { age: None, by_chance: 0.0 };

/// What of an exposure could be decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Nothing was in force: it was before the optimization was made, or while it was archived.
    NotServed,
    /// What was in force is no longer stored.
    NotKnown,
    /// It was decided.
    Checked(Verdict),
}

/// Whether a version serves what was logged; `None` where its policy is not known.
fn serves(policies: &Policies, keys: &VariantKeys, version: &ServedVersion, row: &AuditedExposures) -> Option<bool> {
    let served = policies.row(version, row.context)?;
    Some(choose_for(row.user, served, keys) == row.variant as usize)
}

/// Decides exposures under what was in force when they were made; those that nothing in force explains are [`UNEXPLAINED`]
/// until [`explain`] has asked older versions.
pub(super) fn decide(
    space: &Space,
    keys: &VariantKeys,
    rows: &[AuditedExposures],
    in_force: &InForceVersions,
    policies: &Policies,
) -> Vec<Outcome> {
    let decided = |row: &AuditedExposures| {
        let mut deciding = in_force.deciding(row.from).peekable();
        if deciding.peek().is_none() {
            return Outcome::NotServed;
        }
        let is_baseline = row.variant == 0;
        if row.held_out {
            return Outcome::Checked(if is_baseline { Verdict::Match } else { Verdict::HoldoutSawOther });
        }
        let mut unknown = false;
        for time in deciding {
            match serves(policies, keys, &time.served, row) {
                Some(true) => return Outcome::Checked(Verdict::Match),
                Some(false) => {}
                None => unknown = true,
            }
        }
        if unknown {
            return Outcome::NotKnown;
        }
        let allowed = space.is_allowed(row.variant as usize);
        Outcome::Checked(if allowed { UNEXPLAINED } else { Verdict::ExcludedVariant })
    };
    rows.iter().map(decided).collect()
}

/// Users by whom it is estimated what chance explains.
const BY_CHANCE: u64 = 256;

/// Finds older versions that serve what no version in force does: of several, the one that was in force last.
pub(super) fn explain(
    keys: &VariantKeys,
    rows: &[AuditedExposures],
    outcomes: &mut [Outcome],
    in_force: &InForceVersions,
    policies: &Policies,
) {
    let mut chances: BTreeMap<(Vec<InForceKey>, u64, u32), f64> = BTreeMap::new();
    for (row, outcome) in rows.iter().zip(outcomes) {
        if *outcome != Outcome::Checked(UNEXPLAINED) {
            continue;
        }
        let older = in_force.older(row.from).find(|time| serves(policies, keys, &time.served, row) == Some(true));
        let age = older.and_then(ended).and_then(|end| u64::try_from((row.from - end) / 1_000_000).ok());
        let versions =
            in_force.deciding(row.from).chain(in_force.older(row.from)).map(|time| key(&time.served)).collect();
        let chance = chances.entry((versions, row.context, row.variant));
        let by_chance = *chance.or_insert_with(|| by_chance(keys, row, in_force, policies));
        *outcome = Outcome::Checked(Verdict::NotInForce { age, by_chance });
    }
}

/// A version and whether its winners alone are served.
type InForceKey = (u64, bool);

fn key(served: &ServedVersion) -> InForceKey {
    (served.posterior_version, served.allocation == Allocation::Winners)
}

/// The share of users to whom an older version serves the variant of a row, of those to whom none in force does.
fn by_chance(keys: &VariantKeys, row: &AuditedExposures, in_force: &InForceVersions, policies: &Policies) -> f64 {
    let (mut others, mut explained) = (0_u32, 0_u32);
    for user in 0..BY_CHANCE {
        // Any numbers that differ in many bits are users.
        let row = AuditedExposures { user: user.wrapping_mul(0xd1b5_4a32_d192_ed03), ..*row };
        let is_served = |time: &InForce| serves(policies, keys, &time.served, &row) == Some(true);
        if !in_force.deciding(row.from).any(is_served) {
            others += 1;
            explained += u32::from(in_force.older(row.from).any(is_served));
        }
    }
    f64::from(explained) / f64::from(others.max(1))
}
