//! Why bytes are not a stored posterior.

use crate::PolicyDecodeError;

/// An object that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The caller's metadata have a key that is written here.
    #[error("metadata key {key:?} is reserved")]
    ReservedKey {
        /// The key.
        key: String,
    },
    /// A part of the posterior has a size that does not fit the others.
    #[error("{what} has {found} values where {expected} are needed")]
    Size {
        /// The part.
        what: &'static str,
        /// How many values there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The bytes end before the header does.
    #[error("the object's header needs {needed} bytes and {found} are there")]
    Short {
        /// Bytes needed.
        needed: u64,
        /// Bytes there.
        found: usize,
    },
    /// The header is larger than any that is written here.
    #[error("a header of {length} bytes is too large")]
    HeaderTooLarge {
        /// Its length.
        length: u64,
    },
    /// The header is no JSON of the right form.
    #[error("the object's header is not readable: {0}")]
    Header(#[source] serde_json::Error),
    /// A tensor's type, shape and place do not go together.
    #[error("tensor {name:?} is not well formed: {what}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A tensor is not there.
    #[error("tensor {name:?} is missing")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A metadata key is not there.
    #[error("metadata key {key:?} is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A metadata value that is not known here.
    #[error("metadata key {key:?} has value {value:?}, which is not known here")]
    UnknownValue {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A part that is JSON cannot be written or read.
    #[error("{what} is not readable: {cause}")]
    Json {
        /// The part.
        what: &'static str,
        /// What the parser says.
        #[source]
        cause: serde_json::Error,
    },
    /// The policy is not readable.
    #[error(transparent)]
    Policy(#[from] PolicyDecodeError),
}
