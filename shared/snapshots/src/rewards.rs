//! The rewards that count, with the users who have them.

use std::sync::{Mutex, PoisonError};

use crate::attribution::Reward;
use crate::batch::{Batch, Claim, Id};
use crate::error::SnapshotError;
use crate::fields::{Field, Role};
use crate::file::File;
use crate::guard::Guard;
use crate::ids::Users;
use crate::place::{At, Origin, Skipped, guardrail, guardrail_reward, latest, optimization, reward};
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
    /// Those of each guardrail, in the same order.
    pub(crate) guardrails: Vec<Vec<Reward>>,
    pub(crate) skipped: Skipped,
    pub(crate) guard: Guard,
    /// That of the guardrails' rows.
    pub(crate) guardrail_guard: Guard,
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

/// Rewards of guardrails, and rows of theirs that do not count.
#[derive(Debug, Default)]
struct OfGuardrails {
    /// Each with its guardrail.
    rewards: Vec<(usize, Reward)>,
    skipped: Skipped,
    rows: u64,
}

/// What one unit of rewards comes to.
#[derive(Debug, Default)]
struct Part {
    /// Of rows that say their name.
    named: Counted,
    guardrails: OfGuardrails,
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
    /// The rewards of a batch whose users are still to be numbered.
    counted: Vec<Unnumbered>,
}

/// A reward that counts, of the user of a row.
struct Unnumbered {
    row: usize,
    time: i64,
    value: f64,
    outcome: u8,
    guardrail: Option<usize>,
}

impl RewardList<'_> {
    fn row(&mut self, at: At<'_>) -> Result<(), SnapshotError> {
        let of_guardrail = self.plan.guardrails.zip(guardrail(at.batch, at.row, self.plan));
        let (read, rows, skipped) = match of_guardrail {
            None => {
                self.part.note_name(at);
                let counted = self.part.of(at);
                (reward(at.batch, at.row, self.plan), &mut counted.rows, &mut counted.skipped)
            }
            Some((guardrails, number)) => {
                let read = guardrail_reward(at.batch, at.row, guardrails.list()[number].reward);
                let of = &mut self.part.guardrails;
                (read.map(|(time, value)| (time, 0, value)), &mut of.rows, &mut of.skipped)
            }
        };
        *rows += 1;
        match read {
            Ok((time, outcome, value)) => {
                at.batch.summable(at.object, at.row, "value", value)?;
                let guardrail = of_guardrail.map(|(_, number)| number);
                self.counted.push(Unnumbered { row: at.row, time, value, outcome, guardrail });
            }
            Err(skip) => self.origin.skip(skipped, at, skip, 1),
        }
        Ok(())
    }
}

impl Sink for RewardList<'_> {
    type Unit = Part;

    fn rows(&mut self, object: &str, batch: &Batch) -> Result<(), SnapshotError> {
        Origin::batch(&mut self.part.named.skipped, object, batch);
        self.part.latest = self.part.latest.max(latest(batch));
        self.counted.clear();
        (0..batch.rows).try_for_each(|row| self.row(At { object, batch, row }))?;
        // One lock for a batch. The numbers depend on the order of the threads; nothing that is counted depends on the numbers.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        for &Unnumbered { row, time, value, outcome, guardrail } in &self.counted {
            let Id::Text(id) = batch.ids.get(row) else { continue };
            let reward = Reward { time, value, user: users.insert(id)?, outcome };
            match guardrail {
                None => self.part.of(At { object, batch, row }).rewards.push(reward),
                Some(guardrail) => self.part.guardrails.rewards.push((guardrail, reward)),
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
    let any_named = parts.iter().any(|(_, part)| part.named.rows + part.guardrails.rows > 0);
    let mut rewards = Rewards {
        users: users.into_inner().unwrap_or_else(PoisonError::into_inner),
        counted: Vec::with_capacity(parts.iter().map(|(_, part)| part.named.rewards.len()).sum()),
        guardrails: vec![Vec::new(); reading.plan.guardrails.map_or(0, |guardrails| guardrails.list().len())],
        skipped: Skipped::default(),
        guard: Guard::new("rewards"),
        guardrail_guard: Guard::new("rewards"),
        latest: None,
        rows: 0,
        unnamed: None,
        near: None,
        files: Vec::new(),
    };
    for (key, mut part) in parts {
        rewards.latest = rewards.latest.max(part.latest);
        rewards.rows += part.named.rows + part.guardrails.rows + part.unnamed.rows;
        let OfGuardrails { rewards: of_guardrails, skipped, .. } = std::mem::take(&mut part.guardrails);
        rewards.guardrail_guard.add(&key, of_guardrails.len() as u64, &skipped.skips);
        rewards.skipped.merge(&skipped);
        for (guardrail, reward) in of_guardrails {
            rewards.guardrails[guardrail].push(reward);
        }
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

impl Rewards {
    /// For each user whether a reward of the model's own is theirs; `None` where there are no guardrails, and all are.
    pub(crate) fn own_users(&self) -> Option<Vec<bool>> {
        if self.guardrails.is_empty() {
            return None;
        }
        let mut own = vec![false; self.users.len()];
        self.counted.iter().for_each(|reward| own[reward.user as usize] = true);
        Some(own)
    }
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
