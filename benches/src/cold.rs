//! Cold starts: each built function is started again and again under AWS's own emulator and handed one event, beside a
//! function that only says hello.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use e2e::Emulator;
use fulcrum::local::{Local, Settings};
use fulcrum_core::config::Endpoints;

use crate::error::Error;

/// What the others are held against; its event is any.
const HELLO: &str = "hello-world";
/// The functions that train: they are shown, and not judged.
const TRAIN: [&str; 2] = ["retrain", "train-model"];
/// Where systems keep all authorities in one file; the first is that of Lambda's.
const AUTHORITIES: [&str; 3] = ["/etc/pki/tls/cert.pem", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];
/// How long the emulator may take to write the figures of a start after its answer.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// The most that the median of a function may be over that of the one that only says hello, milliseconds.
    pub at_most_over: Option<f64>,
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
/// [`Error::Service`] where a function does not start or does not answer, [`Error::File`], [`Error::Slow`] where one is slower
/// than it may be.
pub fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let local = runtime.block_on(Local::start(settings())).map_err(failed)?;
    let environment = local.env.variables().into_iter();
    let mut environment: Vec<(String, String)> = environment.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    // As the template has it.
    if let Some(file) = AUTHORITIES.into_iter().find(|file| Path::new(file).exists()) {
        environment.push(("SSL_CERT_FILE".to_owned(), file.to_owned()));
    }
    let functions = functions(options)?;
    let mut measured: BTreeMap<&str, Vec<Start>> = BTreeMap::new();
    // Every function once before any twice, so that all see the same machine.
    for _ in 0..options.starts {
        for (name, event) in &functions {
            // About one start in 2,000 ends with a connection that the emulator resets.
            let one =
                start(options, name, event, &environment).or_else(|_| start(options, name, event, &environment))?;
            measured.entry(name).or_default().push(one);
        }
    }
    print(options, &measured)?;
    runtime.block_on(local.shutdown());
    options.at_most_over.map_or(Ok(()), |most| judge(most, &over_hello(&measured)))
}

fn settings() -> Settings {
    Settings {
        address: [127, 0, 0, 1].into(),
        hosts: Vec::new(),
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
    if answer.contains("errorType") || answer.contains("\"statusCode\":5") {
        return Err(failed(format!("{name} answers {answer}\n{}", running.log())));
    }
    // The emulator writes its figures about when it answers, now and then a little later.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = running.log();
        match figures(&log) {
            Some(start) => return Ok(start),
            None if Instant::now() > deadline => return Err(failed(log)),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// What the emulator's log says of a start; `None` before both lines are there.
fn figures(log: &str) -> Option<Start> {
    // The closing REPORT line has an "Init Duration" too, which is wrong.
    let init = after(log, "INIT REPORT(durationMs: ")?;
    let first = after(log, "produced bytes: 0, duration: ")?;
    Some(Start { init, first })
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

fn together(starts: &[Start]) -> f64 {
    median(starts.iter().map(|s| s.init + s.first).collect())
}

/// How much slower each function is than the one that only says hello, milliseconds; empty without that one.
fn over_hello<'a>(measured: &BTreeMap<&'a str, Vec<Start>>) -> Vec<(&'a str, f64)> {
    let Some(hello) = measured.get(HELLO).map(|starts| together(starts)) else { return Vec::new() };
    measured.iter().map(|(name, starts)| (*name, together(starts) - hello)).collect()
}

/// Whether all functions keep to the most; a measurement without the one that says hello shows nothing.
fn judge(most: f64, over: &[(&str, f64)]) -> Result<(), Error> {
    if over.is_empty() {
        return Err(failed(format!("there is no {HELLO} among the functions to compare with")));
    }
    let slow: Vec<String> = over
        .iter()
        .filter(|(name, over)| *over > most && !TRAIN.contains(name))
        .map(|(name, over)| format!("{name} starts {over:.1} ms slower than {HELLO}"))
        .collect();
    if slow.is_empty() { Ok(()) } else { Err(Error::Slow { slow, most }) }
}

fn print(options: &Options, measured: &BTreeMap<&str, Vec<Start>>) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(both: &[(&'static str, [f64; 3])]) -> BTreeMap<&'static str, Vec<Start>> {
        let starts = |times: &[f64; 3]| times.iter().map(|&both| Start { init: both - 1.0, first: 1.0 }).collect();
        both.iter().map(|(name, times)| (*name, starts(times))).collect()
    }

    #[test]
    fn a_function_is_judged_by_its_median_over_that_of_hello_world() {
        let both = [
            (HELLO, [10.0, 11.0, 50.0]),
            ("a", [20.0, 26.0, 90.0]),
            ("b", [12.0, 12.0, 12.0]),
            ("retrain", [99.0, 99.0, 99.0]),
        ];
        let over = over_hello(&measured(&both));
        assert_eq!(over, [("a", 15.0), ("b", 1.0), (HELLO, 0.0), ("retrain", 88.0)]);
        assert!(judge(15.0, &over).is_ok());
        let error = judge(14.9, &over).unwrap_err().to_string();
        assert!(error.contains("a starts 15.0 ms slower") && !error.contains("b starts"), "{error}");
    }

    #[test]
    fn nothing_to_compare_with_is_no_success() {
        assert!(judge(15.0, &over_hello(&measured(&[("a", [1.0, 2.0, 3.0])]))).is_err());
    }
}
