//! What the service does, one file per story: no HTTP in, no SDK out.

mod at_hand;
mod drawn;
mod hold;
mod models;
mod observations;
mod optimizations;
mod policy;
mod requests;
mod retrain;
mod serve;
mod state;
mod train;
mod versions;

pub use at_hand::ServingCache;
pub use models::NewModel;
pub use optimizations::{NewOptimization, PatchOptimization, WithModel};
pub use policy::{PolicyDocument, PublishedPolicy};
pub use retrain::{Occasion, Outcome};
pub use serve::{Decision, Visitor};
pub use train::{Begun, Trained};
