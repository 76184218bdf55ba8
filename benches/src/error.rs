//! What can go wrong in a bench.

use std::path::PathBuf;

/// Why a bench ends without its figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The factors are no design.
    #[error(transparent)]
    Factors(#[from] bandit::FactorError),
    /// Simulated cells that no observations can have.
    #[error(transparent)]
    Cells(#[from] bandit::CellError),
    /// A fit failed where the bench needs it.
    #[error(transparent)]
    Fit(#[from] bandit::FitError),
    /// A posterior could not be compiled.
    #[error(transparent)]
    Decision(#[from] bandit::DecisionError),
    /// A training run failed.
    #[error(transparent)]
    Train(#[from] bandit::TrainError),
    /// A simulation's parameters are not those of a distribution.
    #[error("{what} cannot be drawn with parameters {first} and {second}")]
    Distribution {
        /// The distribution.
        what: &'static str,
        /// Its first parameter.
        first: f64,
        /// Its second parameter.
        second: f64,
    },
    /// Serving costs more than it may.
    #[error(
        "p99 of serving at {connections} connections is {ratio:.2} × that of the floor; at most {bound} is accepted"
    )]
    AboveFloor {
        /// Connections that were open at once.
        connections: usize,
        /// p99 of serving in units of the floor's.
        ratio: f64,
        /// What is accepted.
        bound: f64,
    },
    /// A name that is none of the known ones.
    #[error("there is no {what} {name:?}; known are {known}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// A file of results is not what this program writes.
    #[error("{path}, line {line}: {text:?} is no result", path = path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// JSON cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        cause: serde_json::Error,
    },
    /// The service does not do what the bench needs.
    #[error("the service: {cause}")]
    Service {
        /// What it said.
        cause: String,
    },
    /// Functions start more slowly than they may.
    #[error("{}; at most {most} ms are allowed", slow.join(", "))]
    Slow {
        /// Which, and by how much.
        slow: Vec<String>,
        /// The most that is allowed, milliseconds.
        most: f64,
    },
    /// A row of a policy is not there.
    #[error("the policy has no row for context {context}")]
    NoRow {
        /// The context.
        context: u64,
    },
}
