//! Cold starts: each built function is started again and again under AWS's own emulator and handed one event, beside a
//! function that only says hello.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use e2e::Emulator;
use fulcrum::local::{Local, Settings};
use fulcrum_core::app::Endpoints;

use crate::error::Error;

/// What the others are held against; its event is any.
const HELLO: &str = "hello-world";

/// What to start.
pub struct Options {
    /// AWS's runtime interface emulator.
    pub emulator: PathBuf,
    /// The folder in which `cargo lambda build` puts functions.
    pub functions: PathBuf,
    /// The folder with an event for each function.
    pub events: PathBuf,
    /// Starts of each function.
    pub starts: usize,
}

/// One start, milliseconds.
struct Start {
    /// From starting the process until it asks for its first event.
    init: f64,
    /// From handing the event over until the answer is there.
    first: f64,
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Service { cause: cause.to_string() }
}

/// Measures and prints a table: medians over the starts.
///
/// # Errors
/// [`Error::Service`] where a function does not start or does not answer, [`Error::File`].
pub fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let local = runtime.block_on(Local::start(settings())).map_err(failed)?;
    let environment = local.env.variables().into_iter();
    let environment: Vec<(String, String)> = environment.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let functions = functions(options)?;
    let mut measured: BTreeMap<&str, Vec<Start>> = BTreeMap::new();
    // Every function once before any twice, so that all see the same machine.
    for _ in 0..options.starts {
        for (name, event) in &functions {
            measured.entry(name).or_default().push(start(options, name, event, &environment)?);
        }
    }
    print(options, &measured)?;
    runtime.block_on(local.shutdown());
    Ok(())
}

fn settings() -> Settings {
    Settings {
        address: [127, 0, 0, 1].into(),
        port: 0,
        data: None,
        organization: "org_bench".to_owned(),
        endpoints: Endpoints::default(),
        table: "fulcrum".to_owned(),
        bucket: "fulcrum".to_owned(),
        lease: TimeDelta::seconds(60),
        events: false,
        examples: true,
        issuer: None,
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|cause| Error::File { path: path.to_owned(), cause })
}

/// The built functions that have an event, each with it.
fn functions(options: &Options) -> Result<Vec<(String, String)>, Error> {
    let unreadable = |cause| Error::File { path: options.functions.clone(), cause };
    let mut functions = Vec::new();
    for entry in fs::read_dir(&options.functions).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let event = options.events.join(if name == HELLO { "list-models.json" } else { &name }).with_extension("json");
        if event.exists() {
            functions.push((name, read(&event)?));
        }
    }
    functions.sort();
    Ok(functions)
}

fn start(options: &Options, name: &str, event: &str, environment: &[(String, String)]) -> Result<Start, Error> {
    let bootstrap = options.functions.join(name).join("bootstrap");
    let running = Emulator::start(&options.emulator, &bootstrap, environment).map_err(failed)?;
    let answer = running.invoke(event).map_err(failed)?.answer;
    let log = running.log();
    if answer.contains("errorType") || answer.contains("\"statusCode\":5") {
        return Err(failed(format!("{name} answers {answer}\n{log}")));
    }
    // The emulator's closing REPORT line has an "Init Duration" too, which is wrong.
    let init = after(&log, "INIT REPORT(durationMs: ").ok_or_else(|| failed(&log))?;
    let first = after(&log, "produced bytes: 0, duration: ").ok_or_else(|| failed(&log))?;
    Ok(Start { init, first })
}

/// The number that stands after a mark.
fn after(log: &str, mark: &str) -> Option<f64> {
    let (_, rest) = log.split_once(mark)?;
    rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let middle = of.len() / 2;
    if of.len().is_multiple_of(2) { f64::midpoint(of[middle - 1], of[middle]) } else { of[middle] }
}

fn print(options: &Options, measured: &BTreeMap<&str, Vec<Start>>) -> Result<(), Error> {
    let together = |starts: &[Start]| median(starts.iter().map(|s| s.init + s.first).collect());
    let hello = measured.get(HELLO).map(|starts| together(starts));
    println!("medians of {} starts", options.starts);
    println!("function                  MB   init ms  first ms  both ms  over {HELLO} ms");
    for (name, starts) in measured {
        let bootstrap = options.functions.join(name).join("bootstrap");
        let bytes = fs::metadata(&bootstrap).map_err(|cause| Error::File { path: bootstrap.clone(), cause })?.len();
        #[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
        let megabytes = bytes as f64 / 1e6;
        let (init, first) =
            (median(starts.iter().map(|s| s.init).collect()), median(starts.iter().map(|s| s.first).collect()));
        let both = together(starts);
        let over = hello.map_or_else(String::new, |hello| format!("{:8.1}", both - hello));
        println!("{name:22} {megabytes:5.1}  {init:8.1}  {first:8.1} {both:8.1}  {over}");
    }
    Ok(())
}
