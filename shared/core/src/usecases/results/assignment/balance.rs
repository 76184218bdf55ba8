//! Whether the variants that users saw have the shares of the policies that decided them.

use std::collections::BTreeMap;

use bandit::evaluation::{Balance, balance};
use snapshots::AuditedExposures;

use super::decide::Outcome;
use super::in_force::InForceVersions;
use super::policies::Policies;
use crate::domain::{BalanceTest, ServedVersion, StoredBalance};
use crate::error::ApiError;

/// With fewer users no two classes have 5 expected ones each.
const LEAST_USERS: u64 = 10;
/// Contexts that are kept, those that are the least like their policy.
const MOST_CONTEXTS: usize = 100;

/// Users of one context under one version, by the variant that they saw first.
struct Group {
    version: ServedVersion,
    context: u64,
    users: BTreeMap<u32, u64>,
}

/// χ² of the variants against the policy for each version and context, those with the least p-values first, and of all together. Every
/// user counts once, by the first exposure that one version alone can have decided, so that no chance counts twice.
///
/// # Errors
/// [`ApiError::Internal`] for policies that are none.
pub(super) fn balance_of(
    rows: &[AuditedExposures],
    outcomes: &[Outcome],
    in_force: &InForceVersions,
    policies: &Policies,
) -> Result<(Vec<StoredBalance>, Option<BalanceTest>), ApiError> {
    let groups: Vec<Group> = groups(rows, outcomes, in_force)
        .into_iter()
        .filter(|group| group.users.values().sum::<u64>() >= LEAST_USERS)
        .collect();
    let classes = groups.iter().map(|group| {
        let row = policies.row(&group.version, group.context);
        let mut classes: BTreeMap<u32, (u64, f64)> = BTreeMap::new();
        for (variant, _) in row.iter().flat_map(|row| row.iter()) {
            let p = row.map_or(0.0, |row| row.probability(variant));
            classes.entry(u32::try_from(variant).unwrap_or(u32::MAX)).or_default().1 = p;
        }
        for (&variant, &users) in &group.users {
            classes.entry(variant).or_default().0 = users;
        }
        classes.into_values().unzip::<u64, f64, Vec<u64>, Vec<f64>>()
    });
    let classes: Vec<(Vec<u64>, Vec<f64>)> = classes.collect();
    let of_classes = classes.iter().map(|(counts, propensities)| (counts.as_slice(), propensities.as_slice()));
    let Balance { contexts, chi_squared, degrees_of_freedom, p_value, impossible } =
        balance(of_classes).map_err(ApiError::internal)?;
    let mut found: Vec<StoredBalance> = Vec::new();
    for (group, balance) in groups.iter().zip(contexts) {
        let Some(balance) = balance else { continue };
        let (posterior_version, context) = (group.version.posterior_version, group.context);
        found.push(StoredBalance { posterior_version, context, users: group.users.values().sum(), balance });
    }
    let contexts = found.len();
    found.sort_by(|a, b| a.balance.p_value.total_cmp(&b.balance.p_value));
    found.truncate(MOST_CONTEXTS);
    let test = BalanceTest { contexts, chi_squared, degrees_of_freedom, p_value, impossible };
    Ok((found, (degrees_of_freedom > 0).then_some(test)))
}

/// Rows are in the order of users, and of times within one.
fn groups(rows: &[AuditedExposures], outcomes: &[Outcome], in_force: &InForceVersions) -> Vec<Group> {
    let mut groups: BTreeMap<(u64, bool, u64), Group> = BTreeMap::new();
    let mut counted = None;
    for (row, outcome) in rows.iter().zip(outcomes) {
        if row.held_out || !matches!(outcome, Outcome::Checked(_)) || counted == Some(row.user) {
            continue;
        }
        let mut deciding = in_force.deciding(row.from);
        let (Some(time), None) = (deciding.next(), deciding.next()) else { continue };
        counted = Some(row.user);
        let (version, context) = (time.served, row.context);
        let key = (version.posterior_version, version.allocation == crate::domain::Allocation::Winners, context);
        let group = groups.entry(key).or_insert_with(|| Group { version, context, users: BTreeMap::new() });
        *group.users.entry(row.variant).or_default() += 1;
    }
    groups.into_values().collect()
}
