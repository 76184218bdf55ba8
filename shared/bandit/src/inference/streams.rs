//! Random streams: everything random in a fit comes from one ChaCha generator.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Seed;

/// What a stream is for. Parts that repeat (grid points, chains) use [`indexed`].
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Draws of arms or of conjugate posteriors.
    Exact = 1,
    /// Proposals of importance sampling.
    Proposals = 2,
    /// Offsets of systematic resampling.
    Resampling = 3,
    /// Chains of the no-U-turn sampler; one stream for each.
    Chains = 4,
    /// Columns that no observation touches.
    Unseen = 5,
    /// The order of the draws of amounts beside those of the conversions.
    Order = 6,
}

/// The generator of one part.
pub(crate) fn stream(seed: &Seed, part: Stream) -> ChaCha12Rng {
    indexed(seed, part, 0)
}

/// The generator of repetition `index` of a part.
pub(crate) fn indexed(seed: &Seed, part: Stream, index: u64) -> ChaCha12Rng {
    let mut rng = ChaCha12Rng::from_seed(seed.bytes());
    rng.set_stream(((part as u64) << 32) + index);
    rng
}
