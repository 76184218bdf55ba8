//! Ids of the demonstration's visitors.

use bandit::{Dtype, Factor, Policy, Space, VariantKeys, choose, hold_out};
use fulcrum_core::ApiError;

use super::events::Visitor;
use super::truth;
use crate::error::CliError;

/// What the service serves before it has learned anything: every variant alike, and the baseline to whom is held out.
pub(super) struct Untrained {
    policy: Policy,
    keys: VariantKeys,
}

impl Untrained {
    /// Of the demonstration's design.
    ///
    /// # Errors
    /// [`CliError`] where the design is none.
    pub(super) fn new() -> Result<Self, CliError> {
        let factor = |(name, levels): &truth::Levels| {
            Factor::new(*name, Dtype::Str, levels.iter().map(|level| (*level).to_owned()).collect())
        };
        let design = truth::DESIGN.iter().map(factor).collect::<Result<Vec<_>, _>>().map_err(ApiError::internal)?;
        let space = Space::new(design, Vec::new()).map_err(ApiError::internal)?;
        let policy = Policy::uniform(&space).ok_or_else(|| ApiError::internal("the design has no variants"))?;
        let keys = VariantKeys::of(&space).map_err(ApiError::internal)?;
        Ok(Self { policy, keys })
    }

    /// An id for each visitor, such that the service shows its owner what the visitor is to see, out of as many as it takes.
    pub(super) fn ids(&self, optimization: &str, visitors: &[Visitor], holdout: f64) -> Vec<String> {
        let fits = |wanted: &Visitor, id: &str| {
            let held_out = hold_out(optimization, id, holdout);
            let shown = |row| choose(optimization, id, row, &self.keys);
            held_out == wanted.held_out && (held_out || self.policy.row(0).map(shown) == Some(wanted.variant))
        };
        // Multiplying by an odd number is a bijection: ids look random and are unique.
        let id = |number: u64, attempt: u64| {
            format!("anon-{:016x}", (number + 1 + (attempt << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        };
        let of =
            |(number, wanted)| (0..u64::from(u32::MAX)).map(|attempt| id(number, attempt)).find(|id| fits(wanted, id));
        (0..).zip(visitors).map(|visitor| of(visitor).unwrap_or_default()).collect()
    }
}
