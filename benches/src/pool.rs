//! Independent jobs on a few threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::error::Error;

/// Runs `job` for every number below `count` on `threads` threads, and hands each result to `done` as it comes, on the
/// caller's thread. What a job makes must depend on its number alone, so that the order does not matter.
///
/// # Errors
/// The first error of a job or of `done`; jobs that are not begun by then are not run.
pub fn run<T: Send>(
    count: usize,
    threads: usize,
    job: impl Fn(usize) -> Result<T, Error> + Sync,
    mut done: impl FnMut(usize, T) -> Result<(), Error>,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            let (sender, next, job) = (sender.clone(), &next, &job);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || sender.send((number, job(number))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (number, result) in results {
            if let Err(error) = result.and_then(|value| done(number, value)) {
                next.store(count, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_run_once() {
        let mut seen = vec![0; 100];
        run(
            100,
            3,
            |i| Ok(i * i),
            |i, square| {
                assert_eq!(square, i * i);
                seen[i] += 1;
                Ok(())
            },
        )
        .unwrap();
        assert!(seen.iter().all(|&n| n == 1));
    }

    #[test]
    fn an_error_ends_it() {
        let failing = |i| if i == 5 { Err(Error::NoRow { context: 5 }) } else { Ok(i) };
        let result = run(1_000_000, 2, failing, |_, _| Ok(()));
        assert!(matches!(result, Err(Error::NoRow { context: 5 })));
    }
}
