//! Which exposure a reward is credited to.

use crate::error::SnapshotError;
use crate::plan::Attribution;

/// An exposure of a user who has a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) time: i64,
    pub(crate) user: u32,
    /// The cell it is counted in, or [`LEFT_OUT`].
    pub(crate) cell: u32,
}

/// The cell of an exposure that takes its credit and is then left out.
pub(crate) const LEFT_OUT: u32 = u32::MAX;

/// A reward that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reward {
    pub(crate) time: i64,
    /// The amount; 1 for a bool reward, the weight of an outcome.
    pub(crate) value: f64,
    pub(crate) user: u32,
    /// Which outcome it is; 0 where there are none.
    pub(crate) outcome: u8,
}

/// What the exposures were credited with.
#[derive(Debug, PartialEq)]
pub(crate) struct Credits {
    /// For each exposure what was credited to it, added in the order of the rewards.
    pub(crate) exposures: Vec<Credit>,
    /// Rewards that were credited.
    pub(crate) attributed: u64,
    /// Which.
    pub(crate) is_credited: Vec<bool>,
    /// Why the others were not.
    pub(crate) unattributed: Unattributed,
}

/// Rewards that count and were credited to no exposure, by what keeps them from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unattributed {
    /// Of ids that have no exposure.
    pub without_exposure: u64,
    /// Before the first exposure of their id.
    pub before_exposures: u64,
    /// After an exposure, and out of every window.
    pub outside_windows: u64,
}

/// What one exposure was credited with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Credit {
    pub(crate) rewards: u32,
    /// The outcome that its amount is the weight of.
    pub(crate) outcome: u8,
    /// The sum of the rewards, or the greatest of them.
    pub(crate) amount: f64,
}

/// What several rewards that are credited to one exposure come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Several {
    /// Their sum.
    Sum,
    /// The greatest of them.
    Greatest,
}

impl Credit {
    fn add(&mut self, reward: &Reward, several: Several) {
        match several {
            Several::Sum => self.amount += reward.value,
            Several::Greatest if self.rewards == 0 || reward.value > self.amount => {
                (self.amount, self.outcome) = (reward.value, reward.outcome);
            }
            Several::Greatest => {}
        }
        self.rewards = self.rewards.saturating_add(1);
    }
}

/// Exposures, and those of each user by time.
#[derive(Debug)]
pub(crate) struct ByUser<'a> {
    exposures: &'a [Exposure],
    starts: Vec<u32>,
    /// Numbers of exposures: those of user k from `starts[k]` on, by time.
    numbers: Vec<u32>,
}

impl<'a> ByUser<'a> {
    /// Exposures in the order (file name, row), of users who are numbered below `users`.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] for more than 2³² − 1 exposures.
    pub(crate) fn new(exposures: &'a [Exposure], users: usize) -> Result<Self, SnapshotError> {
        let (starts, numbers) = group(exposures, users)?;
        Ok(Self { exposures, starts, numbers })
    }
}

/// Credits each reward to one exposure of its user: the latest or the earliest with
/// `exposure.time <= reward.time <= exposure.time + window`, and of several at the same time the last in the order given.
///
/// The rewards are in the order (file name, row), as the exposures; `window` is in microseconds.
pub(crate) fn credit(
    ByUser { exposures, starts, numbers }: &ByUser<'_>,
    rewards: &[Reward],
    window: i64,
    (rule, several): (Attribution, Several),
) -> Credits {
    let mut credits = vec![Credit::default(); exposures.len()];
    let mut attributed = 0;
    let mut is_credited = vec![false; rewards.len()];
    let mut unattributed = Unattributed::default();
    for (reward, is_credited) in rewards.iter().zip(&mut is_credited) {
        let user = reward.user as usize;
        let own = &numbers[starts[user] as usize..starts[user + 1] as usize];
        let time = |&exposure: &u32| exposures[exposure as usize].time;
        // One past the last exposure at or before `limit`.
        let until = |limit: i64| own.partition_point(|e| time(e) <= limit);
        let opened = reward.time.saturating_sub(window);
        let end = match rule {
            Attribution::LastTouch => until(reward.time),
            Attribution::FirstTouch => match own.get(own.partition_point(|e| time(e) < opened)) {
                Some(first) if time(first) <= reward.time => until(time(first)),
                _ => 0,
            },
        };
        if let Some(&exposure) = end.checked_sub(1).and_then(|last| own.get(last)).filter(|e| time(e) >= opened) {
            credits[exposure as usize].add(reward, several);
            attributed += 1;
            *is_credited = true;
        } else if let Some(first) = own.first() {
            let early = reward.time < time(first);
            *(if early { &mut unattributed.before_exposures } else { &mut unattributed.outside_windows }) += 1;
        } else {
            unattributed.without_exposure += 1;
        }
    }
    Credits { exposures: credits, attributed, is_credited, unattributed }
}

/// The exposures of each user by time: for each user the start of its part, and the parts. Exposures at the same time stay
/// in the order given.
fn group(exposures: &[Exposure], users: usize) -> Result<(Vec<u32>, Vec<u32>), SnapshotError> {
    let count = u32::try_from(exposures.len())
        .map_err(|_| SnapshotError::TooLarge { what: "exposures of users with a reward" })?;
    let mut starts = vec![0_u32; users + 1];
    for exposure in exposures {
        starts[exposure.user as usize + 1] += 1;
    }
    for user in 0..users {
        starts[user + 1] += starts[user];
    }
    let mut next = starts.clone();
    let mut by_user = vec![0_u32; exposures.len()];
    for (number, exposure) in (0..count).zip(exposures) {
        let place = &mut next[exposure.user as usize];
        by_user[*place as usize] = number;
        *place += 1;
    }
    for user in 0..users {
        let own = &mut by_user[starts[user] as usize..starts[user + 1] as usize];
        if !own.is_sorted_by_key(|&e| exposures[e as usize].time) {
            own.sort_by_key(|&e| exposures[e as usize].time);
        }
    }
    Ok((starts, by_user))
}
