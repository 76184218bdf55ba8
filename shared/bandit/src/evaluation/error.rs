//! Sums that cannot be evaluated.

/// Why an evaluation is refused: the sums contradict each other, which is the caller's mistake.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvaluationError {
    /// Sums that no observations have.
    #[error("{what}: {users} users with Σ {sum} and Σ² {sum_sq}, which no observations have")]
    ImpossibleSums {
        /// Where.
        what: String,
        /// Users or exposures.
        users: u64,
        /// Σ y.
        sum: f64,
        /// Σ y².
        sum_sq: f64,
    },
    /// Lists that must be of one length are not.
    #[error("context {context} of the log has {found} numbers in {what} where there are {expected} variants")]
    Length {
        /// The place of the context in the log.
        context: usize,
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The number of variants.
        expected: usize,
    },
    /// A number that is no probability, or probabilities that do not add up to 1.
    #[error("context {context} of the log: {what} add up to {sum}, or one is negative; probabilities are wanted")]
    NotProbabilities {
        /// The place of the context in the log.
        context: usize,
        /// Which list.
        what: &'static str,
        /// Their sum.
        sum: f64,
    },
    /// A number that must be something else.
    #[error("{what} is {value}; {wanted}")]
    BadNumber {
        /// Which number.
        what: &'static str,
        /// The number given.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// A level beyond those of its factor.
    #[error("a cell of levels ({first}, {second}) where the factors have {levels:?} levels")]
    UnknownLevel {
        /// Level of the first factor.
        first: usize,
        /// Level of the second factor.
        second: usize,
        /// How many each has.
        levels: (usize, usize),
    },
    /// More held out than users.
    #[error("{held_out} of {users} users are held out")]
    MoreThanAll {
        /// Users held out.
        held_out: u64,
        /// All users.
        users: u64,
    },
    /// Newton's iteration did not come to an end.
    #[error("the regression of {what} did not converge in {iterations} iterations; its deviance was still {deviance}")]
    NotConverged {
        /// Which model.
        what: &'static str,
        /// Iterations made.
        iterations: usize,
        /// The last deviance.
        deviance: f64,
    },
}
