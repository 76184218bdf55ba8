//! Blocks of draws that go through contexts together.

use super::{LANES, Layout, Outcomes};
use crate::Posterior;

/// Bytes of the blocks of a tile, about: they stay in a second-level cache while it goes through all contexts.
const BYTES: usize = 192 << 10;
/// Blocks of a tile, at most.
const MOST: usize = 8;

/// So many blocks that what is kept of a context is read once for all of them, and that they fit a cache.
pub(crate) struct Tile<'a> {
    blocks: Vec<Outcomes<'a>>,
    used: usize,
}

impl<'a> Tile<'a> {
    /// Without draws yet; for `draws` of them in all. `beside`: bytes that the caller keeps for each block. `multipliers`:
    /// one per column, of both parts alike.
    pub(crate) fn new(
        layout: &'a Layout,
        posterior: &'a Posterior,
        multipliers: Option<&'a [f64]>,
        draws: usize,
        beside: usize,
    ) -> Self {
        let parts = if posterior.amount.is_some() { 2 } else { 1 };
        let bytes = parts * layout.block_bytes() + beside;
        let count = (BYTES / bytes.max(1)).min(MOST).min(draws.div_ceil(LANES)).max(1);
        let blocks = (0..count).map(|_| Outcomes::new(layout, posterior, multipliers)).collect();
        Self { blocks, used: 0 }
    }

    /// Draws that it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.blocks.len() * LANES
    }

    /// Takes up the draws of the given numbers, at least 1 and at most its capacity; they are in the same order.
    pub(crate) fn load(&mut self, draws: &[usize]) {
        self.used = 0;
        for (block, draws) in self.blocks.iter_mut().zip(draws.chunks(LANES)) {
            block.load(draws);
            self.used += 1;
        }
    }

    /// The blocks that have draws, in their order.
    pub(crate) fn blocks(&mut self) -> &mut [Outcomes<'a>] {
        &mut self.blocks[..self.used]
    }
}
