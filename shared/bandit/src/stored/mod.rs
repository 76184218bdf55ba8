//! The stored posterior: one safetensors object per version.
//!
//! | tensor | type | shape | |
//! | --- | --- | --- | --- |
//! | `strata` | F32 | draws × strata | intercepts of the strata, of the same draws; only where there are several |
//! | `mean` | F64 | columns | mean of each column over all draws |
//! | `precision_cholesky` | F64 | columns (columns + 1) / 2 | the lower triangle of L, Λ = L Lᵀ, row by row; cmab only |
//! | `scales` | F64 | points × 3 | `τ_main`, `τ_pair`, weight; cmab only |
//! | `arms` | F64 | variants × parameters | mab only |
//! | `location` | F64 | 2 | center and scale of an identity link |
//! | `draws` | F32 | draws × columns | locations; every k-th draw, so that the object stays within 32 MB |
//! | `policy` | U8 | bytes | see [`crate::Policy::to_bytes`] |
//! | `state` | U8 | bytes | the [`crate::Report`] as JSON |
//!
//! Two-part rewards have a second part, the amounts: the tensors `amount_draws`, `amount_strata`, `amount_mean`,
//! `amount_precision_cholesky`, `amount_scales`, `amount_arms` and the metadata key `amount_diagnostics` are of it.
//!
//! Metadata: what the caller gives, and the keys of [`RESERVED_KEYS`]. `columns` is a JSON list with the factors and levels
//! of each column (`{}` for the intercept). Tensors without values are left out. The same content gives the same bytes:
//! metadata are in the order of their keys, which the crate safetensors does not promise, so the header is written here.

mod error;
mod header;
mod read;
mod write;

pub use error::StoredError;
pub use header::Header;
pub use read::{Stored, decode, decode_report};
pub use write::encode;

/// Metadata keys that [`encode`] writes itself.
pub const RESERVED_KEYS: [&str; 8] =
    ["amount_diagnostics", "columns", "diagnostics", "draws_stride", "format", "link", "metrics", "predictor"];

/// The value of the key `format`.
const FORMAT: &str = "fulcrum.posterior.v2";

/// Names of the tensors of one part.
struct Names {
    draws: &'static str,
    strata: &'static str,
    mean: &'static str,
    precision_cholesky: &'static str,
    scales: &'static str,
    arms: &'static str,
}

/// Of the only part, or of the conversions.
const MAIN: Names = Names {
    draws: "draws",
    strata: "strata",
    mean: "mean",
    precision_cholesky: "precision_cholesky",
    scales: "scales",
    arms: "arms",
};

/// Of the amounts.
const AMOUNT: Names = Names {
    draws: "amount_draws",
    strata: "amount_strata",
    mean: "amount_mean",
    precision_cholesky: "amount_precision_cholesky",
    scales: "amount_scales",
    arms: "amount_arms",
};

/// Bytes that an object has at most, header and all, as long as 1,000 draws remain.
const MOST_BYTES: usize = 32_000_000;

/// Draws that are kept whatever the size, where there are so many.
const LEAST_DRAWS: usize = 1_000;
