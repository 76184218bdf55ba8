//! Which versions may have decided an exposure.

use super::policies::Policies;
use crate::domain::{InForce, Timeline};
use crate::usecases::results::periods::STALENESS_MICROS;

/// For how long versions that are no longer in force are held against an exposure. Microseconds.
const OLDEST_MICROS: i64 = 7 * 86_400_000_000;
/// As many of them at the most.
const MOST_OLDER: usize = 64;

/// What was in force when.
#[derive(Debug)]
pub(super) struct InForceVersions {
    timeline: Timeline,
}

impl InForceVersions {
    pub(super) fn new(timeline: Timeline) -> Self {
        Self { timeline }
    }

    /// What was in force at some moment in [at − staleness, at], newest first.
    pub(super) fn deciding(&self, at: i64) -> impl Iterator<Item = &InForce> {
        self.timeline.deciding(at, STALENESS_MICROS)
    }

    /// What was in force before that, within a week, newest first.
    pub(super) fn older(&self, at: i64) -> impl Iterator<Item = &InForce> {
        let over = move |time: &&InForce| ended(time).is_none_or(|end| end > at - STALENESS_MICROS);
        let within = move |time: &&InForce| ended(time).is_none_or(|end| end > at - OLDEST_MICROS);
        self.before(at).skip_while(over).take_while(within).take(MOST_OLDER)
    }

    fn before(&self, at: i64) -> impl Iterator<Item = &InForce> {
        let times = self.timeline.times();
        let begun = times.partition_point(|time| time.from.is_none_or(|from| from.timestamp_micros() <= at));
        times[..begun].iter().rev()
    }

    /// Where exposures at a moment can be decided by no version that is still stored: the first moment after the latest of these.
    pub(super) fn end_of_unknown(&self, at: i64, policies: &Policies) -> Option<i64> {
        let unknown = self.deciding(at).filter(|time| !policies.has(&time.served));
        unknown.filter_map(ended).max().map(|end| end + STALENESS_MICROS)
    }
}

/// When it ended, in microseconds since 1970.
pub(super) fn ended(time: &InForce) -> Option<i64> {
    time.to.map(|to| to.timestamp_micros())
}
