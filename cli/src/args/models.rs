//! The command line of models.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::service::ServiceArgs;

/// `fulcrum models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models of the organization, most recently changed first.
    List {
        /// Include deleted models.
        #[arg(long)]
        include_archived: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show one model.
    Show {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show what a model has learned: variants, contexts, factors and interactions.
    State {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Create a model from a JSON file: {"model_type", "training_data_config", "optimization_id"?}.
    Create {
        /// The file; - for standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Train a model on the latest complete snapshot of its optimization. Waits for a run in progress to end.
    Train {
        /// The model.
        id: Uuid,
        /// Explore this factor more, as in headline=0.1. May be given several times.
        #[arg(long, value_name = "FACTOR=NUMBER", value_parser = bias)]
        bias: Vec<(String, f64)>,
        /// Queue the run instead of waiting for it; `models show` tells when it is done.
        #[arg(long)]
        no_wait: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// List the versions of a model's posterior, newest first.
    Posteriors {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Make an earlier version of a model's posterior the active one.
    Rollback {
        /// The model.
        id: Uuid,
        /// The version.
        #[arg(long, value_name = "VERSION")]
        to: u64,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Delete a model: it is archived and no longer served.
    Delete {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
}

fn bias(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("expected FACTOR=NUMBER, such as headline=0.1")?;
    let value: f64 = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
    if !value.is_finite() {
        return Err(format!("{value} is not a finite number"));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_is_a_name_and_a_finite_number() {
        assert_eq!(bias("headline=0.1"), Ok(("headline".into(), 0.1)));
        for bad in ["headline", "headline=", "headline=x", "headline=nan", "headline=inf"] {
            assert!(bias(bad).is_err(), "{bad}");
        }
    }
}
