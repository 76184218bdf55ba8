//! The command line.

mod serving;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use fulcrum_core::auth::{Scope, is_organization_id};
use uuid::Uuid;

pub use serving::{OptimizationsCommand, ServeArgs};

/// Bandit models that learn which variant converts best, in which context.
#[derive(Debug, Parser)]
#[command(name = "fulcrum", version, about, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work: events of a landing page, a model trained on them, and the truth beside it.
    Demo(DemoArgs),
    /// Run the whole service on this machine, stores included.
    Local(LocalArgs),
    /// Make, see, train and delete models through the API.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Make, see and change optimizations through the API.
    #[command(subcommand)]
    Optimizations(OptimizationsCommand),
    /// The variant that a visitor sees.
    Serve(ServeArgs),
    /// Put observation snapshots into the bucket, and see what is there.
    #[command(subcommand)]
    Snapshots(SnapshotsCommand),
    /// Make, see and revoke API keys in the table.
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// `fulcrum local`.
#[derive(Debug, clap::Args)]
pub struct LocalArgs {
    /// The port of the service; 0 takes any that is free. The stores take those of the start before, else the two after it,
    /// else any that are free.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// The address of the service and its stores. Whoever reaches it reaches the stores.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// The folder that keeps tables, objects and local.env.
    ///
    /// Without it: `$XDG_DATA_HOME/fulcrum`, or `~/.local/share/fulcrum`.
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep nothing.
    #[arg(long)]
    pub ephemeral: bool,
    /// Put the models and the keys into the stores that the files of events/ name. Everybody knows these keys.
    ///
    /// Nothing is trained by itself then: an example that waits to be trained waits.
    #[arg(long)]
    pub with_examples: bool,
    /// The organization that the API key is made for.
    #[arg(long, default_value = "org_local", value_parser = organization)]
    pub organization: String,
    /// The table.
    #[arg(long, env = "TABLE_NAME", default_value = "fulcrum", hide_env_values = true)]
    pub table: String,
    /// The S3 bucket.
    #[arg(long, env = "BUCKET_NAME", default_value = "fulcrum", hide_env_values = true)]
    pub bucket: String,
    /// How long a training run's lease on a model lasts without a sign of life, in seconds.
    #[arg(
        long,
        env = "TRAINING_LEASE_SECONDS",
        default_value_t = 60,
        hide_env_values = true,
        value_parser = lease
    )]
    pub training_lease: i64,
}

/// `fulcrum demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// End when the model is trained, with status 1 if its best variant is not the true best.
    #[arg(long)]
    pub exit: bool,
    /// The port of the service on 127.0.0.1; 0 takes any that is free [default: 3000, or any if that is taken].
    #[arg(long)]
    pub port: Option<u16>,
    /// What the events are drawn from; the same number gives the same events.
    #[arg(long, default_value_t = 20_261_123)]
    pub seed: u64,
    /// How many exposures there are.
    #[arg(long, default_value_t = 100_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1_000..=10_000_000))]
    pub exposures: usize,
}

/// Where the service is and who calls.
#[derive(Debug, clap::Args)]
pub struct ServiceArgs {
    /// The service.
    #[arg(long, env = "FULCRUM_URL", default_value = "http://127.0.0.1:3000", value_name = "URL")]
    pub url: String,
    /// A file with the API key, for those who have it not in the environment variable FULCRUM_API_KEY.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `fulcrum models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// All models of the organization, newest change first.
    List {
        /// Deleted ones too.
        #[arg(long)]
        include_archived: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// One model.
    Show {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// What a model believes.
    State {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// A new model from a JSON file: {"model_type", "training_data_config", "optimization_id"?}.
    Create {
        /// The file; - reads standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Train a model on the latest complete snapshot of its optimization, after a run that has its lease.
    Train {
        /// The model.
        id: Uuid,
        /// Explore more in this factor, as in headline=0.1. May be given several times.
        #[arg(long, value_name = "FACTOR=NUMBER", value_parser = bias)]
        bias: Vec<(String, f64)>,
        /// Do not wait for the run: it waits in the queue, and `models show` tells when it is done.
        #[arg(long)]
        no_wait: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// The versions of a model's posterior, newest first.
    Posteriors {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Put an earlier version of a model's posterior in force.
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
    /// Archive a model.
    Delete {
        /// The model.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
}

/// Which organization.
#[derive(Debug, clap::Args)]
pub struct OrganizationArgs {
    /// The organization.
    #[arg(long, env = "FULCRUM_ORGANIZATION", value_name = "ID", value_parser = organization)]
    pub organization: String,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `fulcrum snapshots`. Talks to S3 itself, with the AWS variables of the environment.
#[derive(Debug, Subcommand)]
pub enum SnapshotsCommand {
    /// Upload a folder as a snapshot; it becomes visible to training with its last file.
    Put {
        /// The optimization whose observations they are.
        optimization: Uuid,
        /// The folder with exposures/ and rewards/, or observations/, or cells/.
        folder: PathBuf,
        /// The id; ids sort by time as text [default: the present time, as in 2026-11-23T19-00-00Z].
        #[arg(long, value_name = "ID", value_parser = snapshot_id)]
        snapshot_id: Option<String>,
        /// The bucket.
        #[arg(long, env = "BUCKET_NAME")]
        bucket: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// The snapshots of an optimization, newest first.
    List {
        /// The optimization.
        optimization: Uuid,
        /// The bucket.
        #[arg(long, env = "BUCKET_NAME")]
        bucket: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
}

/// `fulcrum keys`. Talks to `DynamoDB` itself, with the AWS variables of the environment.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// A new key. Its secret is printed once and kept nowhere.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it may do, `models:read`, `models:write` or `events:write`; may be given several times [default: all].
        #[arg(long, value_name = "SCOPE", value_parser = scope)]
        scope: Vec<Scope>,
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// The keys of the organization, without their secrets.
    List {
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// Revoke a key; doing it again changes nothing.
    Revoke {
        /// The key's id, as the list shows it.
        id: Uuid,
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
}

fn bias(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("it is not of the form FACTOR=NUMBER, such as headline=0.1")?;
    let value: f64 = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
    if !value.is_finite() {
        return Err(format!("{value} is not a finite number"));
    }
    Ok((name.to_owned(), value))
}

fn lease(text: &str) -> Result<i64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.ok_or_else(|| "it is not a whole number from 1 to 3600; TRAINING_LEASE_SECONDS says it too".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|s| s.as_str()).collect();
        format!("the scopes are {}", known.join(", "))
    })
}

fn organization(text: &str) -> Result<String, String> {
    if is_organization_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an organization id has 1 to 128 letters, digits and _ - .".into())
    }
}

fn snapshot_id(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:+".contains(c));
    if good && !text.starts_with(['.', '_']) {
        Ok(text.to_owned())
    } else {
        Err("a snapshot id has 1 to 128 letters, digits and - . : + _, and begins with none of . and _".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_bias_is_a_name_and_a_finite_number() {
        assert_eq!(bias("headline=0.1"), Ok(("headline".into(), 0.1)));
        for bad in ["headline", "headline=", "headline=x", "headline=nan", "headline=inf"] {
            assert!(bias(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lease_lasts_from_a_second_to_an_hour() {
        assert_eq!((lease("1"), lease("3600")), (Ok(1), Ok(3600)));
        for bad in ["0", "3601", "-1", "1.5", "x", ""] {
            assert!(lease(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_cannot_leave_their_prefix() {
        for bad in ["", "..", ".", "a/b", "a#b", "ä"] {
            assert!(organization(bad).is_err(), "{bad}");
            assert!(snapshot_id(bad).is_err(), "{bad}");
        }
        assert!(organization("org_2abc").is_ok());
        assert!(snapshot_id("2026-11-23T19-00-00Z").is_ok());
    }
}
