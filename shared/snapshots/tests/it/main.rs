//! Files in, cells out: every format, column type and writer, and what is skipped or refused.

mod aggregated;
mod ambiguous;
mod attribution;
mod audit;
mod checks;
mod columns;
mod committed;
mod common;
mod delta;
mod dialects;
mod errors;
mod files;
mod guardrails;
mod guards;
mod invariance;
mod learned;
mod limits;
mod mapping;
mod outcomes;
mod skips;
mod tables;
mod user_table;
mod writers;
