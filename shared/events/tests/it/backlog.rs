//! However much waits, a round holds what its limits say, and all of it is taken in.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chrono::TimeDelta;
use events::incoming::compress;
use events::layout::{incoming_key, root};
use events::{EventKey, Kind, Limits, Run, Store as _};

use crate::sim::Sim;

const ORGANIZATION: &str = "org_1";
/// Events of an object.
const BATCH: usize = 5;
/// Objects that a round reads before it looks whether it is full.
const AT_ONCE: usize = 16;

/// Polls a future to its end; each call of the store wants two polls.
fn to_the_end<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[test]
fn a_round_is_bounded_by_events_by_bytes_and_by_objects_whatever_waits() {
    let unlimited = Limits { round_events: usize::MAX, round_bytes: usize::MAX, ..Limits::default() };
    for (limits, most) in [
        (Limits { round_events: 100, ..unlimited }, 100 + AT_ONCE * BATCH),
        // An event takes at least 96 bytes.
        (Limits { round_bytes: 9_600, ..unlimited }, 100 + AT_ONCE * BATCH),
        (Limits { round_objects: 40, ..unlimited }, 40 * BATCH),
    ] {
        for objects in [300, 900] {
            let sim = Sim::new();
            for object in 0..objects {
                let at = sim.now() - TimeDelta::milliseconds(i64::try_from(objects - object).unwrap());
                let lines: String = (0..BATCH)
                    .map(|index| {
                        let id = object * BATCH + index;
                        let key = EventKey::given(Kind::Exposures, &id.to_string()).hex();
                        let timestamp = at.timestamp_micros();
                        format!(
                            r#"{{"key":"{key}","anonymous_id":"v{id}","timestamp":{timestamp},"optimization_id":"o","variant":{{"a":"x"}}}}"#
                        ) + "\n"
                    })
                    .collect();
                let key =
                    format!("{}{}", root(ORGANIZATION), incoming_key(Kind::Exposures, at, &format!("req_{object:06}")));
                let object = compress(lines.as_bytes()).unwrap();
                let now = sim.now();
                sim.world().objects.insert(key, (object.into(), now));
            }
            let report = to_the_end(async {
                let mut run = Run::begin(&sim, ORGANIZATION, None, limits, None).await.unwrap();
                assert!(run.take_in().await.unwrap());
                run.report().clone()
            });
            assert_eq!((report.events, report.objects), ((objects * BATCH) as u64, objects as u64));
            // All are of one optimization and day, so that a round is a part.
            let rows: Vec<u64> = sim.manifest().parts.iter().map(|part| part.rows).collect();
            let largest = rows.iter().max().unwrap();
            assert!(*largest <= most as u64, "a round of {largest} events; {most} are allowed: {limits:?}");
            assert_eq!(rows.iter().sum::<u64>(), report.events);
            assert_eq!(report.oldest, None, "nothing waits any more");
        }
    }
}
