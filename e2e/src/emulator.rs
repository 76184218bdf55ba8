//! AWS's runtime interface emulator around one function: it starts the function at the first event and hands it each event
//! as the platform does. It ships inside the PyPI package aws-sam-cli.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// How long the emulator may take to listen.
const START: Duration = Duration::from_secs(10);
/// How long an event may take. The platform's own limit is 15 minutes; nothing here comes near.
const ANSWER: Duration = Duration::from_mins(2);

/// One function under the emulator. Ended when dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    address: SocketAddr,
    log: NamedTempFile,
}

/// What an event came to.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// The answer, as the function gave it.
    pub answer: String,
    /// From sending the event to having the answer. With the first event the function starts.
    pub took: Duration,
}

impl Emulator {
    /// Starts the emulator around a function's binary, with nothing in the environment but `variables`.
    ///
    /// # Errors
    /// The emulator does not start.
    pub fn start(emulator: &Path, bootstrap: &Path, variables: &[(String, String)]) -> io::Result<Self> {
        let (address, runtime) = (free_port()?, free_port()?);
        let log = NamedTempFile::new()?;
        // Both write at the end of the file, so that neither overwrites the other's lines.
        let output = |log: &NamedTempFile| OpenOptions::new().append(true).open(log.path()).map(Stdio::from);
        let child = Command::new(emulator)
            // Without both addresses it listens on all of the machine's.
            .args(["--runtime-interface-emulator-address", &address.to_string()])
            .args(["--runtime-api-address", &runtime.to_string()])
            .arg(bootstrap)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output(&log)?)
            .stderr(output(&log)?)
            .spawn()?;
        let started = Self { child, address, log };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("the emulator: {}", started.log())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(started)
    }

    /// Hands the function an event.
    ///
    /// # Errors
    /// The emulator does not answer.
    pub fn invoke(&self, event: &str) -> io::Result<Invoked> {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER))?;
        // By HTTP/1.0 the answer comes whole and ends with the connection.
        write!(
            stream,
            "POST /2015-03-31/functions/function/invocations HTTP/1.0\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{event}",
            event.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let took = begun.elapsed();
        let answer = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        let answer = answer.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP: {text}")))?;
        Ok(Invoked { answer, took })
    }

    /// What emulator and function have logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The emulator ends its function when it is asked to end, and leaves it behind when it is killed.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens on just now.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
