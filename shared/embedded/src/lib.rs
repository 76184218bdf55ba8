//! DynamoDB and S3 servers inside the process, for local runs and for tests that go through the AWS SDK.
//!
//! `DynamoDB` is dynoxide (`SQLite`), S3 is s3s with s3s-fs behind a guard (see [`s3`]). Both listen on 127.0.0.1, unless told to listen elsewhere. With
//! [`Storage::Folder`] the data survive a restart and a killed process; with [`Storage::Ephemeral`] they end with the server.
//!
//! A client needs the server's URL as endpoint, any region, path-style addressing for S3, and for S3 the key pair that the
//! server was started with. `DynamoDB` takes any key pair.

mod dynamodb;
mod error;
mod folder;
pub mod s3;
mod server;

pub use dynamodb::start_dynamodb;
pub use error::EmbeddedError;
pub use folder::{FolderLock, Storage};
pub use s3::{Credentials, ObjectCreated, start_s3};
pub use server::{Place, Server};
