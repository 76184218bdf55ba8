//! The numbers of variants in the hash: they stay when levels come and go.

use crate::{DecisionError, Space};

/// Ordinals that a key has room for in each factor, and factors that it has room for: 64¹⁰ = 2⁶⁰.
const ORDINALS: u32 = 64;
const FACTORS: usize = 10;

/// One key for every variant of a space:
///
/// ```text
/// key_v = Σ_d ordinal_d · 64^d
/// ```
///
/// - d: a design factor, 0 for the first; `ordinal_d`: that of the variant's level in it, below 64, see
///   [`crate::Factor::ordinals`].
///
/// A variant's number counts through all combinations and moves when a level is added; its key does not, as long as factors keep
/// their order and levels their ordinals. No two variants have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantKeys(Vec<u64>);

impl VariantKeys {
    /// The keys of a space's variants.
    ///
    /// # Errors
    /// [`DecisionError::NoKey`]: an ordinal of 64 or more, or more than 10 design factors.
    pub fn of(space: &Space) -> Result<Self, DecisionError> {
        let mut keys = vec![0_u64];
        for (d, factor) in space.design().iter().enumerate() {
            let too_great = |ordinal: u32| DecisionError::NoKey { factor: factor.name().to_owned(), ordinal };
            if let Some(&ordinal) = factor.ordinals().iter().find(|&&ordinal| ordinal >= ORDINALS) {
                return Err(too_great(ordinal));
            }
            if d >= FACTORS {
                return Err(too_great(0));
            }
            let place = |&ordinal: &u32| u64::from(ordinal) << (6 * d);
            keys = keys.iter().flat_map(|key| factor.ordinals().iter().map(move |o| key + place(o))).collect();
        }
        Ok(Self(keys))
    }

    /// The key of a variant of the space.
    ///
    /// # Panics
    /// For a number that is no variant of the space: the caller's mistake.
    #[must_use]
    pub fn key(&self, variant: usize) -> u64 {
        self.0[variant]
    }
}
