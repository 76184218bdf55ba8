//! The whole service on this machine: stores, functions and gateway in one process.

pub(crate) mod command;
mod compaction;
pub mod cors;
mod env_file;
mod events;
pub mod examples;
pub mod gateway;
mod queue;
mod server;
mod service;
mod sign_in;
mod stores;
mod webhook;

pub use crate::api_keys::new_key;
pub use env_file::{FILE_NAME, LocalEnv};
pub use events::{Events, is_announced};
pub use queue::{FUNCTION_TIME, Queue};
pub use server::{HttpOptions, HttpServer, listen};
pub use service::{Local, Settings, default_data_folder};
pub use sign_in::{CODE_TIME, SESSION_PATH, SignIn};
pub use stores::{StoreOptions, Stores};
pub use webhook::Webhook;
