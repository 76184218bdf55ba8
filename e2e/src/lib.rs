//! The deployed service without a cloud: the built functions under AWS's own emulator of the Lambda Runtime API.

mod emulator;

pub use emulator::{Emulator, Invoked};
