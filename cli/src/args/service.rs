//! What commands share: where the service is, who calls, which organization.

use std::path::PathBuf;

use fulcrum_core::auth::is_organization_id;

/// Where the service is and who calls.
#[derive(Debug, clap::Args)]
pub struct ServiceArgs {
    /// The URL of the service.
    #[arg(long, env = "FULCRUM_URL", default_value = "http://127.0.0.1:3000", value_name = "URL")]
    pub url: String,
    /// Read the API key from this file instead of the environment variable FULCRUM_API_KEY.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
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

pub(super) fn organization(text: &str) -> Result<String, String> {
    if is_organization_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an organization id consists of 1 to 128 letters, digits, _, - and .".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_cannot_leave_its_prefix() {
        for bad in ["", "..", ".", "a/b", "a#b", "ä"] {
            assert!(organization(bad).is_err(), "{bad}");
        }
        assert!(organization("org_2abc").is_ok());
    }
}
