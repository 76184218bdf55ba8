//! The servers, through the AWS SDK.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod clients;
mod dynamodb;
mod dynamodb_limits;
mod folders;
mod s3_conditions;
mod s3_guard;
mod s3_list;
mod s3_multipart;
mod s3_objects;
