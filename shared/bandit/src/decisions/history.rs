//! The policies of a model's versions in one piece of bytes: what past decisions are checked and valued by.
//!
//! ```text
//! "FLPH"  2 (format, u8)  variants  contexts of the space  versions
//! of each version, the newest first: version  bytes of what follows
//!     coverage  total  rows  context of each row, less the one before it (only where observed contexts are covered)
//!     of each row: entries that differ, and of each: its variant, less the one before it, and by how much its count differs
//!     what the version expects of its cells, or 0 (see `expectations`)
//! ```
//! Numbers are LEB128, differences of counts in zigzag. A row differs from the same context's of the next newer version, or from
//! a row of nothing where that has none: what hardly moves takes a byte a row. Format 1 has no expectations.

use std::collections::BTreeMap;

use super::encoding::PolicyDecodeError;
use super::expectations::Expectations;
use super::policy::{Coverage, Policy, RowRef};
use super::varint::{number, put, unzigzag, zigzag};
use crate::Space;

const MAGIC: &[u8; 4] = b"FLPH";
const FORMAT: u8 = 2;
/// Without expectations.
const FORMAT_1: u8 = 1;

/// Positive probabilities of all policies together, at most: 8 bytes of memory each.
const MOST_ENTRIES: usize = 8_000_000;
/// Expectations of all versions together, at most: 4 bytes of memory each. The oldest are left out first.
const MOST_EXPECTATIONS: usize = 4_000_000;

/// Policies by posterior version, see the module's description for their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyHistory {
    variants: u32,
    space_contexts: u64,
    policies: BTreeMap<u64, Policy>,
    /// Of versions that have a policy.
    expectations: BTreeMap<u64, Expectations>,
}

impl PolicyHistory {
    /// Bytes that a history has at most.
    pub const MOST_BYTES: usize = 32_000_000;

    /// A history without a version. `None` where the space has 2³² variants or more.
    #[must_use]
    pub fn new(space: &Space) -> Option<Self> {
        let variants = u32::try_from(space.variants()).ok()?;
        Some(Self {
            variants,
            space_contexts: space.contexts(),
            policies: BTreeMap::new(),
            expectations: BTreeMap::new(),
        })
    }

    /// The policy of a version.
    #[must_use]
    pub fn get(&self, version: u64) -> Option<&Policy> {
        self.policies.get(&version)
    }

    /// Its versions, ascending, with their policies.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Policy)> {
        self.policies.iter().map(|(&version, policy)| (version, policy))
    }

    /// Adds the policy of a version. It is left out where it is of another space.
    pub fn insert(&mut self, version: u64, policy: Policy) {
        if (policy.variants, policy.space_contexts) == (self.variants, self.space_contexts) {
            self.policies.insert(version, policy);
        }
    }

    /// Keeps q̂(v, c), the posterior mean rewards of a version in some ascending contexts (contexts × variants, reward units), beside its
    /// policy, to one part in 2¹⁶. They are left out where the version has no policy here, where they are not as many numbers, and where
    /// one is not finite.
    pub fn expect(&mut self, version: u64, contexts: &[u64], means: &[f64]) {
        let known = self.policies.contains_key(&version);
        let expectations = Expectations::new(self.variants as usize, contexts, means).filter(|_| known);
        self.expectations.extend(expectations.map(|expectations| (version, expectations)));
    }

    /// q̂(·, c): what a version expects of each variant in a context, reward units; `None` where it is not kept. With a policy of one row
    /// for any context, what it expects in context 0 holds in those that are not kept.
    #[must_use]
    pub fn expected(&self, version: u64, context: u64) -> Option<Vec<f64>> {
        let any = self.get(version)?.coverage() == Coverage::AnyContext;
        let expectations = self.expectations.get(&version)?;
        expectations.of(context).or_else(|| expectations.of(0).filter(|_| any))
    }

    /// Keeps the versions that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(u64) -> bool) {
        self.policies.retain(|&version, _| wanted(version));
        self.expectations.retain(|version, _| self.policies.contains_key(version));
    }

    /// The history as bytes; the oldest versions are left out where they would be more than `most`, or too many to be read back.
    /// Expectations take half of that at the most: the oldest of them are left out first.
    #[must_use]
    pub fn to_bytes(&self, most: usize) -> Vec<u8> {
        let mut coded: Vec<(u64, Vec<u8>)> = Vec::new();
        let (mut newer, mut bytes, mut entries) = (None, 0, 0);
        let (mut expected_by_newer, mut expected_bytes, mut expected) = (None, 0, 0);
        for (&version, policy) in self.policies.iter().rev() {
            let mut body = coded_against(policy, newer);
            let own = self.expectations.get(&version).filter(|_| expected_bytes < most / 2).and_then(|own| {
                let mut coded = Vec::new();
                own.encode(expected_by_newer, &mut coded);
                (expected_bytes, expected) = (expected_bytes + coded.len(), expected + own.len());
                (expected_bytes <= most / 2 && expected <= MOST_EXPECTATIONS).then_some((own, coded))
            });
            body.extend(own.as_ref().map_or(&[0][..], |(_, coded)| coded));
            expected_by_newer = own.map(|(own, _)| own);
            // A version and a length have ten bytes at most, and what comes first less than 64.
            bytes += body.len() + 20;
            entries += policy.entries();
            if bytes + 64 > most || entries > MOST_ENTRIES {
                break;
            }
            coded.push((version, body));
            newer = Some(policy);
        }
        let mut out = Vec::with_capacity(bytes + 64);
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        for number in [u64::from(self.variants), self.space_contexts, coded.len() as u64] {
            put(&mut out, number);
        }
        for (version, body) in coded {
            put(&mut out, version);
            put(&mut out, body.len() as u64);
            out.extend_from_slice(&body);
        }
        out
    }

    /// The history of bytes that [`PolicyHistory::to_bytes`] made for the same space.
    ///
    /// # Errors
    /// [`PolicyDecodeError`] for any other bytes.
    pub fn from_bytes(space: &Space, bytes: &[u8]) -> Result<Self, PolicyDecodeError> {
        let wrong = |what| PolicyDecodeError::Header { what };
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(wrong("it does not begin as a history of policies does"))?;
        let (&format, after) = rest.split_first().ok_or(wrong("it ends before its format"))?;
        if !(FORMAT_1..=FORMAT).contains(&format) {
            return Err(PolicyDecodeError::Unknown { what: "format", value: format });
        }
        rest = after;
        let mut history = Self::new(space).ok_or(wrong("a space of too many variants"))?;
        let of = (number(&mut rest)?, number(&mut rest)?);
        if of != (u64::from(history.variants), history.space_contexts) {
            return Err(wrong("a history of another space"));
        }
        let (versions, mut newer, mut entries): (u64, Option<u64>, usize) = (number(&mut rest)?, None, 0);
        let mut expected = 0;
        for _ in 0..versions {
            let version = number(&mut rest)?;
            if newer.is_some_and(|newer| newer <= version) {
                return Err(wrong("versions are not descending"));
            }
            let length = usize::try_from(number(&mut rest)?).unwrap_or(usize::MAX);
            let (mut body, after) = rest.split_at_checked(length).ok_or(wrong("it ends within a version"))?;
            let base = newer.and_then(|newer| history.policies.get(&newer));
            let policy = decoded(&history, &mut body, base, MOST_ENTRIES - entries)?;
            if format != FORMAT_1 {
                let base = newer.and_then(|newer| history.expectations.get(&newer));
                let variants = history.variants as usize;
                let own = Expectations::decode(&mut body, variants, base, MOST_EXPECTATIONS - expected)?;
                expected += own.len();
                history.expectations.extend((own.len() > 0).then_some((version, own)));
            }
            if !body.is_empty() {
                return Err(wrong("a version is longer than its rows"));
            }
            entries += policy.entries();
            history.policies.insert(version, policy);
            (rest, newer) = (after, Some(version));
        }
        if rest.is_empty() { Ok(history) } else { Err(wrong("it goes on after its last version")) }
    }
}

/// The row of the next newer version that a row is told by.
fn base_row(newer: Option<&Policy>, context: Option<u64>) -> Option<RowRef<'_>> {
    newer.and_then(|newer| newer.row(context.unwrap_or(0)))
}

/// What is counted of each variant of a row and of its base, where one of them counts it.
fn both(row: Option<RowRef<'_>>, base: Option<RowRef<'_>>) -> BTreeMap<usize, [u32; 2]> {
    let mut both = BTreeMap::new();
    for (place, row) in [(0, row), (1, base)] {
        for (variant, count) in row.iter().flat_map(RowRef::iter) {
            both.entry(variant).or_insert([0, 0])[place] = count;
        }
    }
    both
}

fn coded_against(policy: &Policy, newer: Option<&Policy>) -> Vec<u8> {
    let mut out = Vec::new();
    let coverage = match policy.coverage {
        Coverage::AnyContext => 0,
        Coverage::EveryContext => 1,
        Coverage::ObservedContexts => 2,
    };
    for number in [coverage, u64::from(policy.total), policy.rows() as u64] {
        put(&mut out, number);
    }
    let mut last = 0;
    for &context in &policy.contexts {
        put(&mut out, context - last);
        last = context;
    }
    for (context, row) in policy.iter() {
        let differing: Vec<(usize, i64)> = both(Some(row), base_row(newer, context))
            .into_iter()
            .map(|(variant, [count, base])| (variant, i64::from(count) - i64::from(base)))
            .filter(|(_, difference)| *difference != 0)
            .collect();
        put(&mut out, differing.len() as u64);
        let mut last = 0;
        for (variant, difference) in differing {
            put(&mut out, (variant - last) as u64);
            put(&mut out, zigzag(difference));
            last = variant;
        }
    }
    out
}

fn decoded(
    of: &PolicyHistory,
    body: &mut &[u8],
    newer: Option<&Policy>,
    most_entries: usize,
) -> Result<Policy, PolicyDecodeError> {
    let header = |what| PolicyDecodeError::Header { what };
    let coverage = match number(body)? {
        0 => Coverage::AnyContext,
        1 => Coverage::EveryContext,
        2 => Coverage::ObservedContexts,
        other => {
            let value = u8::try_from(other).unwrap_or(u8::MAX);
            return Err(PolicyDecodeError::Unknown { what: "coverage", value });
        }
    };
    let total = u32::try_from(number(body)?).map_err(|_| header("a total of 2³² or more"))?;
    let rows = usize::try_from(number(body)?).unwrap_or(usize::MAX);
    let covered = match coverage {
        Coverage::AnyContext => rows == 1,
        Coverage::EveryContext => rows as u64 == of.space_contexts,
        Coverage::ObservedContexts => true,
    };
    // Every row takes a byte at least.
    if !covered || rows > body.len() || total == 0 {
        return Err(header("rows or total do not fit the coverage"));
    }
    let mut policy = Policy {
        variants: of.variants,
        space_contexts: of.space_contexts,
        total,
        coverage,
        contexts: Vec::new(),
        starts: vec![0],
        entry_variants: Vec::new(),
        entry_counts: Vec::new(),
    };
    if coverage == Coverage::ObservedContexts {
        let mut last = 0_u64;
        for _ in 0..rows {
            last = last.checked_add(number(body)?).ok_or(header("a context beyond all numbers"))?;
            policy.contexts.push(last);
        }
    }
    for row in 0..rows {
        let wrong = |what| PolicyDecodeError::Row { row, what };
        let context = match coverage {
            Coverage::AnyContext => None,
            Coverage::EveryContext => Some(row as u64),
            Coverage::ObservedContexts => Some(policy.contexts[row]),
        };
        let mut counts = both(base_row(newer, context), None);
        let mut variant = 0_usize;
        for _ in 0..number(body)? {
            let gap = usize::try_from(number(body)?).unwrap_or(usize::MAX);
            variant = variant.checked_add(gap).ok_or(wrong("a variant beyond all numbers"))?;
            let entry = counts.entry(variant).or_insert([0, 0]);
            let count = unzigzag(number(body)?).checked_add(i64::from(entry[0]));
            entry[0] = count.and_then(|n| u32::try_from(n).ok()).ok_or(wrong("a count below 0 or of 2³² or more"))?;
        }
        for (variant, [count, _]) in counts.into_iter().filter(|(_, [count, _])| *count > 0) {
            policy.entry_variants.push(u32::try_from(variant).map_err(|_| wrong("a variant of 2³² or more"))?);
            policy.entry_counts.push(count);
        }
        if policy.entries() > most_entries {
            return Err(header("more probabilities than a history may have"));
        }
        policy.starts.push(u32::try_from(policy.entries()).unwrap_or(u32::MAX));
    }
    policy.check()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Dtype, Factor, Row};

    fn space() -> Space {
        let factor = |name: &str, n: usize| {
            Factor::new(name, Dtype::Str, (0..n).map(|level| level.to_string()).collect()).unwrap()
        };
        Space::new(vec![factor("a", 5)], vec![factor("c", 3)]).unwrap()
    }

    /// A policy of the space with these contexts' counts.
    fn policy(coverage: Coverage, rows: &BTreeMap<u64, Vec<u32>>) -> Policy {
        let mut policy = Policy::empty(&space(), 100, coverage).unwrap();
        for (&context, counts) in rows {
            let mut counts = counts.clone();
            let rest = 100 - counts.iter().sum::<u32>();
            counts[0] += rest;
            if coverage == Coverage::ObservedContexts {
                policy.contexts.push(context);
            }
            policy.push(Row::from_counts(&counts).unwrap().as_ref());
        }
        policy
    }

    fn any_rows(contexts: Vec<u64>) -> impl Strategy<Value = BTreeMap<u64, Vec<u32>>> {
        let counts = proptest::collection::vec(proptest::collection::vec(0_u32..20, 5), contexts.len());
        counts.prop_map(move |counts| contexts.iter().copied().zip(counts).collect())
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let every: Vec<u64> = (0..space().contexts()).collect();
        prop_oneof![
            any_rows(vec![0]).prop_map(|rows| policy(Coverage::AnyContext, &rows)),
            any_rows(every.clone()).prop_map(|rows| policy(Coverage::EveryContext, &rows)),
            proptest::sample::subsequence(every, 0..=4)
                .prop_flat_map(any_rows)
                .prop_map(|rows| policy(Coverage::ObservedContexts, &rows)),
        ]
    }

    fn history(policies: impl IntoIterator<Item = (u64, Policy)>) -> PolicyHistory {
        let mut history = PolicyHistory::new(&space()).unwrap();
        for (version, policy) in policies {
            history.insert(version, policy);
        }
        history
    }

    proptest! {
        #[test]
        fn a_history_is_read_as_it_was_written(
            policies in proptest::collection::btree_map(0_u64..1_000, any_policy(), 0..8),
            expect_every in 1_u64..4,
        ) {
            let versions: Vec<u64> = policies.keys().copied().collect();
            let mut history = history(policies);
            for version in versions.into_iter().filter(|version| version % expect_every == 0) {
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let means: Vec<f64> = (0..10).map(|cell| (version + cell) as f64 / 100.0).collect();
                history.expect(version, &[1, 3], &means);
            }
            let bytes = history.to_bytes(PolicyHistory::MOST_BYTES);
            prop_assert_eq!(PolicyHistory::from_bytes(&space(), &bytes).unwrap(), history);
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_as_a_history(
            policies in proptest::collection::btree_map(0_u64..1_000, any_policy(), 1..4),
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = history(policies).to_bytes(PolicyHistory::MOST_BYTES);
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
                prop_assert!(PolicyHistory::from_bytes(&space(), &bytes).is_err());
            } else {
                bytes[at] = to;
                if let Ok(read) = PolicyHistory::from_bytes(&space(), &bytes) {
                    for (_, policy) in read.iter() {
                        prop_assert!(policy.iter().all(|(_, row)| row.iter().map(|(_, n)| n).sum::<u32>() == row.total()));
                    }
                }
            }
        }
    }

    #[test]
    fn what_hardly_moves_takes_little_and_the_oldest_is_left_out_first() {
        let rows = |moved: u32| {
            let contexts = 0..space().contexts();
            contexts.map(|context| (context, vec![0, 20, 30, u32::from(context == 1) * moved, 5])).collect()
        };
        let alike = history(
            (1..=50)
                .map(|version| (version, policy(Coverage::EveryContext, &rows(u32::try_from(version).unwrap() % 2)))),
        );
        let bytes = alike.to_bytes(PolicyHistory::MOST_BYTES).len();
        // Two bytes of a version's own, three of its table, one a row, four of the row that moved, and one for no expectations.
        assert!(bytes < 50 * 15 + 40, "{bytes}");
        let kept = PolicyHistory::from_bytes(&space(), &alike.to_bytes(500)).unwrap();
        let versions: Vec<u64> = kept.iter().map(|(version, _)| version).collect();
        assert!(versions.len() > 3 && versions.len() < 50 && versions.last() == Some(&50), "{versions:?}");
        assert_eq!(versions, (51 - versions.len() as u64..=50).collect::<Vec<_>>());
        assert!(alike.to_bytes(500).len() <= 500);
    }

    #[test]
    fn expectations_are_kept_to_half_of_the_bytes_and_the_oldest_go_first() {
        let rows = (0..space().contexts()).map(|context| (context, vec![0, 20, 30, 0, 5])).collect();
        let mut history = history((1..=50).map(|version| (version, policy(Coverage::EveryContext, &rows))));
        for version in 1..=50_u32 {
            let means: Vec<f64> = (0..20).map(|cell| 1.0 + f64::from(version * cell % 17)).collect();
            history.expect(u64::from(version), &[0, 1, 2, 3], &means);
        }
        let kept = PolicyHistory::from_bytes(&space(), &history.to_bytes(3_200)).unwrap();
        let expected: Vec<u64> = (1..=50).filter(|&version| kept.expected(version, 2).is_some()).collect();
        assert_eq!(kept.iter().count(), 50);
        assert!(expected.len() > 5 && expected.len() < 50, "{expected:?}");
        assert_eq!(expected, (51 - expected.len() as u64..=50).collect::<Vec<_>>());
        assert_eq!(kept.expected(50, 2), history.expected(50, 2));
        assert_eq!((kept.expected(50, 4), kept.expected(51, 2)), (None, None));
        // What goes takes its expectations with it.
        history.retain(|version| version != 50);
        history.insert(50, policy(Coverage::EveryContext, &BTreeMap::from_iter([(0, vec![0; 5])])));
        assert_eq!(history.expected(50, 2), None);
        history.expect(60, &[0], &[0.0; 5]);
        assert_eq!(history.expected(60, 0), None);
    }

    #[test]
    fn one_row_for_any_context_has_one_expectation_for_any() {
        let mut history = history([(1, policy(Coverage::AnyContext, &BTreeMap::from_iter([(0, vec![5; 5])])))]);
        history.expect(1, &[0], &[0.5, 0.25, 0.0, -1.0, 2.0]);
        assert_eq!(history.expected(1, 3), Some(vec![0.5, 0.25, 0.0, -1.0, 2.0]));
    }

    #[test]
    fn a_history_of_the_first_format_is_read_without_expectations() {
        let history = history([(7, policy(Coverage::AnyContext, &BTreeMap::from_iter([(0, vec![5; 5])])))]);
        let mut bytes = history.to_bytes(PolicyHistory::MOST_BYTES);
        // Its last byte says that there are no expectations, and the length of its one version counts it.
        assert_eq!(bytes.pop(), Some(0));
        (bytes[4], bytes[9]) = (1, bytes[9] - 1);
        assert_eq!(PolicyHistory::from_bytes(&space(), &bytes), Ok(history));
        bytes[4] = 3;
        let error = PolicyHistory::from_bytes(&space(), &bytes).unwrap_err();
        assert_eq!(error.to_string(), "a policy with format 3, which is not known here");
    }

    #[test]
    fn a_history_of_another_space_is_refused() {
        let other =
            Space::new(vec![Factor::new("a", Dtype::Str, vec!["x".into(), "y".into()]).unwrap()], vec![]).unwrap();
        let bytes = history([]).to_bytes(PolicyHistory::MOST_BYTES);
        let error = PolicyHistory::from_bytes(&other, &bytes).unwrap_err();
        assert_eq!(error.to_string(), "a policy with impossible sizes: a history of another space");
        assert!(PolicyHistory::from_bytes(&space(), b"FLPH").is_err());
        let mut mixed = history([]);
        mixed.insert(1, Policy::uniform(&other).unwrap());
        assert_eq!(mixed.iter().count(), 0);
    }
}
