//! The command line of what works on the stores: snapshots and keys.

use std::path::PathBuf;

use clap::Subcommand;
use fulcrum_core::auth::Scope;
use uuid::Uuid;

use super::service::OrganizationArgs;

/// `fulcrum snapshots`. Talks to S3 itself, with the AWS variables of the environment.
#[derive(Debug, Subcommand)]
pub enum SnapshotsCommand {
    /// Upload a folder as a snapshot. Training sees it once the last file is up.
    Put {
        /// The optimization that the observations belong to.
        optimization: Uuid,
        /// The folder, which contains exposures/ and rewards/, or observations/, or cells/.
        folder: PathBuf,
        /// The snapshot id; the greatest id in text order is the latest [default: the current time, as in 2026-11-23T19-00-00Z].
        #[arg(long, value_name = "ID", value_parser = snapshot_id)]
        snapshot_id: Option<String>,
        /// Upload without checking first.
        #[arg(long)]
        no_check: bool,
        /// The table, which has the model that the check is made for.
        #[arg(long, env = "TABLE_NAME", required_unless_present = "no_check")]
        table: Option<String>,
        /// The bucket.
        #[arg(long, env = "BUCKET_NAME")]
        bucket: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// Read a snapshot as a training run would, and explain what it comes to; status 1 where a run would fail.
    Check {
        /// The optimization whose model it is for.
        optimization: Uuid,
        /// The folder, or s3://BUCKET/PREFIX/.
        #[arg(value_name = "FOLDER|s3://…")]
        snapshot: String,
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// List the snapshots of an optimization, newest first.
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
    /// Create a key. Its secret is printed once and stored nowhere.
    Create {
        /// A name for people.
        #[arg(long)]
        name: String,
        /// What the key may do: `models:read`, `models:write` or `events:write`. May be given several times [default: all].
        #[arg(long, value_name = "SCOPE", value_parser = scope)]
        scope: Vec<Scope>,
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// List the keys of the organization, without their secrets.
    List {
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
    /// Revoke a key. Revoking it again changes nothing.
    Revoke {
        /// The key's id, as shown by `keys list`.
        id: Uuid,
        /// The table.
        #[arg(long, env = "TABLE_NAME")]
        table: String,
        /// Which organization.
        #[command(flatten)]
        organization: OrganizationArgs,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Scope::ALL.iter().map(|s| s.as_str()).collect();
        format!("the scopes are {}", known.join(", "))
    })
}

fn snapshot_id(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:+".contains(c));
    if good && !text.starts_with(['.', '_']) {
        Ok(text.to_owned())
    } else {
        Err("a snapshot id consists of 1 to 128 letters, digits, -, ., :, + and _, and does not begin with . or _"
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_id_cannot_leave_its_prefix() {
        for bad in ["", "..", ".", "a/b", "a#b", "ä"] {
            assert!(snapshot_id(bad).is_err(), "{bad}");
        }
        assert!(snapshot_id("2026-11-23T19-00-00Z").is_ok());
    }
}
