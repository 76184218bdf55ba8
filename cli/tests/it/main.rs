//! The whole service end to end: through its HTTP port, the AWS SDK, and embedded stores; and the command as a process.

mod calls;
mod command;
mod concurrency;
mod data;
mod demo;
mod doors;
mod errors;
mod events;
mod events_command;
mod events_killed;
mod formats;
mod gateway;
mod harness;
mod ingestion;
mod killed;
mod lists;
mod local;
mod log;
mod process;
mod published;
mod results;
mod retraining;
mod serving;
mod shapes;
mod training;
mod trouble;
