//! Threads that fetch and threads that decode, with a result that does not depend on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::error::SnapshotError;

/// Requests in flight.
const FETCHERS: usize = 6;
/// Bytes that are fetched and not yet decoded, unless one unit alone has more.
const BUDGET: u64 = 32 << 20;

/// A lock whose holder may have panicked: the panic goes on by itself when its thread is joined.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit on bytes in memory.
struct Budget {
    used: Mutex<u64>,
    freed: Condvar,
}

/// A share of the budget, given back when dropped.
struct Permit<'a>(&'a Budget, u64);

impl Budget {
    fn acquire(&self, bytes: u64) -> Permit<'_> {
        let full = |used: &mut u64| *used > 0 && *used + bytes > BUDGET;
        let mut used = self.freed.wait_while(lock(&self.used), full).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Permit(self, bytes)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.used) -= self.1;
        self.0.freed.notify_all();
    }
}

/// The results as they come, handed on in the order of the units.
struct Ordered<T, A> {
    next: usize,
    waiting: BTreeMap<usize, T>,
    fold: A,
}

impl<T, A: FnMut(T)> Ordered<T, A> {
    fn push(&mut self, unit: usize, result: T) {
        self.waiting.insert(unit, result);
        while let Some(result) = self.waiting.remove(&self.next) {
            self.next += 1;
            (self.fold)(result);
        }
    }
}

/// A unit on its way to a worker: its number, itself, what was fetched for it.
type Message<'a, U, F> = (usize, &'a U, Result<F, SnapshotError>, Permit<'a>);

/// What is done with each unit of work.
pub(crate) struct Job<Weight, Fetch, Init, Work> {
    /// The bytes that a fetched unit takes in memory.
    pub(crate) weight: Weight,
    /// Fetches a unit; may block.
    pub(crate) fetch: Fetch,
    /// Makes the state of one decoding thread.
    pub(crate) init: Init,
    /// Decodes a fetched unit.
    pub(crate) work: Work,
}

/// Fetches and decodes all `units` with `threads` decoding threads, and hands the results to `fold` in the order of the units.
///
/// # Errors
/// The error of the first unit, in their order, that has one.
pub(crate) fn run<U, F, S, T, Weight, Fetch, Init, Work>(
    units: &[U],
    threads: usize,
    job: &Job<Weight, Fetch, Init, Work>,
    fold: impl FnMut(T) + Send,
) -> Result<(), SnapshotError>
where
    U: Sync,
    F: Send,
    T: Send,
    Weight: Fn(&U) -> u64 + Sync,
    Fetch: Fn(&U) -> Result<F, SnapshotError> + Sync,
    Init: Fn() -> S + Sync,
    Work: Fn(&mut S, &U, F) -> Result<T, SnapshotError> + Sync,
{
    let budget = Budget { used: Mutex::new(0), freed: Condvar::new() };
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, SnapshotError)>> = Mutex::new(None);
    // Units before a failed one are still done, so that the first error is the same in every run.
    let is_beyond = |unit: usize| lock(&failed).as_ref().is_some_and(|(first, _)| unit > *first);
    let ordered = Mutex::new(Ordered { next: 0, waiting: BTreeMap::new(), fold });
    let (sender, receiver) = mpsc::sync_channel(1);
    // Only the workers hold it, so that the fetchers end when all workers have.
    let receiver = Arc::new(Mutex::new(receiver));

    let fetcher = |sender: SyncSender<_>| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(number).filter(|_| !is_beyond(number)) else { return };
            let permit = budget.acquire((job.weight)(unit));
            if sender.send((number, unit, (job.fetch)(unit), permit)).is_err() {
                return;
            }
        }
    };
    let worker = |receiver: Arc<Mutex<Receiver<Message<'_, U, F>>>>| {
        let mut state = (job.init)();
        while let Some((number, unit, fetched, permit)) = receive(&receiver) {
            if is_beyond(number) {
                continue;
            }
            let result = fetched.and_then(|fetched| (job.work)(&mut state, unit, fetched));
            drop(permit);
            match result {
                Ok(result) => lock(&ordered).push(number, result),
                Err(error) => {
                    let mut failed = lock(&failed);
                    if failed.as_ref().is_none_or(|(first, _)| number < *first) {
                        *failed = Some((number, error));
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..FETCHERS.min(units.len()) {
            let sender = sender.clone();
            scope.spawn(|| fetcher(sender));
        }
        drop(sender);
        for _ in 0..threads.max(1).min(units.len()) {
            let receiver = Arc::clone(&receiver);
            scope.spawn(|| worker(receiver));
        }
        drop(receiver);
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

fn receive<T>(receiver: &Mutex<Receiver<T>>) -> Option<T> {
    lock(receiver).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use std::time::Duration;

    fn wrong(unit: usize) -> SnapshotError {
        SnapshotError::undecodable(&unit.to_string(), Place::Object, "wrong")
    }

    /// Runs the units 0 to 39, of which some weigh more than the budget and some fail to be fetched or decoded.
    fn outcome(threads: usize, bad_fetch: &[usize], bad_work: &[usize]) -> (Vec<usize>, Result<(), SnapshotError>) {
        let units: Vec<usize> = (0..40).collect();
        let job = Job {
            weight: |unit: &usize| if unit.is_multiple_of(3) { 2 * BUDGET } else { BUDGET / 2 },
            fetch: |unit: &usize| {
                thread::sleep(Duration::from_micros(*unit as u64 * 7919 % 500));
                if bad_fetch.contains(unit) { Err(wrong(*unit)) } else { Ok(unit * 10) }
            },
            init: || 0,
            work: |done: &mut usize, unit: &usize, fetched: usize| {
                *done += 1;
                thread::sleep(Duration::from_micros(*unit as u64 * 104_729 % 500));
                if bad_work.contains(unit) { Err(wrong(*unit)) } else { Ok(fetched) }
            },
        };
        let mut results = Vec::new();
        let result = run(&units, threads, &job, |fetched| results.push(fetched));
        (results, result)
    }

    #[test]
    fn results_come_in_order() {
        for threads in [0, 1, 2, 7] {
            let (results, result) = outcome(threads, &[], &[]);
            result.unwrap();
            assert_eq!(results, (0..40).map(|unit| unit * 10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_wins() {
        for (threads, bad_fetch, bad_work, first) in
            [(1, &[9, 30][..], &[8, 10][..], 8), (3, &[9, 30], &[10, 11], 9), (4, &[], &[39], 39), (2, &[0], &[0], 0)]
        {
            let (results, result) = outcome(threads, bad_fetch, bad_work);
            assert!(result.unwrap_err().to_string().starts_with(&format!("{first}: ")));
            assert_eq!(results, (0..first).map(|unit| unit * 10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_ends_the_run() {
        let units: Vec<usize> = (0..40).collect();
        let job = Job {
            weight: |_: &usize| BUDGET,
            fetch: |unit: &usize| Ok(*unit),
            init: || (),
            work: |(): &mut (), unit: &usize, _: usize| if *unit < 3 { panic!("unit {unit}") } else { Ok(()) },
        };
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&units, 2, &job, |()| {})));
        assert!(run.is_err());
    }
}
