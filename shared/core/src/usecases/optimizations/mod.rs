//! Optimizations: made, seen, changed and served.

mod frozen;
mod load;
mod policy;
mod policy_row;
mod records;
mod serve;

pub(super) use frozen::instead_of;
pub use policy::{PolicyDocument, PublishedPolicy};
pub use records::WithModel;
pub use serve::Decision;
