//! The command line of the local service and of the demonstration.

use std::net::IpAddr;
use std::path::PathBuf;

use super::service::organization;

/// `fulcrum local`.
#[derive(Debug, clap::Args)]
pub struct LocalArgs {
    /// The port of the service; 0 picks any free one. The stores keep their ports from the last start, or take the next two, or
    /// any free ones.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// The address to listen on. Any but a loopback address opens the API and both stores to everyone who can reach it.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Also answer requests for this host name. May be given several times.
    ///
    /// Without it, only localhost, host.docker.internal and the addresses listened on are answered, so that web pages cannot
    /// reach the service through a name of their own.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// The folder for tables, objects and local.env; only you can read it.
    ///
    /// Defaults to `$XDG_DATA_HOME/fulcrum`, or `~/.local/share/fulcrum`.
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep no data: everything is gone when the service stops.
    #[arg(long)]
    pub ephemeral: bool,
    /// Create the models and API keys that the files in events/ refer to. These keys are public.
    ///
    /// Automatic training is off, so that the examples stay as they are.
    #[arg(long)]
    pub with_examples: bool,
    /// Also post each event of a training run to this URL, as JSON: `trained`, `training_failed`, `guardrail_violated`, `data_suspect`.
    ///
    /// They are in the log either way. What cannot be sent is logged, and not sent again.
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// The organization that the API key belongs to.
    #[arg(long, default_value = "org_local", value_parser = organization)]
    pub organization: String,
    /// The table.
    #[arg(long, env = "TABLE_NAME", default_value = "fulcrum", hide_env_values = true)]
    pub table: String,
    /// The S3 bucket.
    #[arg(long, env = "BUCKET_NAME", default_value = "fulcrum", hide_env_values = true)]
    pub bucket: String,
    /// How long a training run's lease on a model lasts unless it is renewed, in seconds.
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
    /// Watch it learn instead: a site of 2,000 visitors a minute is served, and its events train the model that serves it.
    #[arg(long)]
    pub live: bool,
    /// How many visitors the live site has.
    #[arg(long, requires = "live", default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub visitors: u32,
    /// How many times as fast as 2,000 visitors a minute the live site runs, if the machine can.
    #[arg(long, requires = "live", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub speed: u32,
    /// Exit once the model is trained, with status 1 if its best variant is not the true best.
    #[arg(long)]
    pub exit: bool,
    /// The port of the service on 127.0.0.1; 0 picks any free one [default: 3000, or any free one if that is taken].
    #[arg(long)]
    pub port: Option<u16>,
    /// The seed of the simulated traffic; the same seed gives the same events.
    #[arg(long, default_value_t = 20_261_123)]
    pub seed: u64,
    /// The number of exposures to simulate.
    #[arg(long, conflicts_with = "live", default_value_t = 100_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1_000..=10_000_000))]
    pub exposures: usize,
}

fn lease(text: &str) -> Result<i64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.ok_or_else(|| "expected a whole number from 1 to 3600, here or in TRAINING_LEASE_SECONDS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_from_a_second_to_an_hour() {
        assert_eq!((lease("1"), lease("3600")), (Ok(1), Ok(3600)));
        for bad in ["0", "3601", "-1", "1.5", "x", ""] {
            assert!(lease(bad).is_err(), "{bad}");
        }
    }
}
