//! From the changes of an optimization to the times in which each allocation was in force.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::history::{Change, ChangeKind, ServedVersion};
use super::optimization::OptimizationStatus;
use super::time::rfc3339;

/// A time in which one version was served in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Since when; absent where that is longer ago than changes are kept.
    pub from: Option<DateTime<Utc>>,
    /// Until when; absent where it is still in force.
    pub to: Option<DateTime<Utc>>,
    /// What was served.
    pub served: ServedVersion,
}

/// What was in force from when to when, ascending. In the gaps between its times nothing was served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    times: Vec<InForce>,
}

impl Timeline {
    /// The timeline of an optimization, from its changes in their order and from what it is now, which says what no change says.
    #[must_use]
    pub fn of(changes: &[Change], status: OptimizationStatus, served: ServedVersion) -> Self {
        let created = changes.first().is_some_and(|first| first.what == ChangeKind::Created);
        let first_status = changes.iter().find(|change| change.after.status.is_some());
        let first_served = changes.iter().find(|change| change.after.served.is_some());
        let mut status = first_status.map_or(Some(status), |change| change.before.status);
        let mut served = first_served.map_or(Some(served), |change| change.before.served);
        if created {
            (status, served) = (None, None);
        }
        let is_served = |status: Option<OptimizationStatus>, served: Option<ServedVersion>| {
            let shown = status.is_none_or(|status| status != OptimizationStatus::Archived);
            served.filter(|served| shown && served.model_id.is_some())
        };
        let (mut times, mut from, mut now) = (Vec::new(), None, is_served(status, served));
        for change in changes {
            status = change.after.status.or(status);
            served = change.after.served.or(served);
            let then = is_served(status, served);
            if then == now {
                continue;
            }
            times.extend(now.map(|served| InForce { from, to: Some(change.at), served }));
            (from, now) = (Some(change.at), then);
        }
        times.extend(now.map(|served| InForce { from, to: None, served }));
        Self { times }
    }

    /// All times, ascending.
    #[must_use]
    pub fn times(&self) -> &[InForce] {
        &self.times
    }

    /// The instants at which what is served changed, ascending, in microseconds since 1970: between two neighbours one allocation was
    /// in force, or none.
    #[must_use]
    pub fn instants(&self) -> Vec<i64> {
        let ends = self.times.iter().flat_map(|time| [time.from, time.to]).flatten();
        let mut instants: Vec<i64> = ends.map(|at| at.timestamp_micros()).collect();
        instants.dedup();
        instants
    }

    /// What was in force at an instant, in microseconds since 1970.
    #[must_use]
    pub fn at(&self, instant: i64) -> Option<&InForce> {
        let begun = |time: &InForce| time.from.is_none_or(|from| from.timestamp_micros() <= instant);
        let last = self.times.partition_point(begun).checked_sub(1)?;
        Some(&self.times[last]).filter(|time| time.to.is_none_or(|to| instant < to.timestamp_micros()))
    }

    /// What may have decided an exposure that was made at an instant, where serving goes on for up to `staleness` with what was in force
    /// before: what was in force at some moment in (at − staleness, at], newest first. Microseconds.
    pub fn deciding(&self, at: i64, staleness: i64) -> impl Iterator<Item = &InForce> {
        let begun = self.times.partition_point(|time| time.from.is_none_or(|from| from.timestamp_micros() <= at));
        let oldest = at.saturating_sub(staleness);
        let recent = move |time: &&InForce| time.to.is_none_or(|to| to.timestamp_micros() > oldest);
        self.times[..begun].iter().rev().take_while(recent)
    }

    /// The times in which a version of a model was in force, however it was served; neighbours are one.
    #[must_use]
    pub fn of_version(&self, model: Uuid, version: u64) -> Vec<InForceView> {
        let mut views: Vec<InForceView> = Vec::new();
        let mut end = None;
        for time in &self.times {
            if (time.served.model_id, time.served.posterior_version) != (Some(model), version) {
                continue;
            }
            let to = time.to.map(rfc3339);
            match views.last_mut().filter(|_| end.is_some() && end == time.from) {
                Some(last) => last.to = to,
                None => views.push(InForceView { from: time.from.map(rfc3339), to }),
            }
            end = time.to;
        }
        views
    }
}

/// A time as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "InForce"))]
pub struct InForceView {
    /// Its first moment: RFC 3339, UTC; null where that is older than the changes that are kept.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    from: Option<String>,
    /// The first moment after it: RFC 3339, UTC; null where it goes on.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "date-time")))]
    to: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::history::{Actor, Allocation, Aspects};
    use super::*;

    const MODEL: Uuid = Uuid::from_u128(7);

    fn version(posterior_version: u64, allocation: Allocation) -> ServedVersion {
        ServedVersion { model_id: Some(MODEL), posterior_version, allocation }
    }

    fn exploring(posterior_version: u64) -> ServedVersion {
        version(posterior_version, Allocation::Exploring)
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn change(second: i64, what: ChangeKind, before: Aspects, after: Aspects) -> Change {
        Change::new(("org", Uuid::nil()), (&Actor::Service, at(second)), what, before, after)
    }

    fn status(status: OptimizationStatus) -> Aspects {
        Aspects { status: Some(status), ..Aspects::default() }
    }

    /// Made at 10, trained at 20 and 30, rolled back at 40, archived at 50, live at 60, completed at 70, its model archived at 80.
    fn life() -> Vec<Change> {
        let live = OptimizationStatus::Live;
        let born = Aspects { name: Some("n".into()), ..Aspects { served: Some(exploring(0)), ..status(live) } };
        let served = |version: ServedVersion| Aspects::served(version);
        let completed = OptimizationStatus::Completed;
        let won = Aspects { served: Some(version(1, Allocation::Winners)), ..status(completed) };
        let lost = Aspects { served: Some(exploring(1)), ..status(live) };
        vec![
            change(10, ChangeKind::Created, Aspects::default(), born),
            change(20, ChangeKind::Trained, served(exploring(0)), served(exploring(1))),
            change(30, ChangeKind::Trained, served(exploring(1)), served(exploring(2))),
            change(40, ChangeKind::RolledBack, served(exploring(2)), served(exploring(1))),
            change(50, ChangeKind::Updated, status(live), status(OptimizationStatus::Archived)),
            change(60, ChangeKind::Updated, status(OptimizationStatus::Archived), status(live)),
            change(70, ChangeKind::Updated, lost, won.clone()),
            change(80, ChangeKind::ModelArchived, served(won.served.unwrap()), served(ServedVersion::NOTHING)),
        ]
    }

    fn seconds(timeline: &Timeline) -> Vec<(Option<i64>, Option<i64>, u64)> {
        let second = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp());
        let row = |time: &InForce| (second(time.from), second(time.to), time.served.posterior_version);
        timeline.times().iter().map(row).collect()
    }

    #[test]
    fn each_version_has_its_times() {
        let timeline = Timeline::of(&life(), OptimizationStatus::Completed, ServedVersion::NOTHING);
        let expected = [(10, 20, 0), (20, 30, 1), (30, 40, 2), (40, 50, 1), (60, 70, 1), (70, 80, 1)];
        assert_eq!(seconds(&timeline), expected.map(|(from, to, version)| (Some(from), Some(to), version)));
        let million = |second: i64| second * 1_000_000;
        assert_eq!(timeline.instants(), [10, 20, 30, 40, 50, 60, 70, 80].map(million));
        for (second, found) in
            [(9, None), (10, Some(0)), (35, Some(2)), (40, Some(1)), (55, None), (79, Some(1)), (80, None)]
        {
            let in_force = timeline.at(million(second)).map(|time| time.served.posterior_version);
            assert_eq!(in_force, found, "{second}");
        }
        for (second, found) in
            [(19, vec![0]), (20, vec![1, 0]), (24, vec![1, 0]), (25, vec![1]), (42, vec![1, 2]), (52, vec![1])]
        {
            let deciding = timeline.deciding(million(second), million(5)).map(|time| time.served.posterior_version);
            assert_eq!(deciding.collect::<Vec<_>>(), found, "{second}");
        }
        let shown = |from, to| InForceView { from: Some(rfc3339(at(from))), to: Some(rfc3339(at(to))) };
        // Served in two ways, but without a gap.
        assert_eq!(timeline.of_version(MODEL, 1), [shown(20, 30), shown(40, 50), shown(60, 80)]);
        assert_eq!(timeline.of_version(Uuid::nil(), 1), []);
    }

    #[test]
    fn what_is_older_than_the_changes_that_are_kept_follows_from_the_first_of_them() {
        let life = life();
        for kept in 1..life.len() {
            let whole = Timeline::of(&life, OptimizationStatus::Completed, ServedVersion::NOTHING);
            let cut = Timeline::of(&life[kept..], OptimizationStatus::Completed, ServedVersion::NOTHING);
            let (mut whole, cut) = (seconds(&whole), seconds(&cut));
            let first = life[kept].at.timestamp();
            whole.retain(|(_, to, _)| to.is_none_or(|to| to >= first));
            if let Some(oldest) = whole.first_mut().filter(|(from, ..)| from.is_some_and(|from| from < first)) {
                oldest.0 = None;
            }
            assert_eq!(cut, whole, "{kept}");
        }
    }

    #[test]
    fn without_any_change_the_present_is_all_there_is() {
        let timeline = Timeline::of(&[], OptimizationStatus::Live, exploring(3));
        assert_eq!(seconds(&timeline), [(None, None, 3)]);
        assert_eq!((timeline.instants(), timeline.at(0).is_some()), (Vec::new(), true));
        assert_eq!(seconds(&Timeline::of(&[], OptimizationStatus::Archived, exploring(3))), []);
    }
}
