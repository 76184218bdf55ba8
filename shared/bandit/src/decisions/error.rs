//! Why no decision can be made from a posterior.

/// A posterior, options and a space that do not go together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecisionError {
    /// Every variant is excluded.
    #[error("all {variants} variants are excluded; nothing can be served")]
    NoVariant {
        /// Number of variants.
        variants: usize,
    },
    /// The posterior is not one of this space.
    #[error("the posterior has {found} values in {what} where this design needs {expected}")]
    Shape {
        /// The part of the posterior.
        what: &'static str,
        /// How many values there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// There is no draw.
    #[error("the posterior has no draw")]
    NoDraws,
    /// A draw or a mean is NaN or infinite.
    #[error("column {column} of the posterior has a value that is not finite, in draw {draw:?} (none: the mean)")]
    NotFinite {
        /// Column number.
        column: usize,
        /// Draw number, or `None` for the mean.
        draw: Option<usize>,
    },
    /// A bias names no factor of the space.
    #[error("bias {name:?} names no factor; the factors are {known:?}")]
    UnknownBias {
        /// The name.
        name: String,
        /// All factors of the space.
        known: Vec<String>,
    },
    /// A bias is negative, NaN or infinite.
    #[error("bias {name:?} is {value}; it must be a finite number of at least 0")]
    BadBias {
        /// The factor.
        name: String,
        /// The value.
        value: f64,
    },
    /// The exploration is negative, NaN or infinite.
    #[error("exploration is {value}; it must be a finite number of at least 0")]
    BadExploration {
        /// The value.
        value: f64,
    },
    /// The minimum share is negative, NaN, or more than there is for each variant.
    #[error("minimum_share is {value}; with {variants} allowed variants it must be between 0 and 1/{variants}")]
    BadMinimumShare {
        /// The value.
        value: f64,
        /// Allowed variants.
        variants: usize,
    },
    /// The variants' keys have no room for a level, or for a factor.
    #[error(
        "design factor {factor:?} has a level of ordinal {ordinal}; variants' keys have room for 10 factors and the ordinals 0 to 63"
    )]
    NoKey {
        /// The factor.
        factor: String,
        /// The ordinal.
        ordinal: u32,
    },
    /// A context number beyond those of the space.
    #[error("context {context} is not one of the {contexts} contexts")]
    UnknownContext {
        /// The number.
        context: u64,
        /// How many contexts there are.
        contexts: u64,
    },
    /// A cell of a variant beyond those of the space.
    #[error("the cells have variant {variant}, which is not one of the {variants} variants")]
    UnknownVariant {
        /// The number.
        variant: usize,
        /// How many variants there are.
        variants: usize,
    },
}
