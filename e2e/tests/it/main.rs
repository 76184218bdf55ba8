//! What is deployed, as far as it can be shown without a cloud: the template, the functions' permissions, the built functions.

mod binaries;
mod events;
mod layers;
mod openapi;
mod permissions;
mod recorder;
mod schema;
mod stage;
mod template;
mod yaml;
