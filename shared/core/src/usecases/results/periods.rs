//! The periods of a run's cube: days in UTC, cut where what is served changed.

use chrono::{DateTime, Utc};

use crate::domain::Timeline;

/// For how long after a change serving may go on with what was in force before: its cache time, and what clocks and requests take.
/// Microseconds.
pub(super) const STALENESS_MICROS: i64 = 120_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// 2000-01-01, before which no time of a snapshot is plausible, in days since 1970.
const FIRST_DAY: i64 = 10_957;

/// The instants at which it changes which versions may decide an exposure, ascending, in microseconds since 1970: where a version comes
/// into force, and where serving has forgotten the one before.
pub(in crate::usecases) fn deciding_instants(timeline: &Timeline) -> Vec<i64> {
    let changes = timeline.instants();
    let mut instants: Vec<i64> = changes.iter().flat_map(|&change| [change, change + STALENESS_MICROS]).collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// Pieces of time in each of which the day is one, and so is what was in force, and what may have decided.
#[derive(Clone, Debug)]
pub(in crate::usecases) struct Periods {
    instants: Vec<i64>,
}

impl Periods {
    /// All periods up to the end of tomorrow.
    pub(in crate::usecases) fn new(timeline: &Timeline, now: DateTime<Utc>) -> Self {
        let last = now.timestamp_micros().div_euclid(DAY_MICROS) + 2;
        let mut instants: Vec<i64> = (FIRST_DAY..=last).map(|day| day * DAY_MICROS).collect();
        instants.extend(deciding_instants(timeline));
        instants.sort_unstable();
        instants.dedup();
        Self { instants }
    }

    /// The instants between which the periods lie, ascending, in microseconds since 1970. Period k begins with the k-th of them,
    /// counted from 1, and period 0 ends with the first.
    pub(in crate::usecases) fn instants(&self) -> &[i64] {
        &self.instants
    }

    /// When a period begins, in microseconds since 1970; `None` for the one before all instants.
    pub(super) fn begin(&self, period: u32) -> Option<i64> {
        (period as usize).checked_sub(1).and_then(|before| self.instants.get(before)).copied()
    }

    /// The day of a period, in UTC, as days since 1970.
    pub(in crate::usecases) fn day(&self, period: u32) -> i64 {
        self.begin(period).map_or(FIRST_DAY - 1, |begin| begin.div_euclid(DAY_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Actor, Allocation, Aspects, Change, ChangeKind, OptimizationStatus, ServedVersion};

    #[test]
    fn a_day_is_cut_where_another_version_comes_into_force_and_where_the_one_before_is_forgotten() {
        let version = |posterior_version| ServedVersion {
            model_id: Some(Uuid::nil()),
            posterior_version,
            allocation: Allocation::Exploring,
        };
        let noon = DateTime::from_timestamp(20_000 * 86_400 + 43_200, 0).unwrap();
        let (before, after) = (Aspects::served(version(1)), Aspects::served(version(2)));
        let change = Change::new(("org", Uuid::nil()), (&Actor::Service, noon), ChangeKind::Trained, before, after);
        let timeline = Timeline::of(&[change], OptimizationStatus::Live, version(2));
        let periods = Periods::new(&timeline, noon);
        let of = |time: i64| {
            let period = u32::try_from(periods.instants().partition_point(|&instant| instant <= time)).unwrap();
            (periods.day(period), period)
        };
        let noon = noon.timestamp_micros();
        let (day, period) = of(noon - 1);
        assert_eq!((day, of(noon - DAY_MICROS / 2)), (20_000, (20_000, period)));
        assert_eq!(of(noon), (20_000, period + 1));
        assert_eq!(of(noon + STALENESS_MICROS - 1), (20_000, period + 1));
        assert_eq!(of(noon + STALENESS_MICROS), (20_000, period + 2));
        assert_eq!(of(noon + DAY_MICROS / 2), (20_001, period + 3));
        assert_eq!(of(noon - DAY_MICROS), (19_999, period - 1));
        assert_eq!(of(0), (FIRST_DAY - 1, 0));
    }
}
