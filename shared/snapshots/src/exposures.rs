//! Exposures counted by cell, with their rewards.

use bandit::{CellTable, RewardType};

use crate::attribution::{ByUser, Credit, Exposure, LEFT_OUT, Reward, Several, Unattributed, credit};
use crate::batch::{Batch, Id};
use crate::cells::{CellCache, CellNumbers, CellSums, Sums};
use crate::error::SnapshotError;
use crate::fields::Role;
use crate::file::File;
use crate::guard::Guard;
use crate::guardrails::{GuardrailReward, Guardrails};
use crate::ids::Users;
use crate::place::{At, Cell, Origin, Skipped, exposure, last_mature, latest};
use crate::plan::{Immature, Plan};
use crate::report::SkipReason;
use crate::rewards::Rewards;
use crate::scan::{Reading, scan};
use crate::sink::Sink;

/// What one unit of exposures comes to.
#[derive(Debug, Default)]
struct Part {
    kept: Vec<Exposure>,
    cells: Vec<(u32, Sums)>,
    skipped: Skipped,
    exposures: u64,
    first_id: Option<Box<[u8]>>,
}

/// The sink of exposures: counts them by cell, and keeps those of users with a reward.
struct ExposureCells<'a> {
    users: &'a Users,
    origin: Origin<'a>,
    /// Exposures later than this are immature.
    mature: i64,
    cells: CellCache<'a>,
    sums: CellSums,
    part: Part,
    candidates: Vec<Candidate>,
}

/// A counted exposure whose user may have a reward.
struct Candidate {
    row: usize,
    time: i64,
    cell: u32,
    hash: u64,
}

impl ExposureCells<'_> {
    fn row(&mut self, at: At<'_>) -> Result<(), SnapshotError> {
        match exposure(at.batch, at.row) {
            Ok((id, time, cell)) => {
                let hash = self.users.hash(id);
                if self.part.first_id.is_none() {
                    self.part.first_id = Some(id.into());
                }
                let cell = self.count(at, time, cell)?;
                self.candidates.push(Candidate { row: at.row, time, cell, hash });
            }
            Err(skip) => self.origin.skip(&mut self.part.skipped, at, skip, 1),
        }
        Ok(())
    }

    /// Counts an exposure; its cell, or [`LEFT_OUT`].
    fn count(&mut self, at: At<'_>, time: i64, cell: Cell) -> Result<u32, SnapshotError> {
        if time > self.mature {
            self.part.skipped.skips.add(SkipReason::Immature, 1, || at.batch.example(at.object, at.row, None, None));
            return Ok(LEFT_OUT);
        }
        if let Some(cause) = cell.unknown {
            self.origin.unknown_context(&mut self.part.skipped, at, cause, 1);
        }
        let number = self.cells.number(cell.variant, cell.context)?;
        self.sums.at(number).n += 1;
        self.part.exposures += 1;
        Ok(number)
    }
}

impl Sink for ExposureCells<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        Origin::batch(&mut self.part.skipped, object, batch);
        self.candidates.clear();
        (0..batch.rows).try_for_each(|row| self.row(At { object, batch, row }))?;
        // One thing at a time for all rows, so that the processor waits for many places of memory at once.
        self.candidates.retain(|candidate| self.users.may_have(candidate.hash));
        for &Candidate { row, time, cell, hash } in &self.candidates {
            let Id::Text(id) = batch.ids.get(row) else { continue };
            self.part.kept.extend(self.users.find(hash, id).map(|user| Exposure { time, user, cell }));
        }
        Ok(())
    }

    fn finish(&mut self) -> Part {
        self.part.cells = self.sums.drain();
        std::mem::take(&mut self.part)
    }
}

/// Finds the greatest timestamp.
struct Latest(Option<i64>);

impl Sink for Latest {
    type Unit = Option<i64>;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        self.0 = self.0.max(latest(batch));
        Ok(())
    }

    fn finish(&mut self) -> Option<i64> {
        self.0.take()
    }
}

/// The greatest timestamp of some files.
///
/// # Errors
/// What the files and the store may do wrong.
pub(crate) fn cut_off(reading: &Reading<'_>, files: &[File<'_>]) -> Result<Option<i64>, SnapshotError> {
    let mut greatest = None;
    scan(reading, files, Role::Times, || Latest(None), |_, part| greatest = greatest.max(part))?;
    Ok(greatest)
}

/// What exposures and rewards come to.
#[derive(Debug)]
pub(crate) struct AttributedCounts {
    pub(crate) cells: CellTable,
    pub(crate) attributed: u64,
    pub(crate) skipped: Skipped,
    pub(crate) guard: Guard,
    /// Where no reward was attributed: the times of an exposure and of a reward of one user.
    pub(crate) sample: Option<(i64, i64)>,
    /// The id of the first exposure that counts.
    pub(crate) first_id: Option<Box<[u8]>>,
    /// Users with a reward who have an exposure.
    pub(crate) matched_users: u64,
    /// The exposures that count and have a reward, in the order (file name, row).
    pub(crate) credited: Vec<Credited>,
    /// For each guardrail the user of each exposure that counts and has a reward of its, with that reward, in the same order.
    pub(crate) guardrails: Vec<Vec<(u32, f64)>>,
    pub(crate) unattributed: Unattributed,
    /// The files of rewards with how many they have whose exposure would be there, and how many of these were attributed.
    pub(crate) reward_files: Vec<(String, u64, u64)>,
}

/// An exposure that counts, with the reward that was credited to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credited {
    pub(crate) time: i64,
    pub(crate) user: u32,
    pub(crate) variant: usize,
    pub(crate) context: u64,
    /// 1 for a bool reward, else the sum of the rewards or the weight of the outcome.
    pub(crate) reward: f64,
    /// The outcome; 0 where there are none.
    pub(crate) outcome: u8,
}

/// Counts the exposures and credits the rewards; `beside` makes another sink of the same rows, of those that are no later than its
/// argument.
///
/// # Errors
/// What the files and the store may do wrong, and sums that overflow.
pub(crate) fn count<S: Sink>(
    reading: &Reading<'_>,
    files: &[File<'_>],
    rewards: &Rewards,
    beside: impl Fn(Role, i64) -> S + Sync,
    mut to_beside: impl FnMut(S::Unit) + Send,
) -> Result<AttributedCounts, SnapshotError> {
    let plan = reading.plan;
    let mature = match plan.immature {
        Immature::Include => i64::MAX,
        Immature::Exclude => last_mature(cut_off(reading, files)?.max(rewards.latest), plan),
    };
    let numbers = CellNumbers::new(plan.space);
    let sink = || {
        let cells = ExposureCells {
            users: &rewards.users,
            origin: reading.origin(Role::Exposures),
            mature,
            cells: CellCache::new(&numbers),
            sums: CellSums::default(),
            part: Part::default(),
            candidates: Vec::new(),
        };
        (cells, beside(Role::Exposures, mature))
    };
    let mut kept = Vec::new();
    let mut sums = CellSums::default();
    let mut skipped = Skipped::default();
    let mut guard = Guard::new("exposures");
    let mut first_id = None;
    scan(reading, files, Role::Exposures, sink, |file: &File<'_>, (part, unit): (Part, S::Unit)| {
        kept.extend(part.kept);
        part.cells.into_iter().for_each(|(cell, of)| sums.add(cell, of));
        guard.add(file.key, part.exposures, &part.skipped.skips);
        skipped.merge(&part.skipped);
        if first_id.is_none() {
            first_id = part.first_id;
        }
        to_beside(unit);
    })?;
    let several = if plan.outcomes.is_some() { Several::Greatest } else { Several::Sum };
    let rule = (plan.attribution, several);
    let by_user = ByUser::new(&kept, rewards.users.len())?;
    let credits = credit(&by_user, &rewards.counted, plan.window(), rule);
    let guardrails = of_guardrails(plan, rewards, &by_user, &kept);
    let mut credited = Vec::new();
    // In the order (file name, row), so that the sums have the same bits in every run.
    for (exposure, credit) in kept.iter().zip(&credits.exposures) {
        if credit.rewards == 0 || exposure.cell == LEFT_OUT {
            continue;
        }
        let reward = match plan.reward {
            RewardType::Bool => 1.0,
            RewardType::Numeric => credit.amount,
        };
        sums.add(exposure.cell, Sums { n: 0, sum: reward, sum_sq: reward * reward });
        let (variant, context) = numbers.cell(exposure.cell);
        let (time, user, outcome) = (exposure.time, exposure.user, credit.outcome);
        credited.push(Credited { time, user, variant, context, reward, outcome });
    }
    let own = rewards.own_users();
    let is_own = |exposure: &&Exposure| own.as_ref().is_none_or(|own| own[exposure.user as usize]);
    let mut users: Vec<u32> = kept.iter().filter(is_own).map(|exposure| exposure.user).collect();
    users.sort_unstable();
    users.dedup();
    Ok(AttributedCounts {
        cells: sums.into_table(&numbers)?,
        attributed: credits.attributed,
        skipped,
        guard,
        sample: kept.iter().find(is_own).filter(|_| credits.attributed == 0).and_then(|exposure| {
            let of_user = rewards.counted.iter().find(|reward| reward.user == exposure.user);
            of_user.map(|reward| (exposure.time, reward.time))
        }),
        first_id,
        matched_users: users.len() as u64,
        credited,
        guardrails,
        unattributed: credits.unattributed,
        reward_files: by_file(
            rewards,
            &credits.is_credited,
            kept.iter().filter(is_own).map(|exposure| exposure.time).max(),
        ),
    })
}

/// What the exposures that count were credited with by the rewards of each guardrail.
fn of_guardrails(plan: &Plan<'_>, rewards: &Rewards, by_user: &ByUser<'_>, kept: &[Exposure]) -> Vec<Vec<(u32, f64)>> {
    let list = plan.guardrails.map_or(&[][..], Guardrails::list);
    let credited = |(of, rewards): (&GuardrailReward, &Vec<Reward>)| {
        let credits = credit(by_user, rewards, plan.window(), (plan.attribution, Several::Sum));
        let counts = |(exposure, credit): &(&Exposure, &Credit)| credit.rewards > 0 && exposure.cell != LEFT_OUT;
        let reward = |(exposure, credit): (&Exposure, &Credit)| match of.reward {
            RewardType::Bool => (exposure.user, 1.0),
            RewardType::Numeric => (exposure.user, credit.amount),
        };
        kept.iter().zip(&credits.exposures).filter(counts).map(reward).collect()
    };
    list.iter().zip(&rewards.guardrails).map(credited).collect()
}

/// The files of rewards with how many rewards they have and how many of these were attributed. What is later than the last exposure
/// of anybody with a reward, and was not attributed, is not counted: its exposure may still come.
fn by_file(rewards: &Rewards, is_credited: &[bool], last: Option<i64>) -> Vec<(String, u64, u64)> {
    let mut start = 0;
    let mut files = Vec::with_capacity(rewards.files.len());
    for (key, end) in &rewards.files {
        let (mut own, mut attributed) = (0, 0);
        for (reward, credited) in rewards.counted[start..*end].iter().zip(&is_credited[start..*end]) {
            own += u64::from(*credited || last.is_some_and(|last| reward.time <= last));
            attributed += u64::from(*credited);
        }
        files.push((key.clone(), own, attributed));
        start = *end;
    }
    files
}
