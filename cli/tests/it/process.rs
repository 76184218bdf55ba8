//! The command as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

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

/// What a command answered that had nothing to remark.
#[track_caller]
pub fn json(ended: &Ended) -> Value {
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The answer of `models train`, which may have waited for the run that a complete snapshot begins by itself.
#[track_caller]
pub fn trained(ended: &Ended) -> Value {
    let waited = ended.stderr.lines().all(|line| line.contains("is being trained already"));
    assert!(ended.status == Some(0) && waited, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Sends a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
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
    /// What it logs, which is read as it comes: it would wait for that.
    log: Option<JoinHandle<String>>,
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
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).unwrap();
            String::from_utf8(log).unwrap()
        });
        let mut process = Self { child, log: Some(log), environment: Vec::new(), greeting };
        process.environment = variables(process.env_file());
        process
    }

    /// The file that holds them.
    pub fn env_file(&self) -> &Path {
        let line = self.greeting.lines().find_map(|line| line.strip_prefix("Environment"));
        Path::new(line.expect("it says where the file is").trim())
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.environment.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// The most memory that it has had, in kilobytes.
    pub fn peak_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal by its name and waits for the end.
    pub fn end(mut self, name: &str) -> Ended {
        signal(&self.child, name);
        let status = self.child.wait().unwrap().code();
        let stderr = self.log.take().unwrap().join().unwrap();
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
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}
