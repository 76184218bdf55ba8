//! The rewards that count, with the users who have them.

use std::sync::{Mutex, PoisonError};

use bandit::RewardType;

use crate::attribution::Reward;
use crate::batch::{Batch, Claim, Id};
use crate::error::SnapshotError;
use crate::fields::Role;
use crate::ids::Users;
use crate::layout::File;
use crate::number::Number;
use crate::plan::Plan;
use crate::report::{SkipReason, Skips};
use crate::scan::{Count, scan};
use crate::source::Source;
use crate::time;

/// All rewards that count.
#[derive(Debug, Default)]
pub(crate) struct Rewards {
    pub(crate) users: Users,
    /// In the order (file name, row).
    pub(crate) counted: Vec<Reward>,
    pub(crate) skips: Skips,
    /// The greatest timestamp of any row.
    pub(crate) latest: Option<i64>,
}

/// What one unit of rewards comes to.
#[derive(Debug, Default)]
pub(crate) struct Part {
    rewards: Vec<Reward>,
    skips: Skips,
    latest: Option<i64>,
}

struct Counter<'a> {
    reward: RewardType,
    users: &'a Mutex<Users>,
    part: Part,
    /// Row, time and value of the rewards of a batch whose users are still to be numbered.
    counted: Vec<(usize, i64, f64)>,
}

impl Count for Counter<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.part.skips.add(SkipReason::BadJson, batch.bad_records);
        self.part.latest = self.part.latest.max(latest(batch));
        self.counted.clear();
        for row in 0..batch.rows {
            match counts(batch, row, self.reward) {
                Ok((time, value)) => {
                    batch.summable(object, row, "value", value)?;
                    self.counted.push((row, time, value));
                }
                Err(reason) => self.part.skips.add(reason, 1),
            }
        }
        // One lock for a batch. The numbers depend on the order of the threads; nothing that is counted depends on the numbers.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        for &(row, time, value) in &self.counted {
            if let Id::Text(id) = batch.ids.get(row) {
                self.part.rewards.push(Reward { time, value, user: users.insert(id)? });
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Part {
        std::mem::take(&mut self.part)
    }
}

/// The greatest timestamp of a batch.
pub(crate) fn latest(batch: &Batch) -> Option<i64> {
    batch.times.iter().copied().max().filter(|&t| time::is_time(t))
}

/// A row's timestamp, or why it has none.
pub(crate) fn timestamp(batch: &Batch, row: usize) -> Result<i64, SkipReason> {
    match batch.times[row] {
        time::NULL => Err(SkipReason::NullTimestamp),
        time::BAD => Err(SkipReason::BadValue),
        time::IMPLAUSIBLE => Err(SkipReason::ImplausibleTime),
        time => Ok(time),
    }
}

/// The time and value of a reward, or why it does not count.
fn counts(batch: &Batch, row: usize, reward: RewardType) -> Result<(i64, f64), SkipReason> {
    if batch.optimizations[row] == Claim::Other {
        return Err(SkipReason::OtherOptimization);
    }
    if matches!(batch.names[row], Claim::Null | Claim::Other) {
        return Err(SkipReason::OtherReward);
    }
    match batch.ids.get(row) {
        Id::Null => return Err(SkipReason::NullId),
        Id::Bad => return Err(SkipReason::BadValue),
        Id::Text(_) => {}
    }
    let time = timestamp(batch, row)?;
    match (batch.values[row], reward) {
        (Number::Bad, _) | (Number::Null, RewardType::Numeric) => Err(SkipReason::BadValue),
        (Number::Value(value), RewardType::Numeric) => Ok((time, value)),
        (Number::Value(0.0), RewardType::Bool) => Err(SkipReason::ZeroValue),
        (Number::Value(_) | Number::Null, RewardType::Bool) => Ok((time, 1.0)),
    }
}

/// Reads the rewards.
///
/// # Errors
/// What the files and the store may do wrong.
pub(crate) fn read(source: &dyn Source, files: &[File<'_>], plan: &Plan<'_>) -> Result<Rewards, SnapshotError> {
    let users = Mutex::new(Users::default());
    let mut rewards = Rewards::default();
    let counter = || Counter { reward: plan.reward, users: &users, part: Part::default(), counted: Vec::new() };
    scan(source, files, Role::Rewards, plan, counter, |part| {
        rewards.counted.extend(part.rewards);
        rewards.skips.merge(&part.skips);
        rewards.latest = rewards.latest.max(part.latest);
    })?;
    rewards.users = users.into_inner().unwrap_or_else(PoisonError::into_inner);
    rewards.users.seal();
    Ok(rewards)
}
