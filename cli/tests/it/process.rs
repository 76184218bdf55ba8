//! The command as a process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What a process printed and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command, with nothing of the environment but what is given.
pub fn command(arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fulcrum"));
    command.args(arguments).env_clear().envs(environment.iter().cloned());
    command
}

/// Runs the command to its end.
pub fn run(arguments: &[&str], environment: &[(String, String)]) -> Ended {
    command(arguments, environment).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs the command with a text on standard input.
pub fn run_with_input(arguments: &[&str], environment: &[(String, String)], input: &str) -> Ended {
    let mut command = command(arguments, environment);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A running `fulcrum local`, killed when dropped.
pub struct LocalProcess {
    child: Child,
    /// What `local.env` holds.
    pub environment: Vec<(String, String)>,
    pub greeting: String,
}

impl LocalProcess {
    /// Starts it on a free port and waits until it says where it is.
    pub fn start(arguments: &[&str]) -> Self {
        let all: Vec<&str> = ["local", "--port", "0"].iter().chain(arguments).copied().collect();
        Self::spawn(&mut command(&all, &[]))
    }

    /// Starts a command that is one, and waits until it says where it is.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C") {
            assert!(lines.read_line(&mut greeting).unwrap() > 0, "it ended: {greeting}");
        }
        let env_file = greeting.lines().find_map(|line| line.strip_prefix("Environment")).unwrap().trim();
        let environment = variables(Path::new(env_file));
        Self { child, environment, greeting }
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.environment.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// Sends a signal by its name and waits for the end.
    pub fn end(mut self, signal: &str) -> Ended {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap().code();
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut stderr).unwrap();
        Ended { status, stdout: self.greeting.clone(), stderr }
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn variables(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split_once('=').unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}
