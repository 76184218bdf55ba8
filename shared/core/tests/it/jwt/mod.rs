//! JWTs against an issuer on this machine and a clock that moves only when told to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod claims;
mod documents;
mod fetches;
mod handler;
mod issuer;
mod refused;
mod signer;
mod stage;
