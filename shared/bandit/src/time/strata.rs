//! Strata from periods: a new one begins where allocation has moved.
//!
//! Within one version of the policy π(v|c) is constant, so that given context and version assignment is random, and an
//! intercept per span of constant allocation removes what goes on inside it. Spans are joined as long as allocation hardly
//! moves, since every intercept costs something.

use serde::{Deserialize, Serialize};

use crate::{Policy, Stratum};

/// Total variation that allocation may move by within a stratum, from its first policy.
pub const MOVED: f64 = 0.1;

/// Strata that there are at most.
pub const MOST_STRATA: usize = 200;

const DAY: i64 = 86_400;
/// 1970-01-05 was a Monday.
const MONDAY: i64 = 4 * DAY;

/// Where strata begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StrataRule {
    /// Where allocation has moved by more than [`MOVED`]; weekly where no version of ours was in force.
    #[default]
    Auto,
    /// At every midnight, UTC.
    Day,
    /// At the midnight that begins a Monday, UTC.
    Week,
    /// Nowhere: all is one.
    None,
}

/// A policy and since when it was in force: until the next one was.
#[derive(Clone, Copy, Debug)]
pub struct VersionInForce<'a> {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub from: i64,
    /// What was served; `None` where that is no table that is known: it is as far from all others as can be.
    pub policy: Option<&'a Policy>,
}

/// The strata of some periods.
#[derive(Clone, Debug, PartialEq)]
pub struct Strata {
    /// Their spans, in the order of time: from the start of the first period to the end of the last.
    pub spans: Vec<Stratum>,
    /// For each period the number of its stratum.
    pub of_period: Vec<usize>,
    /// For each stratum the greatest total variation between the policy that it begins with and a later one in it. Above
    /// [`MOVED`] it holds data of changing allocation: worth a warning.
    pub moved: Vec<f64>,
}

/// Puts periods into strata.
///
/// - `periods`: spans in the order of time; none spans a change of version: a period belongs to the version in force when it
///   begins. [`Stratum`] is a span of time whatever for;
/// - `versions`: what was in force, in the order of time; before the first nothing of ours was;
/// - `shares`: contexts and their weights, by which the total variation of two policies is averaged:
///   `Σ_c` `w_c` ½ `Σ_v` |π(v|c) − π'(v|c)| / `Σ_c` `w_c`, over the contexts that both have a row for.
///
/// With [`StrataRule::Auto`] a stratum begins where the policy is further than [`MOVED`] from the one that the stratum before
/// began with, where the first version comes into force, and before that at each Monday. There are never more than `most`, and than
/// [`MOST_STRATA`]: neighbours whose first policies are nearest are joined, those of no policy first.
#[must_use]
pub fn strata(
    rule: StrataRule,
    periods: &[Stratum],
    versions: &[VersionInForce<'_>],
    shares: &[(u64, u64)],
    most: usize,
) -> Strata {
    let in_force = |period: &Stratum| versions.partition_point(|version| version.from <= period.from).checked_sub(1);
    let distance = |a: Option<usize>, b: Option<usize>| match (a, b) {
        (Some(a), Some(b)) if a != b => match (versions[a].policy, versions[b].policy) {
            (Some(a), Some(b)) => total_variation(a, b, shares),
            _ => 1.0,
        },
        (Some(_), Some(_)) | (None, None) => 0.0,
        _ => 1.0,
    };
    // Each group is the periods of one stratum so far, with the version that it began with.
    let mut groups: Vec<(std::ops::Range<usize>, Option<usize>)> = Vec::new();
    for (i, period) in periods.iter().enumerate() {
        let version = in_force(period);
        let begins = match groups.last() {
            None => true,
            Some((group, first)) => {
                let before = &periods[group.end - 1];
                match rule {
                    StrataRule::None => false,
                    StrataRule::Day => before.from.div_euclid(DAY) != period.from.div_euclid(DAY),
                    StrataRule::Week => week(before.from) != week(period.from),
                    StrataRule::Auto if version.is_none() => week(before.from) != week(period.from),
                    StrataRule::Auto => distance(*first, version) > MOVED,
                }
            }
        };
        match groups.last_mut() {
            Some((group, _)) if !begins => group.end = i + 1,
            _ => groups.push((i..i + 1, version)),
        }
    }
    let mut apart: Vec<f64> = groups.windows(2).map(|pair| distance(pair[0].1, pair[1].1)).collect();
    while groups.len() > most.clamp(1, MOST_STRATA) {
        let nearest = (0..apart.len()).min_by(|&a, &b| apart[a].total_cmp(&apart[b])).unwrap_or(0);
        let (joined, _) = groups.remove(nearest + 1);
        groups[nearest].0.end = joined.end;
        apart.remove(nearest);
        if let Some((_, after)) = groups.get(nearest + 1) {
            apart[nearest] = distance(groups[nearest].1, *after);
        }
    }
    let moved = groups
        .iter()
        .map(|(group, first)| {
            let mut later: Vec<Option<usize>> = periods[group.clone()].iter().map(in_force).collect();
            later.dedup();
            later.into_iter().map(|version| distance(*first, version)).fold(0.0, f64::max)
        })
        .collect();
    Strata {
        spans: groups
            .iter()
            .map(|(group, _)| Stratum { from: periods[group.start].from, to: periods[group.end - 1].to })
            .collect(),
        of_period: groups.iter().enumerate().flat_map(|(g, (group, _))| group.clone().map(move |_| g)).collect(),
        moved,
    }
}

/// The number of the week that a second is in.
fn week(second: i64) -> i64 {
    (second - MONDAY).div_euclid(7 * DAY)
}

/// Of two policies, averaged over contexts by their weights. 0 where none has a row in both.
#[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
fn total_variation(a: &Policy, b: &Policy, shares: &[(u64, u64)]) -> f64 {
    let (mut total, mut weights) = (0.0, 0.0);
    for &(context, weight) in shares {
        if let (Some(a), Some(b)) = (a.row(context), b.row(context)) {
            let variants = a.iter().chain(b.iter()).map(|(v, _)| v).max().map_or(0, |v| v + 1);
            let apart: f64 = (0..variants).map(|v| (a.probability(v) - b.probability(v)).abs()).sum();
            total += weight as f64 * 0.5 * apart;
            weights += weight as f64;
        }
    }
    if weights > 0.0 { total / weights } else { 0.0 }
}
