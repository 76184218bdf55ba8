//! The command line of optimizations and serving.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::service::ServiceArgs;

/// `fulcrum optimizations`.
#[derive(Debug, Subcommand)]
pub enum OptimizationsCommand {
    /// List the optimizations of the organization, most recently changed first.
    List {
        /// Archived ones too.
        #[arg(long)]
        include_archived: bool,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show one optimization.
    Show {
        /// The optimization.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Create an optimization with its model from a JSON file: {"name", "model_type", "training_data_config", "reward_metric_id"?, "holdout_percentage"?}.
    Create {
        /// The file; - for standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Who changed what of an optimization, newest first.
    History {
        /// The optimization.
        id: Uuid,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Change the name or the status of an optimization.
    Update {
        /// The optimization.
        id: Uuid,
        /// A new name.
        #[arg(long, required_unless_present = "status")]
        name: Option<String>,
        /// A new status: live explores and trains, completed serves its winner, archived serves nothing.
        #[arg(long, value_parser = ["live", "completed", "archived"])]
        status: Option<String>,
        /// Where the service is and who calls.
        #[command(flatten)]
        service: ServiceArgs,
    },
}

/// `fulcrum results`.
#[derive(Debug, clap::Args)]
pub struct ResultsArgs {
    /// The optimization.
    pub id: Uuid,
    /// The first day of the users to look at, by their first exposure, such as 2026-01-31.
    #[arg(long, value_name = "DATE")]
    pub from: Option<chrono::NaiveDate>,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    pub to: Option<chrono::NaiveDate>,
    /// Where the service is and who calls.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// `fulcrum evaluate`.
#[derive(Debug, clap::Args)]
#[group(id = "policy", required = true, multiple = true, args = ["posterior_version", "uniform", "variant", "file"])]
pub struct EvaluateArgs {
    /// The optimization.
    pub id: Uuid,
    /// The policy of this version of the model. May be given several times.
    #[arg(long, value_name = "VERSION")]
    pub posterior_version: Vec<u64>,
    /// The policy that shows every allowed variant alike.
    #[arg(long)]
    pub uniform: bool,
    /// The policy that shows one variant alone: a level of it, as in headline=Save; once for each factor.
    #[arg(long, value_name = "FACTOR=LEVEL", value_parser = level)]
    pub variant: Vec<(String, String)>,
    /// The policies of a JSON file: {"policies": [{"posterior_version"} | {"uniform"} | {"variant"} | {"table": [{"context"?, "variant", "probability"}]}]}; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["posterior_version", "uniform", "variant"])]
    pub file: Option<PathBuf>,
    /// Where the service is and who calls.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// `fulcrum report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The optimization.
    pub id: Uuid,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// As Markdown instead of HTML.
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Where the service is and who calls.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// `fulcrum serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The optimization.
    pub id: Uuid,
    /// The visitor; the same id gets the same variant.
    #[arg(long, value_name = "ID")]
    pub anonymous_id: String,
    /// What is known about the visitor, as in device=mobile. May be given several times.
    #[arg(long, value_name = "FACTOR=LEVEL", value_parser = level)]
    pub context: Vec<(String, String)>,
    /// The URL of the service. Serving takes no token.
    #[arg(long, env = "FULCRUM_URL", default_value = "http://127.0.0.1:3000", value_name = "URL")]
    pub url: String,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

fn level(text: &str) -> Result<(String, String), String> {
    let (name, level) = text.split_once('=').ok_or("expected FACTOR=LEVEL, such as device=mobile")?;
    Ok((name.to_owned(), level.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_all_behind_the_first_equals_sign() {
        assert_eq!(level("device=mobile"), Ok(("device".into(), "mobile".into())));
        assert_eq!(level("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(level("a="), Ok(("a".into(), String::new())));
        assert!(level("device").is_err());
    }
}
