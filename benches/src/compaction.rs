//! What compaction costs: objects of a backlog become parts, over a store in memory, on one core.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use events::incoming::compress;
use events::layout::{incoming_key, root};
use events::{EventKey, Kind, Limits, Listed, Pointer, Run, Store};

use crate::clock::Stopwatch;
use crate::error::Error;
use crate::serve::{failed, runtime};

const ORGANIZATION: &str = "org_bench";
/// Events of an object.
const BATCH: usize = 500;

/// Objects on disk, so that memory is the run's alone; incoming ones are made when they are read.
struct Backlog {
    folder: std::path::PathBuf,
    events: usize,
    kept: Mutex<BTreeMap<String, u64>>,
    deleted: Mutex<Vec<bool>>,
    /// Seconds that it took to make the objects, which are no part of compaction.
    making: Mutex<f64>,
    now: DateTime<Utc>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backlog {
    fn incoming(&self, object: usize) -> String {
        let at = self.now - TimeDelta::hours(1) + TimeDelta::milliseconds(i64::try_from(object).unwrap_or(0));
        format!("{}{}", root(ORGANIZATION), incoming_key(Kind::Exposures, at, &format!("{object:09}")))
    }

    /// The number in the name of an incoming object.
    fn number(key: &str) -> Option<usize> {
        key.contains("/incoming/").then(|| key.trim_end_matches(".jsonl.zst").rsplit('-').next()?.parse().ok())?
    }

    fn object(&self, object: usize) -> Bytes {
        let mut lines = String::new();
        let (at, last) = (self.now.timestamp_micros(), (object + 1) * BATCH);
        for id in object * BATCH..last.min(self.events) {
            let key = EventKey::given(Kind::Exposures, &id.to_string()).hex();
            let _ = writeln!(
                lines,
                r#"{{"key":"{key}","anonymous_id":"visitor-{id}","timestamp":{},"optimization_id":"4754cae0-9a5d-4691-91af-6d15ccc1f82e","variant":{{"headline":"level-{}","image":"level-{}"}},"context":{{"device":"mobile"}},"posterior_version":3,"propensity":0.25,"holdout":false}}"#,
                at + i64::try_from(id).unwrap_or(0),
                id % 4,
                id % 3
            );
        }
        compress(lines.as_bytes()).unwrap_or_default().into()
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.folder.join(key.replace('/', "_"))
    }
}

impl Store for Backlog {
    type Error = Infallible;

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, Infallible> {
        if prefix.contains("/incoming/exposures/") {
            let deleted = lock(&self.deleted);
            let first = after.and_then(Self::number).map_or(0, |number| number + 1);
            let waiting = (first..deleted.len()).filter(|object| !deleted[*object]).take(most);
            let listed = |object| Listed { key: self.incoming(object), size: 1, modified: self.now };
            return Ok(waiting.map(listed).collect());
        }
        let kept = lock(&self.kept);
        let found =
            kept.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(found.take(most).map(|(key, size)| Listed { key: key.clone(), size: *size, modified: self.now }).collect())
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, Infallible> {
        if let Some(object) = Self::number(key) {
            let watch = Stopwatch::start();
            let made = self.object(object);
            *lock(&self.making) += watch.spent().cpu;
            return Ok(Some(made));
        }
        Ok(std::fs::read(self.path(key)).ok().map(Bytes::from))
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, Infallible> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let read = || {
            let mut file = std::fs::File::open(self.path(key)).ok()?;
            file.seek(SeekFrom::Start(range.start)).ok()?;
            let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
            file.read_exact(&mut bytes).ok()?;
            Some(Bytes::from(bytes))
        };
        Ok(read())
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Infallible> {
        if std::fs::write(self.path(key), &bytes).is_ok() {
            lock(&self.kept).insert(key.to_owned(), bytes.len() as u64);
        }
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), Infallible> {
        if let Some(object) = Self::number(key) {
            lock(&self.deleted)[object] = true;
        } else if lock(&self.kept).remove(key).is_some() {
            let _ = std::fs::remove_file(self.path(key));
        }
        Ok(())
    }

    async fn move_pointer(&self, _: Option<&Pointer>, _: &Pointer) -> Result<bool, Infallible> {
        Ok(true)
    }

    async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Infallible> {
        Ok(work())
    }
}

/// Compacts a backlog of so many events and prints events per second of one core, and the most memory that the process had.
///
/// # Errors
/// [`Error::Service`] where a run fails or does not count every event once.
pub fn run(events: usize) -> Result<(), Error> {
    let folder = std::env::temp_dir().join(format!("fulcrum-compaction-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let objects = events.div_ceil(BATCH);
    let store = Backlog {
        folder: folder.clone(),
        events,
        kept: Mutex::default(),
        deleted: Mutex::new(vec![false; objects]),
        making: Mutex::new(0.0),
        now: "2026-11-28T06:20:16Z".parse().map_err(failed)?,
    };
    let done = runtime()?.block_on(async {
        // All is done on this thread, so that its processor time is what one core takes, whatever else the machine does.
        let watch = Stopwatch::start();
        let spent = || watch.spent().cpu - *lock(&store.making);
        let mut run = Run::begin(&store, ORGANIZATION, None, Limits::default(), None).await.map_err(failed)?;
        run.take_in().await.map_err(failed)?;
        let taken = spent();
        run.merge().await.map_err(failed)?;
        let all = spent();
        let rows: u64 = run.manifest().parts.iter().map(|part| part.rows).sum();
        if rows == events as u64 && run.report().events == rows {
            let bytes: u64 = run.manifest().parts.iter().map(|part| part.size).sum();
            Ok((taken, all, run.manifest().parts.len(), bytes / rows))
        } else {
            Err(failed(format!("{rows} rows of {events} events")))
        }
    });
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    let (taken, all, parts, bytes) = done?;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let rate = |seconds: f64| events as f64 / seconds / 1e6;
    println!(
        "{events} events in {objects} objects: {:.2} M/s/core taken in, {:.2} M/s/core with merging; {parts} parts, {bytes} bytes an event{}",
        rate(taken),
        rate(all),
        peak().map(|bytes| format!("; at most {} MB of memory", bytes / 1_000_000)).unwrap_or_default()
    );
    Ok(())
}

/// The greatest resident memory of this process so far, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_short_run_ends_without_error() {
        super::run(2_300).unwrap();
    }
}
