//! The audit sample: exposures of the last days, of users whom a hash chooses, to be decided again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bandit::UserHasher;

use crate::batch::{Batch, Id};
use crate::cube::Periods;
use crate::error::SnapshotError;
use crate::fields::Role;
use crate::place::exposure;
use crate::sink::Sink;

/// Days that are sampled: that of the latest exposure, and those before it.
pub const AUDIT_DAYS: i64 = 7;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Microseconds of a quarter of an hour.
const QUARTER: i64 = 900_000_000;

/// How exposures are sampled.
#[derive(Clone, Copy, Debug)]
pub struct AuditPlan<'a> {
    /// The instants at which what is served may change, ascending, in microseconds since 1970.
    pub instants: &'a [i64],
    /// As many exposures of each day are kept at least, or all of it; 48 bytes of memory each, and half as many again while they come.
    pub least: usize,
}

/// Exposures of a user that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditedExposures {
    /// [`bandit::user_hash`] of the user.
    pub user: u64,
    /// No later than the exposures, by less than a quarter of an hour; none of the instants lies between. Microseconds since 1970.
    pub from: i64,
    /// The variant that was logged.
    pub variant: u32,
    /// The context that was logged.
    pub context: u64,
    /// Whether the user is held out.
    pub held_out: bool,
    /// How many.
    pub exposures: u32,
}

/// Exposures of the last days of a snapshot, of users chosen by a hash of their ids alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSample {
    /// In the order of their fields.
    pub rows: Vec<AuditedExposures>,
    /// Exposures of these days that count, sampled or not.
    pub of: u64,
    /// The first and the last of the days, in UTC, as days since 1970; `None` without an exposure.
    pub days: Option<(i64, i64)>,
}

/// A sampled exposure, by the place of its user in the order of the sample.
type Ranked = (u64, AuditedExposures);

/// A day of the sample.
#[derive(Debug)]
struct Day {
    rows: Vec<Ranked>,
    /// Users of a greater rank are not kept.
    last: u64,
    /// Exposures that count.
    of: u64,
}

impl Day {
    /// Leaves the users of the least ranks who have `least` exposures together. Since more exposures only lower the last rank, what is
    /// left in the end does not depend on the order in which they came.
    fn prune(&mut self, least: usize) {
        self.rows.sort_unstable();
        self.rows.dedup_by(|next, before| {
            let alike = AuditedExposures { exposures: before.1.exposures, ..next.1 } == before.1 && next.0 == before.0;
            if alike {
                before.1.exposures = before.1.exposures.saturating_add(next.1.exposures);
            }
            alike
        });
        let mut kept = 0_usize;
        let full = self.rows.iter().find(|(_, row)| {
            kept = kept.saturating_add(row.exposures as usize);
            kept >= least
        });
        if let Some(&(rank, _)) = full {
            self.last = rank;
            self.rows.truncate(self.rows.partition_point(|&(other, _)| other <= rank));
        }
    }
}

/// The sample while it is made, by several threads at once.
#[derive(Debug)]
pub(crate) struct AuditBuilder<'a> {
    plan: AuditPlan<'a>,
    hasher: UserHasher,
    holdout_percentage: f64,
    days: Mutex<BTreeMap<i64, Day>>,
    /// Counts up when a day begins, ends or keeps fewer users.
    changes: AtomicU64,
}

impl<'a> AuditBuilder<'a> {
    pub(crate) fn new(plan: AuditPlan<'a>, optimization: &str, holdout_percentage: f64) -> Self {
        let hasher = UserHasher::new(optimization);
        Self { plan, hasher, holdout_percentage, days: Mutex::default(), changes: AtomicU64::new(1) }
    }

    /// The sink of one thread, for exposures that are no later than `mature`.
    pub(crate) fn sink(&'a self, role: Role, mature: i64) -> AuditSink<'a> {
        let periods = Periods::new(self.plan.instants);
        let known = Known { changes: 0, first: i64::MIN, last: Vec::new() };
        AuditSink { sample: self, role, mature, periods, known, rows: Vec::new(), counts: BTreeMap::new() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Day>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes exposures of some days, and how many these days have.
    fn add(&self, rows: &mut Vec<(i64, Ranked)>, counts: &mut BTreeMap<i64, u64>) {
        let mut days = self.lock();
        let mut changed = false;
        let mut day_of = |days: &mut BTreeMap<i64, Day>, day: i64| {
            changed |= !days.contains_key(&day);
            days.entry(day).or_insert(Day { rows: Vec::new(), last: u64::MAX, of: 0 });
        };
        while let Some((day, n)) = counts.pop_first() {
            day_of(&mut days, day);
            if let Some(day) = days.get_mut(&day) {
                day.of += n;
            }
        }
        for (day, ranked) in rows.drain(..) {
            day_of(&mut days, day);
            let Some(day) = days.get_mut(&day) else { continue };
            if ranked.0 <= day.last {
                day.rows.push(ranked);
            }
        }
        let latest = days.last_key_value().map_or(i64::MIN, |(&day, _)| day);
        days.retain(|&day, _| day > latest - AUDIT_DAYS);
        for day in days.values_mut().filter(|day| day.rows.len() > self.plan.least + self.plan.least / 2) {
            day.prune(self.plan.least);
            changed = true;
        }
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// The sample, once all exposures have been seen.
    pub(crate) fn finish(&self) -> AuditSample {
        let mut days = std::mem::take(&mut *self.lock());
        let ends = days.first_key_value().zip(days.last_key_value()).map(|((&first, _), (&last, _))| (first, last));
        let mut sample = AuditSample { rows: Vec::new(), of: 0, days: ends };
        for day in days.values_mut() {
            day.prune(self.plan.least);
            sample.of += day.of;
            sample.rows.extend(day.rows.drain(..).map(|(_, row)| row));
        }
        sample.rows.sort_unstable();
        sample
    }
}

/// What a thread knows of the sample.
struct Known {
    changes: u64,
    /// The first day that is sampled.
    first: i64,
    /// The last rank of each day.
    last: Vec<(i64, u64)>,
}

impl Known {
    fn refresh(&mut self, sample: &AuditBuilder<'_>) {
        let changes = sample.changes.load(Ordering::Acquire);
        if self.changes == changes {
            return;
        }
        let days = sample.lock();
        self.changes = changes;
        self.first = days.last_key_value().map_or(i64::MIN, |(&latest, _)| latest - AUDIT_DAYS + 1);
        self.last = days.iter().map(|(&day, of)| (day, of.last)).collect();
    }

    fn last(&self, day: i64) -> u64 {
        self.last.iter().find(|(of, _)| *of == day).map_or(u64::MAX, |&(_, last)| last)
    }
}

/// Samples exposures.
pub(crate) struct AuditSink<'a> {
    sample: &'a AuditBuilder<'a>,
    role: Role,
    mature: i64,
    periods: Periods<'a>,
    known: Known,
    rows: Vec<(i64, Ranked)>,
    counts: BTreeMap<i64, u64>,
}

impl Sink for AuditSink<'_> {
    type Unit = ();

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        if self.role != Role::Exposures {
            return Ok(());
        }
        self.known.refresh(self.sample);
        let earliest = self.known.first.saturating_mul(DAY);
        let mut of_day = (0, 0);
        for row in 0..batch.rows {
            if batch.times[row] < earliest {
                continue;
            }
            // Rows that do not count are told by the sink of the cells.
            let Ok((id, time, cell)) = exposure(batch, row) else { continue };
            if time > self.mature {
                continue;
            }
            let day = time.div_euclid(DAY);
            if of_day.0 != day {
                self.count(of_day);
                of_day = (day, 0);
            }
            of_day.1 += 1;
            let rank = rank(id);
            if rank > self.known.last(day) {
                continue;
            }
            let variant = u32::try_from(cell.variant).map_err(|_| SnapshotError::TooLarge { what: "variants" })?;
            let Id::Text(id) = batch.ids.get(row) else { continue };
            let id = String::from_utf8_lossy(id);
            let of = self.sample;
            let exposure = AuditedExposures {
                user: of.hasher.user_hash(&id),
                from: self.from(time),
                variant,
                context: cell.context,
                held_out: of.hasher.hold_out(&id, of.holdout_percentage),
                exposures: 1,
            };
            self.rows.push((day, (rank, exposure)));
        }
        self.count(of_day);
        if !self.rows.is_empty() || !self.counts.is_empty() {
            self.sample.add(&mut self.rows, &mut self.counts);
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

impl AuditSink<'_> {
    /// The beginning of the exposures that are like one at this time.
    fn from(&mut self, time: i64) -> i64 {
        let before = (self.periods.of(time) as usize).checked_sub(1);
        let instant = before.and_then(|before| self.sample.plan.instants.get(before)).copied().unwrap_or(i64::MIN);
        instant.max(time.div_euclid(QUARTER) * QUARTER)
    }

    fn count(&mut self, (day, n): (i64, u64)) {
        if n > 0 {
            *self.counts.entry(day).or_default() += n;
        }
    }
}

/// The place of a user in the order of the sample: a hash of the id alone, the same in every run, and independent of the one that
/// decides what the user sees.
fn rank(id: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(ODD);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        folded
    };
    let mut words = id.chunks_exact(8);
    let mut hash = id.len() as u64 ^ 0x243f_6a88_85a3_08d3;
    for word in words.by_ref() {
        hash = mixed(hash, word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    }
    hash = mixed(hash, words.remainder().iter().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    mixed(hash ^ 0x1319_8a2e_0370_7344, ODD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_similar_ids_are_spread() {
        // 16 boxes of 100,000 ids: χ² with 15 degrees of freedom is above 50 once in 10⁵ for a random function; this one is fixed.
        for id in [|i: u32| format!("user-{i}"), |i: u32| format!("{i:036}"), |i: u32| format!("{:x}", i << 4)] {
            let mut boxes = [0_u32; 16];
            for i in 0..100_000 {
                boxes[usize::try_from(rank(id(i).as_bytes()) >> 60).unwrap()] += 1;
            }
            let chi_squared: f64 = boxes.iter().map(|&n| (f64::from(n) - 6_250.0).powi(2) / 6_250.0).sum();
            assert!(chi_squared < 50.0, "{chi_squared} {boxes:?}");
        }
    }

    #[test]
    fn a_day_keeps_the_users_of_the_least_ranks_with_all_that_they_saw() {
        let seen = |user: u64, variant: u32| {
            let row = AuditedExposures { user, from: 1, variant, context: 0, held_out: false, exposures: 1 };
            (user, row)
        };
        let mut day =
            Day { rows: vec![seen(3, 0), seen(1, 0), seen(2, 1), seen(1, 0), seen(2, 0)], last: u64::MAX, of: 0 };
        day.prune(3);
        let twice = AuditedExposures { exposures: 2, ..seen(1, 0).1 };
        assert_eq!(day.rows, [(1, twice), seen(2, 0), seen(2, 1)]);
        assert_eq!(day.last, 2);
        day.prune(4);
        assert_eq!((day.rows.len(), day.last), (3, 2));
    }
}
