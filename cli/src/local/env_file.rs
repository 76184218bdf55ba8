//! `local.env`: what the AWS tools, the built functions and this command's client need to reach a local service.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::error::CliError;
use crate::shell::{quoted, unquoted};

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "local.env";

/// Which of the stores were inside the process that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnStores {
    /// `DynamoDB`.
    pub dynamodb: bool,
    /// S3.
    pub s3: bool,
}

impl OwnStores {
    /// Both.
    pub const BOTH: Self = Self { dynamodb: true, s3: true };

    /// A comment, since it is nothing that a client needs to know.
    fn comment(self) -> String {
        let names = [(self.dynamodb, " dynamodb"), (self.s3, " s3")];
        let names = names.into_iter().filter_map(|(own, name)| own.then_some(name));
        format!("{OWN}{}", names.collect::<String>())
    }

    /// From the lines of a file; one without such a line is of nobody's own stores.
    fn read(text: &str) -> Self {
        let names = text.lines().find_map(|line| line.strip_prefix(OWN)).unwrap_or_default();
        let has = |name: &str| names.split_whitespace().any(|own| own == name);
        Self { dynamodb: has("dynamodb"), s3: has("s3") }
    }
}

const OWN: &str = "# OwnStores stores:";

/// How to reach the stores.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreAccess {
    /// URL of `DynamoDB`.
    pub dynamodb: String,
    /// URL of S3.
    pub s3: String,
    /// AWS region.
    pub region: String,
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token, where the credentials have one. Only those of other people's stores do.
    pub session_token: Option<String>,
    /// Which of them are inside the service's process.
    pub own: OwnStores,
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalEnv {
    /// The service.
    pub url: String,
    /// The secret of its API key.
    pub api_key: String,
    /// The organization of the key.
    pub organization: String,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// The stores.
    pub store: StoreAccess,
}

impl std::fmt::Debug for StoreAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreAccess").field("dynamodb", &self.dynamodb).field("s3", &self.s3).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LocalEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalEnv").field("url", &self.url).field("store", &self.store).finish_non_exhaustive()
    }
}

impl LocalEnv {
    /// Names and values, in the order of the file.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        let store = &self.store;
        let mut variables = vec![
            ("FULCRUM_URL", self.url.as_str()),
            ("FULCRUM_API_KEY", &self.api_key),
            ("FULCRUM_ORGANIZATION", &self.organization),
            ("TABLE_NAME", &self.table),
            ("BUCKET_NAME", &self.bucket),
            ("AWS_ENDPOINT_URL_DYNAMODB", &store.dynamodb),
            ("AWS_ENDPOINT_URL_S3", &store.s3),
            ("AWS_REGION", &store.region),
            // The AWS CLI and boto3 read only this name of the two.
            ("AWS_DEFAULT_REGION", &store.region),
            ("AWS_ACCESS_KEY_ID", &store.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &store.secret_access_key),
        ];
        variables.extend(store.session_token.as_deref().map(|token| ("AWS_SESSION_TOKEN", token)));
        variables
    }

    /// Writes the file, readable by its owner alone, whole or not at all.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CliError> {
        let mut text = format!("{}\n", self.store.own.comment());
        for (name, value) in self.variables() {
            let _ = writeln!(text, "{name}={}", quoted(value));
        }
        let beside = path.with_extension("env.new");
        let write = || {
            let _ = fs::remove_file(&beside);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        };
        write().map_err(|e| CliError::file(path, e))
    }

    /// The file of an earlier start, if there is one that this version understands.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(unquoted(line))
        };
        Some(Self {
            url: value("FULCRUM_URL")?,
            api_key: value("FULCRUM_API_KEY")?,
            organization: value("FULCRUM_ORGANIZATION")?,
            table: value("TABLE_NAME")?,
            bucket: value("BUCKET_NAME")?,
            store: StoreAccess {
                dynamodb: value("AWS_ENDPOINT_URL_DYNAMODB")?,
                s3: value("AWS_ENDPOINT_URL_S3")?,
                region: value("AWS_REGION")?,
                access_key_id: value("AWS_ACCESS_KEY_ID")?,
                secret_access_key: value("AWS_SECRET_ACCESS_KEY")?,
                session_token: value("AWS_SESSION_TOKEN"),
                own: OwnStores::read(&text),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> LocalEnv {
        LocalEnv {
            url: "http://127.0.0.1:3000".into(),
            api_key: "flk_abc-_".into(),
            organization: "it's mine; $HOME".into(),
            table: "fulcrum".into(),
            bucket: "fulcrum".into(),
            store: StoreAccess {
                dynamodb: "http://127.0.0.1:3001".into(),
                s3: "http://127.0.0.1:3002".into(),
                region: "us-east-1".into(),
                access_key_id: "local".into(),
                secret_access_key: "a/b+c=".into(),
                session_token: None,
                own: OwnStores::BOTH,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_and_only_by_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        env().write(&path).unwrap();
        env().write(&path).unwrap();
        assert_eq!(LocalEnv::read(&path), Some(env()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn which_stores_were_own_is_kept() {
        for (dynamodb, s3) in [(true, true), (true, false), (false, true), (false, false)] {
            let own = OwnStores { dynamodb, s3 };
            assert_eq!(OwnStores::read(&own.comment()), own);
        }
        let neither = OwnStores { dynamodb: false, s3: false };
        assert_eq!(OwnStores::read("AWS_ENDPOINT_URL_S3=http://127.0.0.1:3002\n"), neither);
    }

    #[test]
    fn a_shell_reads_the_same_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        env().write(&path).unwrap();
        let script = format!("set -a; . '{}'; printf '%s' \"$FULCRUM_ORGANIZATION\"", path.display());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's mine; $HOME");
    }

    #[test]
    fn the_variables_are_those_that_are_documented() {
        let names: Vec<&str> = env().variables().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "FULCRUM_URL",
                "FULCRUM_API_KEY",
                "FULCRUM_ORGANIZATION",
                "TABLE_NAME",
                "BUCKET_NAME",
                "AWS_ENDPOINT_URL_DYNAMODB",
                "AWS_ENDPOINT_URL_S3",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY"
            ]
        );
    }

    #[test]
    fn half_a_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "FULCRUM_URL=http://127.0.0.1:3000\n").unwrap();
        assert_eq!(LocalEnv::read(&path), None);
        assert_eq!(LocalEnv::read(&folder.path().join("none")), None);
    }
}
