//! Files in, cells out: every format, column type and writer, and what is skipped or refused.

mod attribution;
mod columns;
mod common;
mod dialects;
mod errors;
mod invariance;
mod limits;
mod precounted;
mod skips;
mod writers;
