//! The compiled policy: for each context, how often each variant was the best.

use crate::Space;

/// Which contexts a policy has rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// One row that holds in every context: an untrained model, or a mab.
    AnyContext,
    /// Every context of the space, those with unknown levels included.
    EveryContext,
    /// Contexts of the training data.
    ObservedContexts,
}

/// π(·|c) of one context as counts: π(v|c) = count of v / total. Variants without a count are never served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef<'a> {
    variants: &'a [u32],
    counts: &'a [u32],
    total: u32,
}

impl<'a> RowRef<'a> {
    /// Variant numbers in ascending order, each with its positive count.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u32)> + 'a {
        self.variants.iter().map(|&v| v as usize).zip(self.counts.iter().copied())
    }

    /// Σ of the counts: the number of draws, or of allowed variants where the policy is uniform.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The count of a variant.
    #[must_use]
    pub fn count(&self, variant: usize) -> u32 {
        u32::try_from(variant).ok().and_then(|v| self.variants.binary_search(&v).ok()).map_or(0, |i| self.counts[i])
    }

    /// π(v|c), in [0, 1].
    #[must_use]
    pub fn probability(&self, variant: usize) -> f64 {
        f64::from(self.count(variant)) / f64::from(self.total)
    }

    /// The variant with the greatest probability, the lowest of several.
    #[must_use]
    pub fn favourite(&self) -> usize {
        self.iter().fold((0, 0), |best, (v, count)| if count > best.1 { (v, count) } else { best }).0
    }

    /// The same row on its own.
    #[must_use]
    pub fn to_row(&self) -> Row {
        Row { variants: self.variants.to_vec(), counts: self.counts.to_vec(), total: self.total }
    }
}

/// A row that owns its numbers, see [`RowRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    variants: Vec<u32>,
    counts: Vec<u32>,
    total: u32,
}

impl Row {
    /// A row from one count per variant. `None` where all are 0, or where they add up to 2³² or more.
    #[must_use]
    pub fn from_counts(counts: &[u32]) -> Option<Self> {
        let total = counts.iter().try_fold(0_u32, |sum, &n| sum.checked_add(n)).filter(|&n| n > 0)?;
        let mut row = Self { variants: Vec::new(), counts: Vec::new(), total };
        for (v, &count) in (0_u32..).zip(counts) {
            if count > 0 {
                row.variants.push(v);
                row.counts.push(count);
            }
        }
        Some(row)
    }

    /// A view of the row.
    #[must_use]
    pub fn as_ref(&self) -> RowRef<'_> {
        RowRef { variants: &self.variants, counts: &self.counts, total: self.total }
    }
}

/// A policy table π(v|c), kept as the non-zero counts of each row: contexts × variants, π(v|c) = count / total, no unit.
///
/// A row's counts add up to [`Policy::total`]: probabilities are exact fractions, the same on every machine. What is
/// counted is told at [`Policy::compile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(super) variants: u32,
    pub(super) space_contexts: u64,
    pub(super) total: u32,
    pub(super) coverage: Coverage,
    /// Ascending. Empty where the coverage says it all: one row, or row c for context c.
    pub(super) contexts: Vec<u64>,
    /// Row r is entries `starts[r]..starts[r + 1]`.
    pub(super) starts: Vec<u32>,
    pub(super) entry_variants: Vec<u32>,
    pub(super) entry_counts: Vec<u32>,
}

impl Policy {
    /// The policy of an untrained model: every allowed variant with the same probability in every context. `None` where
    /// all variants are excluded.
    #[must_use]
    pub fn uniform(space: &Space) -> Option<Self> {
        let counts: Vec<u32> = (0..space.variants()).map(|v| u32::from(space.is_allowed(v))).collect();
        let row = Row::from_counts(&counts)?;
        let mut policy = Self::empty(space, row.total, Coverage::AnyContext)?;
        policy.push(row.as_ref());
        Some(policy)
    }

    pub(super) fn empty(space: &Space, total: u32, coverage: Coverage) -> Option<Self> {
        Some(Self {
            variants: u32::try_from(space.variants()).ok()?,
            space_contexts: space.contexts(),
            total,
            coverage,
            contexts: Vec::new(),
            starts: vec![0],
            entry_variants: Vec::new(),
            entry_counts: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, row: RowRef<'_>) {
        self.entry_variants.extend(row.variants);
        self.entry_counts.extend(row.counts);
        self.starts.push(u32::try_from(self.entry_variants.len()).unwrap_or(u32::MAX));
    }

    /// The number of variants of the space, those that are never served included.
    #[must_use]
    pub fn variants(&self) -> usize {
        self.variants as usize
    }

    /// The number of contexts of the space.
    #[must_use]
    pub fn contexts(&self) -> u64 {
        self.space_contexts
    }

    /// Σ of the counts of any row.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Which contexts have a row.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of positive probabilities in all rows together.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entry_variants.len()
    }

    /// The row of a context; `None` where it was not compiled (see [`crate::draw_row`]) or is no context of the space.
    #[must_use]
    pub fn row(&self, context: u64) -> Option<RowRef<'_>> {
        if context >= self.space_contexts {
            return None;
        }
        let at = match self.coverage {
            Coverage::AnyContext => 0,
            Coverage::EveryContext => usize::try_from(context).ok()?,
            Coverage::ObservedContexts => self.contexts.binary_search(&context).ok()?,
        };
        Some(self.row_at(at))
    }

    /// All rows in ascending order of their contexts; the context is `None` for the one row of any context.
    pub fn iter(&self) -> impl Iterator<Item = (Option<u64>, RowRef<'_>)> {
        (0..self.rows()).map(|r| {
            let context = match self.coverage {
                Coverage::AnyContext => None,
                Coverage::EveryContext => Some(r as u64),
                Coverage::ObservedContexts => Some(self.contexts[r]),
            };
            (context, self.row_at(r))
        })
    }

    fn row_at(&self, row: usize) -> RowRef<'_> {
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        RowRef { variants: &self.entry_variants[range.clone()], counts: &self.entry_counts[range], total: self.total }
    }
}
