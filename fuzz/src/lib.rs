//! What the targets share: a space, a snapshot in memory, and what must hold of whatever is read from it.

use std::ops::Range;
use std::panic;
use std::sync::Once;

use bandit::{Dtype, Factor, RewardType, Space};
use bytes::Bytes;
use snapshots::{Attribution, Immature, Limits, Object, Plan, Source, SourceError, count};

/// 2026-06-01T00:00:00Z in microseconds.
const T0: i64 = 1_780_272_000_000_000;

/// What the rewards of a snapshot are attributed to where those are what is read.
const EXPOSURES: &str = "anonymous_id,timestamp,headline,sticky,device\n1000,2026-06-01T00:00:00Z,a,true,mobile\n\
                         1001,2026-06-01T00:10:00Z,a,false,tablet\n1002,2026-06-01T00:20:00Z,1,true,mobile\n";

/// Two design factors of three and two levels, one context factor of two.
///
/// # Panics
/// Never: the factors are right.
#[must_use]
pub fn space() -> Space {
    let factor = |name: &str, dtype, levels: &[&str]| {
        Factor::new(name, dtype, levels.iter().map(|level| (*level).to_owned()).collect()).expect("a good factor")
    };
    let headline = factor("headline", Dtype::Str, &["a", "b \"q\"", "1"]);
    let sticky = factor("sticky", Dtype::Bool, &["false", "true"]);
    let device = factor("device", Dtype::Str, &["mobile", "tablet"]);
    Space::new(vec![headline, sticky], vec![device]).expect("a good space")
}

struct Memory<'a>(&'a [(&'a str, &'a [u8])]);

impl Source for Memory<'_> {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let bytes = self.0.iter().find(|(name, _)| *name == key).expect("only what was listed is read").1;
        let at = |place: u64| usize::try_from(place).expect("a range within the object");
        Ok(Bytes::copy_from_slice(&bytes[at(range.start)..at(range.end)]))
    }
}

/// The crate `parquet` panics on some corrupt files. The reader catches that and says that the file is corrupt; the fuzzer's own
/// hook would end the process before. A panic that is not caught ends it all the same.
fn let_the_decoder_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let end = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
                end(panic);
            }
        }));
    });
}

/// Counts a file: the first byte says of which folder (`e`xposures, `r`ewards, `o`bservations, `c`ells; others as those by
/// turns), the rest is the file.
///
/// # Panics
/// As [`count_objects`].
pub fn count_file(ending: &str, data: &[u8]) {
    let_the_decoder_panic();
    let Some((&folder, file)) = data.split_first() else { return };
    let folder = match folder {
        b'e' => "exposures",
        b'r' => "rewards",
        b'o' => "observations",
        b'c' => "cells",
        other => ["exposures", "rewards", "observations", "cells"][usize::from(other % 4)],
    };
    let key = format!("{folder}/a.{ending}");
    if folder == "rewards" {
        count_objects(&[(&key, file), ("exposures/b.csv", EXPOSURES.as_bytes())]);
    } else {
        count_objects(&[(&key, file)]);
    }
}

/// Counts a snapshot. Whatever it holds, the count ends, within the limits, with cells that add up or with an error that says
/// something; and where it ends with cells, it ends with the same ones on one thread and on two.
///
/// # Panics
/// Where that does not hold.
pub fn count_objects(objects: &[(&str, &[u8])]) {
    let object = |(key, bytes): &(&str, &[u8])| Object { key: (*key).to_owned(), size: bytes.len() as u64 };
    let listed: Vec<Object> = objects.iter().map(object).collect();
    let numeric = objects.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() % 2 == 1;
    let space = space();
    let plan = |threads| Plan {
        space: &space,
        optimization_id: "opt",
        reward_name: "signup",
        outcomes: None,
            guardrails: None,
        reward: if numeric { RewardType::Numeric } else { RewardType::Bool },
        attribution: Attribution::LastTouch,
        window_hours: 1,
        immature: Immature::Exclude,
        allow_no_rewards: true,
        threads,
        now: T0 + 30 * 24 * 3_600_000_000,
        limits: limits(),
    };
    let source = Memory(objects);
    match count(&source, &listed, &plan(1)) {
        Ok(counted) => {
            assert_eq!(counted.cells.trials(), counted.observations.exposures);
            assert!(counted.cells.cells().iter().all(|c| c.variant < space.variants() && c.context < space.contexts()));
            assert!(counted.cells.reward_sum().is_finite() && counted.cells.reward_sum_sq().is_finite());
            assert_eq!(count(&source, &listed, &plan(2)).expect("it was read before"), counted);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The limits of a run, less what a small file could not need: the memory that the runner allows is for these.
fn limits() -> Limits {
    Limits {
        decompressed_bytes: 32 << 20,
        ratio_from: 1 << 20,
        window_bytes: 8 << 20,
        page_bytes: 16 << 20,
        nested_values: 100_000,
        ..Limits::default()
    }
}
