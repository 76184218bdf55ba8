//! DynamoDB and S3 servers inside the process, for local runs and for tests that go through the AWS SDK.
//!
//! `DynamoDB` is dynoxide (`SQLite`), S3 is s3s with s3s-fs behind a guard (see [`s3`]). Both listen on 127.0.0.1, unless told to
//! listen elsewhere. With [`Storage::Folder`] the data survive a restart and a killed process; with [`Storage::Ephemeral`] they
//! end with the server.
//!
//! A client needs the server's URL as endpoint, any region, path-style addressing for S3, and the key pair that the server was
//! started with: both check signatures of version 4. Neither answers web pages, nor who calls it by another machine's name.

mod connections;
mod credentials;
mod dynamodb;
mod error;
mod folder;
mod hosts;
mod own_answers;
pub mod s3;
mod server;
mod signature;
mod slow;

pub use connections::{Connections, Ends, OwnBody, Timeouts};
pub use credentials::Credentials;
pub use dynamodb::start_dynamodb;
pub use error::EmbeddedError;
pub use folder::{DataFolder, Storage};
pub use hosts::{Hosts, Misdirected};
pub use s3::{ObjectCreated, start_s3};
pub use server::{Place, Server};
