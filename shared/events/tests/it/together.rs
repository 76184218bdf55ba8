//! What counts of a visitor's rewards has its exposure, whenever the two come while a run is at work.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use events::incoming::compress;
use events::layout::{incoming_key, root};
use events::{EventKey, Kind, Limits, Run};

use crate::sim::Sim;

const ORGANIZATION: &str = "org_1";

/// A request with the exposure or the reward of a visitor comes in.
fn receive(sim: &Sim, kind: Kind, visitor: &str) {
    let (now, key) = (sim.world().now, EventKey::given(kind, visitor).hex());
    let (timestamp, optimization) = (now.timestamp_micros(), "o");
    let more = match kind {
        Kind::Exposures => r#""variant":{"a":"x"}"#,
        Kind::Rewards => r#""name":"signup","value":1.0"#,
    };
    let line = format!(
        r#"{{"key":"{key}","anonymous_id":"{visitor}","timestamp":{timestamp},"optimization_id":"{optimization}",{more}}}"#
    );
    let key = format!("{}{}", root(ORGANIZATION), incoming_key(kind, now, &format!("req_{visitor}")));
    sim.world().objects.insert(key, (compress(line.as_bytes()).unwrap().into(), now));
}

/// Exposures and rewards that count.
fn counted(sim: &Sim) -> (u64, u64) {
    let rows =
        |kind| sim.manifest().parts.iter().filter(|part| part.partition.kind == kind).map(|part| part.rows).sum();
    (rows(Kind::Exposures), rows(Kind::Rewards))
}

/// A run over one visitor's events, at the given moment of which another visitor's come in; what counts at its end.
fn run_with_another_visitor_at(moment: usize) -> (u64, u64) {
    let sim = Sim::new();
    receive(&sim, Kind::Exposures, "first");
    receive(&sim, Kind::Rewards, "first");
    let mut work = pin!(async {
        let mut run = Run::begin(&sim, ORGANIZATION, None, Limits::default(), None).await.unwrap();
        run.take_in().await.unwrap()
    });
    let mut context = Context::from_waker(Waker::noop());
    for poll in 0.. {
        if poll == moment {
            receive(&sim, Kind::Exposures, "second");
            receive(&sim, Kind::Rewards, "second");
        }
        if let Poll::Ready(all) = work.as_mut().poll(&mut context) {
            assert!(all);
            break;
        }
    }
    counted(&sim)
}

#[test]
fn a_reward_counts_with_the_exposure_that_came_before_it() {
    let ends: Vec<(u64, u64)> = (0..200).map(run_with_another_visitor_at).collect();
    for (moment, (exposures, rewards)) in ends.iter().enumerate() {
        assert!(exposures >= rewards, "at moment {moment}: {exposures} exposures and {rewards} rewards");
    }
    // The moments are those of the run: early ones are in it, and late ones are the next one's.
    assert_eq!((ends[0], ends[199]), ((2, 2), (1, 1)));
}
