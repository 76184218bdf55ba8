//! What the service does, one file per story: no HTTP in, no SDK out.

mod models;

pub use models::NewModel;
