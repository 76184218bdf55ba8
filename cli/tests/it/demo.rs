//! The demonstration as a process: how it ends, and what it takes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::process::{Ended, command, run, signal};

/// A running demonstration, killed when dropped.
struct Demo {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Demo {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, said: String::new() }
    }

    /// Reads until a text has been said.
    fn until(&mut self, text: &str) {
        while !self.said.contains(text) {
            assert!(self.lines.read_line(&mut self.said).unwrap() > 0, "it ended: {}", self.said);
        }
    }

    /// Sends a signal by its name and waits for the end.
    fn end(mut self, name: &str) -> Ended {
        signal(&self.child, name);
        let status = self.child.wait().unwrap().code();
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut stderr).unwrap();
        Ended { status, stdout: std::mem::take(&mut self.said), stderr }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_demonstration_that_is_stopped_early_is_no_success() {
    for (name, more) in [("TERM", &["--exit"][..]), ("INT", &["--exit"]), ("TERM", &[])] {
        let arguments = [&["demo", "--port", "0", "--exposures", "200000"], more].concat();
        let mut demo = Demo::start(&mut command(&arguments, &[]));
        demo.until("A landing page");
        let ended = demo.end(name);
        assert_eq!(ended.status, Some(1), "{name}: {ended:?}");
        assert!(ended.stderr.contains("the demonstration was stopped before it was finished"), "{name}: {ended:?}");
    }
}

#[test]
fn a_live_demonstration_that_is_stopped_early_is_no_success() {
    let mut demo = Demo::start(&mut command(&["demo", "--live", "--exit", "--port", "0"], &[]));
    demo.until("A site of 2000 visitors a minute, 15 times as fast");
    let ended = demo.end("TERM");
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the demonstration was stopped before it was finished"), "{ended:?}");
}

/// The short form of the two minutes: 5,000 visitors, as fast as they can be served. The best variant converts 12 % and the next 7 %:
/// with a few hundred visitors of each the next looks better once in 200 times, and with what follows less than once in 1,000 runs.
#[test]
fn a_site_that_learns_from_its_own_events_finds_the_best_variant() {
    let arguments = ["demo", "--live", "--exit", "--port", "0", "--visitors", "5000", "--speed", "1000"];
    let ended = run(&arguments, &[]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "", "no run warns of anything: {ended:?}");
    let last = &ended.stdout[ended.stdout.rfind("In the end").expect(&ended.stdout)..];
    println!("{last}");
    assert!(last.contains("5000 visitors, posterior "), "{last}");
    assert!(
        last.contains("The model found the best variant: headline=Join 10,000 teams cta_text=Start free trial"),
        "{last}"
    );
    // Visitors are served by what was learned: of 4,500 the best variant had 750 ± 25 were all served alike.
    let best = last.lines().find(|line| line.starts_with("Join 10,000 teams · Start free trial")).unwrap();
    let served: u32 = best.split_whitespace().rev().find_map(|word| word.parse().ok()).expect(best);
    assert!(served > 900, "{served} of 4,500 were served the best variant: {last}");
}

#[test]
fn a_demonstration_goes_on_until_it_is_stopped() {
    let mut demo = Demo::start(&mut command(&["demo", "--port", "0", "--exposures", "20000"], &[]));
    demo.until("keeps running until you press Ctrl-C");
    let ended = demo.end("TERM");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    // The lines to go on by hand name this binary, wherever it is.
    assert!(ended.stdout.contains(&format!("{} models state", env!("CARGO_BIN_EXE_fulcrum"))), "{}", ended.stdout);
    assert!(ended.stdout.contains("/console#code="), "{}", ended.stdout);
}

/// The greatest resident memory of a process so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_exposures_take_less_than_256_megabytes() {
    let mut demo = Demo::start(&mut command(&["demo", "--port", "0"], &[]));
    demo.until("keeps running until you press Ctrl-C");
    let peak = peak_bytes(demo.child.id());
    let ended = demo.end("TERM");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let trained = ended.stdout.lines().find_map(|line| line.strip_prefix("Trained in ")).unwrap();
    assert!(trained.contains(" ms: 100000 exposures,"), "{trained}");
    let took_ms: u64 = trained.split_once(' ').unwrap().0.parse().unwrap();
    // Shown, not held: how long it takes depends on what else the machine does.
    println!("trained in {took_ms} ms, at most {peak} bytes of memory");
    assert!(peak < 256_000_000, "the process took {peak} bytes of memory");
}
