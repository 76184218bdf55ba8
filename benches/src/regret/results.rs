//! Runs kept in a file, so that a simulation can be cut short and taken up again.

use std::fmt::Write;
use std::path::Path;

use crate::error::Error;
use crate::files;

/// What one run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Name of the world.
    pub world: String,
    /// Name of the policy.
    pub policy: String,
    /// Seed of the world and its users.
    pub seed: u64,
    /// Rounds.
    pub rounds: usize,
    /// Share of the contexts in which the last policy is locked in a worse variant.
    pub locked: f64,
    /// Trainings that failed.
    pub failures: u32,
    /// Processor seconds of all trainings.
    pub cpu_seconds: f64,
    /// Cumulative regret at each checkpoint, in conversions.
    pub curve: Vec<f64>,
}

const HEADER: &str = "world,policy,seed,rounds,locked,failures,cpu_seconds,cumulative_regret";

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub fn new(world: &str, policy: &str, seed: u64, rounds: usize) -> Self {
        let (world, policy) = (world.to_owned(), policy.to_owned());
        Self { world, policy, seed, rounds, locked: 0.0, failures: 0, cpu_seconds: 0.0, curve: Vec::new() }
    }

    /// Regret at the end.
    #[must_use]
    pub fn regret(&self) -> f64 {
        self.curve.last().copied().unwrap_or(0.0)
    }

    fn line(&self) -> String {
        let Self { world, policy, seed, rounds, locked, failures, cpu_seconds, curve } = self;
        let mut line = format!("{world},{policy},{seed},{rounds},{locked:.4},{failures},{cpu_seconds:.2},");
        for (i, regret) in curve.iter().enumerate() {
            // Writing to a text does not fail.
            let _ = write!(line, "{}{regret:.2}", if i == 0 { "" } else { " " });
        }
        line
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let &[world, policy, seed, rounds, locked, failures, cpu_seconds, curve] = fields.as_slice() else {
            return None;
        };
        Some(Self {
            world: world.to_owned(),
            policy: policy.to_owned(),
            seed: seed.parse().ok()?,
            rounds: rounds.parse().ok()?,
            locked: locked.parse().ok()?,
            failures: failures.parse().ok()?,
            cpu_seconds: cpu_seconds.parse().ok()?,
            curve: curve.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }
}

/// The runs in a file; none where there is no such file.
///
/// # Errors
/// [`Error::File`]; [`Error::Result`] for a line that is none.
pub fn read(path: &Path) -> Result<Vec<Run>, Error> {
    let Some(text) = files::read(path)? else { return Ok(Vec::new()) };
    text.lines()
        .enumerate()
        .skip(1)
        .map(|(i, line)| {
            let wrong = || Error::Result { path: path.to_owned(), line: i + 1, text: line.to_owned() };
            Run::parse(line).ok_or_else(wrong)
        })
        .collect()
}

/// Writes the runs, ordered by world, seed and policy as `order` gives names.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, runs: &mut [Run], order: impl Fn(&str) -> usize) -> Result<(), Error> {
    runs.sort_by_key(|r| (order(&r.world), r.seed, order(&r.policy)));
    let mut text = HEADER.to_owned() + "\n";
    for run in runs {
        text += &(run.line() + "\n");
    }
    files::write(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        assert!(read(&path).unwrap().is_empty());
        let mut runs = vec![
            Run { curve: vec![1.5, 2.25], locked: 0.25, failures: 2, ..Run::new("b", "x", 2, 2_000) },
            Run { curve: vec![3.0], cpu_seconds: 0.5, ..Run::new("a", "y", 1, 2_000) },
        ];
        write(&path, &mut runs, |name| name.len() + usize::from(name == "b")).unwrap();
        assert_eq!(runs[0].world, "a");
        assert_eq!(read(&path).unwrap(), runs);
        std::fs::write(&path, "header\na,b\n").unwrap();
        assert!(matches!(read(&path), Err(Error::Result { line: 2, .. })));
    }
}
