//! The rewards that count, with the users who have them.

use std::sync::{Mutex, PoisonError};

use crate::attribution::Reward;
use crate::batch::{Batch, Claim, Id};
use crate::error::SnapshotError;
use crate::fields::{Field, Role};
use crate::file::File;
use crate::guard::Guard;
use crate::ids::Users;
use crate::place::{At, Origin, Skipped, latest, optimization, reward};
use crate::plan::Plan;
use crate::report::{Example, SkipReason};
use crate::scan::{Reading, scan};
use crate::sink::Sink;

/// All rewards that count.
#[derive(Debug)]
pub(crate) struct Rewards {
    pub(crate) users: Users,
    /// In the order (file name, row).
    pub(crate) counted: Vec<Reward>,
    pub(crate) skipped: Skipped,
    pub(crate) guard: Guard,
    /// The greatest timestamp of any row.
    pub(crate) latest: Option<i64>,
    /// Rows of the files.
    pub(crate) rows: u64,
    /// Rows that do not say their name where others do, and one of them.
    pub(crate) unnamed: Option<(u64, Example)>,
    /// Rows whose name is the model's but for its spelling, and one of them.
    pub(crate) near: Option<(u64, Example)>,
    /// The files in their order, and where the rewards of each end in `counted`.
    pub(crate) files: Vec<(String, usize)>,
}

/// Rewards that count, and rows that do not.
#[derive(Debug, Default)]
struct Counted {
    rewards: Vec<Reward>,
    skipped: Skipped,
    rows: u64,
}

/// What one unit of rewards comes to.
#[derive(Debug, Default)]
struct Part {
    /// Of rows that say their name.
    named: Counted,
    /// Of rows without one, all in their order: they count only where no row of the folder has a name.
    unnamed: Counted,
    first_unnamed: Option<Example>,
    /// Rows whose name is null, and the first of them.
    nameless: Option<(u64, Example)>,
    near: Option<(u64, Example)>,
    latest: Option<i64>,
}

/// The sink of rewards.
struct RewardList<'a> {
    plan: &'a Plan<'a>,
    users: &'a Mutex<Users>,
    origin: Origin<'a>,
    part: Part,
    /// Row, time, outcome and value of the rewards of a batch whose users are still to be numbered.
    counted: Vec<(usize, i64, u8, f64)>,
}

impl Sink for RewardList<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        Origin::batch(&mut self.part.named.skipped, object, batch);
        self.part.latest = self.part.latest.max(latest(batch));
        self.counted.clear();
        for row in 0..batch.rows {
            let at = At { object, batch, row };
            self.part.note_name(at);
            let counted = self.part.of(at);
            counted.rows += 1;
            match reward(batch, row, self.plan) {
                Ok((time, outcome, value)) => {
                    batch.summable(object, row, "value", value)?;
                    self.counted.push((row, time, outcome, value));
                }
                Err(skip) => self.origin.skip(&mut counted.skipped, at, skip, 1),
            }
        }
        // One lock for a batch. The numbers depend on the order of the threads; nothing that is counted depends on the numbers.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        for &(row, time, outcome, value) in &self.counted {
            if let Id::Text(id) = batch.ids.get(row) {
                let reward = Reward { time, value, user: users.insert(id)?, outcome };
                self.part.of(At { object, batch, row }).rewards.push(reward);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Part {
        std::mem::take(&mut self.part)
    }
}

impl Part {
    /// Counts a name that is null or nearly the model's.
    fn note_name(&mut self, at: At<'_>) {
        let noted = match at.batch.names[at.row] {
            Claim::Null => &mut self.nameless,
            Claim::Near => &mut self.near,
            Claim::Absent | Claim::Match(_) | Claim::Other => return,
        };
        if optimization(at.batch, at.row).is_ok() {
            let example = || at.batch.example(at.object, at.row, Some(Field::Name), Some("name"));
            noted.get_or_insert_with(|| (0, example())).0 += 1;
        }
    }

    /// What a row adds to.
    fn of(&mut self, at: At<'_>) -> &mut Counted {
        if at.batch.names[at.row] != Claim::Absent {
            return &mut self.named;
        }
        if self.first_unnamed.is_none() {
            self.first_unnamed = Some(at.batch.example(at.object, at.row, None, Some("name")));
        }
        &mut self.unnamed
    }
}

/// Reads the rewards. Whether a row without a name counts is decided for the folder: it does where no row has one, and where
/// any has, a name that is not there is null, as writers leave nulls out.
///
/// # Errors
/// What the files and the store may do wrong.
pub(crate) fn read(reading: &Reading<'_>, files: &[File<'_>]) -> Result<Rewards, SnapshotError> {
    let users = Mutex::new(Users::default());
    let sink = || RewardList {
        plan: reading.plan,
        users: &users,
        origin: reading.origin(Role::Rewards),
        part: Part::default(),
        counted: Vec::new(),
    };
    let mut parts: Vec<(String, Part)> = Vec::new();
    scan(reading, files, Role::Rewards, sink, |file: &File<'_>, part| parts.push((file.key.to_owned(), part)))?;
    let any_named = parts.iter().any(|(_, part)| part.named.rows > 0);
    let mut rewards = Rewards {
        users: users.into_inner().unwrap_or_else(PoisonError::into_inner),
        counted: Vec::with_capacity(parts.iter().map(|(_, part)| part.named.rewards.len()).sum()),
        skipped: Skipped::default(),
        guard: Guard::new("rewards"),
        latest: None,
        rows: 0,
        unnamed: None,
        near: None,
        files: Vec::new(),
    };
    for (key, mut part) in parts {
        rewards.latest = rewards.latest.max(part.latest);
        rewards.rows += part.named.rows + part.unnamed.rows;
        if let (true, Some(first)) = (any_named, part.first_unnamed.take()) {
            let rows = std::mem::take(&mut part.unnamed).rows;
            part.named.skipped.skips.add(SkipReason::OtherReward, rows, || first.clone());
            add(&mut rewards.unnamed, Some((rows, first)));
        }
        add(&mut rewards.unnamed, part.nameless.take());
        add(&mut rewards.near, part.near.take());
        let counted = if any_named { part.named } else { merged(part.named, part.unnamed) };
        rewards.guard.add(&key, counted.rewards.len() as u64, &counted.skipped.skips);
        rewards.skipped.merge(&counted.skipped);
        rewards.counted.extend(counted.rewards);
        match rewards.files.last_mut().filter(|(last, _)| *last == key) {
            Some((_, end)) => *end = rewards.counted.len(),
            None => rewards.files.push((key, rewards.counted.len())),
        }
    }
    rewards.users.seal();
    Ok(rewards)
}

/// Adds rows that come later in the order (file name, row).
fn add(all: &mut Option<(u64, Example)>, later: Option<(u64, Example)>) {
    if let Some((rows, first)) = later {
        all.get_or_insert((0, first)).0 += rows;
    }
}

/// Rows without a name where no row has one; what is no record was counted with the others.
fn merged(mut named: Counted, unnamed: Counted) -> Counted {
    named.skipped.merge(&unnamed.skipped);
    Counted { rewards: unnamed.rewards, skipped: named.skipped, rows: unnamed.rows }
}
