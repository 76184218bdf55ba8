//! Contexts in an order in which neighbours have much in common, for blocks of draws.

use super::blocks::{Layout, Step};
use crate::Space;

/// Contexts that blocks of draws go through one after another, each as far as it differs from the one before.
pub(crate) struct Walk {
    /// Contexts × context factors.
    levels: Vec<u32>,
    /// For each context how many of its first levels are those of the context before. None of the first one's.
    same: Vec<u32>,
    /// Context factors; 0 for arms, which know no context.
    depth: usize,
}

impl Walk {
    /// Through contexts of a space, in numerical order where speed matters.
    #[expect(clippy::cast_possible_truncation, reason = "levels and factors are far below 2^32")]
    pub(crate) fn new(space: &Space, layout: &Layout, contexts: impl IntoIterator<Item = u64>) -> Self {
        let mut walk = Self { levels: Vec::new(), same: Vec::new(), depth: layout.context.len() };
        let mut before: Vec<usize> = Vec::new();
        for context in contexts {
            let levels = layout.context_levels(space, context);
            walk.same.push(before.iter().zip(&levels).take_while(|(old, new)| old == new).count() as u32);
            walk.levels.extend(levels.iter().map(|&level| level as u32));
            before = levels;
        }
        walk
    }

    /// The number of contexts.
    pub(crate) fn len(&self) -> usize {
        self.same.len()
    }

    /// The way to context number `i` of the walk from the one before.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn step(&self, i: usize) -> Step<'_> {
        Step { levels: &self.levels[i * self.depth..(i + 1) * self.depth], same: self.same[i] as usize }
    }
}
