//! What keeps a run from learning of a part that nobody chose: a folder or a file of which too little could be read.

use crate::error::SnapshotError;
use crate::report::{Observations, SkipReason, Skips};

/// The rows of one kind, in all and of the file at hand.
#[derive(Debug)]
pub(crate) struct Guard {
    what: &'static str,
    all: Rows,
    file: Option<(String, Rows)>,
    /// The first file of which too little could be read.
    worst: Option<(String, Rows, (u64, u64))>,
}

/// Rows that count, and what the others were skipped for.
#[derive(Clone, Debug, Default)]
struct Rows {
    good: u64,
    skips: Skips,
}

impl Rows {
    fn add(&mut self, good: u64, skips: &Skips) {
        self.good += good;
        self.skips.merge(skips);
    }

    /// The rows that were skipped and all rows, where those are more than half: of all, or of rewards that are the model's by name and
    /// optimization.
    fn mostly_skipped(&self, what: &str) -> Option<(u64, u64)> {
        let faults = self.skips.faults();
        let read = self.good + self.skips.chosen();
        if faults > read {
            return Some((faults, faults + read));
        }
        // A row that is no record at all may be anybody's.
        let ours = faults - self.skips.of(SkipReason::BadJson);
        let read = self.good + self.skips.of(SkipReason::ZeroValue) + self.skips.of(SkipReason::Immature);
        (what == "rewards" && ours > read).then_some((ours, ours + read))
    }
}

impl Guard {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, all: Rows::default(), file: None, worst: None }
    }

    /// Takes rows of a file; those of one file come one after the other.
    pub(crate) fn add(&mut self, key: &str, good: u64, skips: &Skips) {
        self.all.add(good, skips);
        match &mut self.file {
            Some((file, rows)) if file == key => rows.add(good, skips),
            _ => {
                self.close();
                let mut rows = Rows::default();
                rows.add(good, skips);
                self.file = Some((key.to_owned(), rows));
            }
        }
    }

    fn close(&mut self) {
        let Some((file, rows)) = self.file.take() else { return };
        if let (None, Some(counts)) = (&self.worst, rows.mostly_skipped(self.what)) {
            self.worst = Some((file, rows, counts));
        }
    }

    /// Judges the rows.
    ///
    /// # Errors
    /// [`SnapshotError::TooManySkipped`] where more than half of all rows, of the rows that are this model's, or of one file were
    /// skipped; `observations` is the report.
    pub(crate) fn judge(&mut self, observations: &Observations) -> Result<(), SnapshotError> {
        self.close();
        let Rows { good, skips } = &self.all;
        let refuse = |object: Option<String>, skips: &Skips, skipped: u64, rows: u64| SnapshotError::TooManySkipped {
            what: self.what,
            object,
            skipped,
            rows,
            observations: Observations { skipped: skips.map(), ..observations.clone() },
            example: skips.worst().and_then(|reason| skips.example(reason)).map(Box::new),
        };
        let (faults, chosen) = (skips.faults(), skips.chosen());
        let foreign = if self.what == "rewards" { 0 } else { skips.of(SkipReason::OtherOptimization) };
        let skipped = faults + foreign;
        let rows = good + faults + chosen - skips.of(SkipReason::Filtered);
        if skipped > rows - skipped {
            return Err(refuse(None, skips, skipped, rows));
        }
        if let Some((skipped, rows)) = self.all.mostly_skipped(self.what) {
            return Err(refuse(None, skips, skipped, rows));
        }
        match &self.worst {
            Some((key, of, (skipped, rows))) => Err(refuse(Some(key.clone()), &of.skips, *skipped, *rows)),
            None => Ok(()),
        }
    }
}
