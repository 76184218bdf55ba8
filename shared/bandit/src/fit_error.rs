//! Errors of fits: why there is no posterior.

use crate::MAX_COLUMNS;

/// Why there is no posterior.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The cell table is empty.
    #[error("there are no observations to fit")]
    NoObservations,
    /// A cell is of a variant or context that the space does not have.
    #[error("cell (variant {variant}, context {context}) is outside the space")]
    OutsideSpace {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
    },
    /// A cell of a bool reward has a sum that no count of conversions can have, or another sum of squares.
    #[error(
        "cell (variant {variant}, context {context}) has {sum} conversions, with squares of {sum_sq}, in {n} trials"
    )]
    NotBool {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
        /// Trials.
        n: u64,
        /// Σ r.
        sum: f64,
        /// Σ r².
        sum_sq: f64,
    },
    /// The two-part model was asked for, and nobody counted the rewards other than 0.
    #[error(
        "cell (variant {variant}, context {context}) does not say how many rewards are other than 0, as the two-part \
         distribution needs it: give the column `nonzero`, or choose the normal distribution"
    )]
    NonzeroNotCounted {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
    },
    /// The two-part model was asked for, and some rewards are below 0.
    #[error(
        "cell (variant {variant}, context {context}) has {nonzero} rewards other than 0 that add up to {sum}: the \
         two-part distribution is for rewards of 0 or more; choose the normal one"
    )]
    NotTwoPart {
        /// Variant number.
        variant: usize,
        /// Context number.
        context: u64,
        /// z.
        nonzero: f64,
        /// Σ r.
        sum: f64,
    },
    /// The space has more columns than a model may have, strata included.
    #[error("the model has {columns} columns, more than {MAX_COLUMNS}")]
    TooManyColumns {
        /// Columns.
        columns: usize,
    },
    /// A scale of the prior is not a positive number.
    #[error("the prior's scales must be positive and finite, not {main} and {pair}")]
    Prior {
        /// `prior.main_scale`.
        main: f64,
        /// `prior.pair_scale`.
        pair: f64,
    },
    /// The sums of a numeric reward have lost its spread to rounding: less than two digits of the variance are left.
    #[error(
        "the rewards' spread, about {sd:e}, is too small against their mean, {mean:e}, to be told from rounding in sums of squares: subtract a constant near the mean from every reward"
    )]
    Unresolved {
        /// Mean of all rewards.
        mean: f64,
        /// Their standard deviation, as far as it can be told.
        sd: f64,
    },
    /// A precision that must be positive definite is not, to the accuracy of the arithmetic.
    #[error("the precision is not positive definite at pivot {pivot}")]
    NotPositiveDefinite {
        /// Number of the column.
        pivot: usize,
    },
    /// An iteration did not reach its criterion.
    #[error("{what} did not converge (residual {residual:e})")]
    NoConvergence {
        /// What was iterated.
        what: &'static str,
        /// How far it was from its criterion.
        residual: f64,
    },
    /// The next step of a fit would cost more than a fit may: 4·10⁹ operations (less than 5 s of processor time) up to 104
    /// columns, or 200 columns and 10,000 cells, and 1.6·10¹⁰ (about 20 s) beyond.
    #[error(
        "a fit of {columns} columns has spent {spent:.1e} of {bound:.1e} operations, too many for {step} to follow"
    )]
    Work {
        /// The step that was not taken.
        step: &'static str,
        /// Columns.
        columns: usize,
        /// Operations so far, at most `bound`.
        spent: f64,
        /// Operations that the fit may take.
        bound: f64,
    },
    /// Neither importance weights nor the no-U-turn sampler reached their criteria within the work that a fit may take.
    #[error(
        "sampling fell short: Pareto k {pareto_k:.2}, R-hat {r_hat:.3}, {effective_draws:.0} effective draws, \
         {divergences} divergences"
    )]
    Sampling {
        /// k̂ of the importance weights.
        pareto_k: f64,
        /// Greatest R̂ of the sampler's chains.
        r_hat: f64,
        /// Least effective number of draws.
        effective_draws: f64,
        /// Divergent transitions.
        divergences: u64,
    },
}
