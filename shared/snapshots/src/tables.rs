//! The tables that results are made of: the sink that places every exposure in the cube and in the user table.

use std::collections::BTreeMap;

use bandit::{RewardType, UserHasher};

use crate::attribution::Unattributed;
use crate::audit::AuditPlan;
use crate::batch::{Batch, Id};
use crate::cube::{Cube, CubeCell, CubeKey, Periods};
use crate::error::SnapshotError;
use crate::exposures::Credited;
use crate::fields::Role;
use crate::guardrails::{GuardrailReward, Guardrails};
use crate::ids::Users;
use crate::learned::{Cap, Capping, Learned, Unit};
use crate::place::exposure;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::user_table::{Earned, OfGuardrail, Seen, UserTable, UserTableBuilder};

/// What the tables are made by.
#[derive(Clone, Copy, Debug)]
pub struct TablesPlan<'a> {
    /// The share of users who are held out, in per cent: with the hash of (optimization, anonymous id) it says who is.
    pub holdout_percentage: f64,
    /// The instants between which the periods of the cube lie, ascending, in microseconds since 1970.
    pub instants: &'a [i64],
    /// The most users that are kept apart, about 100 bytes of memory each. With more there is no user table.
    pub most_users: u64,
    /// What one observation of the model is.
    pub unit: Unit,
    /// Where the rewards of observations are cut off.
    pub cap: Option<Cap>,
    /// How exposures are sampled that are decided again; absent where none are.
    pub audit: Option<AuditPlan<'a>>,
}

/// What a pass over exposures and rewards makes beside the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Exposures by period, arm, variant and context, in this order.
    pub cube: Vec<CubeCell>,
    /// Users; `None` where there are more than may be kept apart.
    pub users: Option<UserTable>,
    /// Exposures by the outcome that they were credited with; empty where the reward has no outcomes.
    pub outcomes: Vec<OutcomeCell>,
    /// Rewards that were credited to no exposure.
    pub unattributed: Unattributed,
}

/// The exposures of a period, an arm and a variant that were credited with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeCell {
    /// The period.
    pub period: u32,
    /// Whether the users are held out.
    pub held_out: bool,
    /// The variant.
    pub variant: u32,
    /// The outcome, by its place.
    pub outcome: u8,
    /// Exposures.
    pub n: u64,
}

/// The exposures with a reward, and whose they are.
pub(crate) struct Attributed {
    /// In the order (file name, row), in which sums are made.
    pub(crate) credited: Vec<Credited>,
    /// For each guardrail the users of its exposures with a reward, and the reward, in the same order.
    pub(crate) guardrails: Vec<Vec<(u32, f64)>>,
    pub(crate) users: Users,
    pub(crate) unattributed: Unattributed,
}

/// The tables in the making.
pub(crate) struct Making<'a> {
    plan: &'a Plan<'a>,
    tables: TablesPlan<'a>,
    users: UserTableBuilder,
    hasher: UserHasher,
}

impl<'a> Making<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>, tables: &TablesPlan<'a>) -> Self {
        let hasher = UserHasher::new(plan.optimization_id);
        Self { plan, tables: *tables, users: UserTableBuilder::new(tables.most_users), hasher }
    }

    /// The sink of one thread, for exposures that are no later than `mature`.
    pub(crate) fn sink(&'a self, role: Role, mature: i64) -> TablesSink<'a> {
        let periods = Periods::new(self.tables.instants);
        TablesSink { making: self, role, mature, periods, cube: Cube::default(), shards: Vec::new(), arms: Vec::new() }
    }

    fn held_out(&self, id: &[u8]) -> bool {
        let id = String::from_utf8_lossy(id);
        self.hasher.hold_out(&id, self.tables.holdout_percentage)
    }

    /// What the users have come to by each guardrail.
    fn of_guardrails(&self, of: &Attributed) -> Vec<OfGuardrail> {
        let list = self.plan.guardrails.map_or(&[][..], Guardrails::list);
        let user_sums = |(guardrail, credited): (&GuardrailReward, &Vec<(u32, f64)>)| {
            let mut sums: Vec<Option<f64>> = vec![None; of.users.len()];
            let mut order = Vec::new();
            for &(user, reward) in credited {
                *sums[user as usize].get_or_insert_with(|| {
                    order.push(user);
                    0.0
                }) += reward;
            }
            let is_bool = guardrail.reward == RewardType::Bool;
            let y = |sum: f64| if is_bool { f64::from(u8::from(sum != 0.0)) } else { sum };
            let of_user = |user: u32| Some((self.users.hash(of.users.id(user)), y(sums[user as usize]?)));
            order.into_iter().filter_map(of_user).collect()
        };
        list.iter().zip(&of.guardrails).map(user_sums).collect()
    }

    /// The tables, once all exposures have been seen, and what models learn from.
    pub(crate) fn tables(&self, cube: Cube, of: &Attributed) -> (Tables, Learned) {
        let Attributed { credited, users, unattributed, .. } = of;
        let by_user = self.tables.unit == Unit::User;
        let mut earned: Vec<Option<Earned>> = vec![None; users.len()];
        let mut order = Vec::new();
        let magnitudes = || credited.iter().map(|of| of.reward.abs()).filter(|&reward| reward != 0.0).collect();
        let mut cap = self.tables.cap.filter(|_| !by_user).map(|cap| Capping::new(cap, magnitudes));
        let mut periods = Periods::new(self.tables.instants);
        let mut negative = false;
        let mut outcomes: BTreeMap<(u32, bool, u32, u8), u64> = BTreeMap::new();
        let rewards = credited.iter().map(|of| {
            let of_user = earned[of.user as usize].get_or_insert_with(|| {
                order.push(of.user);
                Earned::default()
            });
            let learned = cap.as_mut().map_or(of.reward, |cap| cap.apply(of.reward));
            of_user.add(of.reward, learned);
            negative |= learned < 0.0;
            let (period, held_out) = (periods.of(of.time), self.held_out(users.id(of.user)));
            let variant = u32::try_from(of.variant).unwrap_or(u32::MAX);
            if self.plan.outcomes.is_some() {
                *outcomes.entry((period, held_out, variant, of.outcome)).or_default() += 1;
            }
            (CubeKey { period, held_out, variant, context: of.context }, learned)
        });
        let cube = cube.with_rewards(rewards);
        let is_bool = self.plan.reward == RewardType::Bool;
        let earned: Vec<_> = order
            .into_iter()
            .filter_map(|user| Some((self.users.hash(users.id(user)), earned[user as usize]?)))
            .collect();
        let users = self.users.finish(is_bool, &earned, &self.of_guardrails(of));
        let mut own = None;
        if by_user && users.is_some() {
            let y = |earned: &Earned| earned.of_user(is_bool);
            let magnitudes = || earned.iter().map(|(_, of)| y(of).abs()).filter(|&reward| reward != 0.0).collect();
            cap = self.tables.cap.map(|cap| Capping::new(cap, magnitudes));
            let of_users = self.users.first_seen(&mut periods);
            negative = earned.iter().any(|(_, of)| y(of) < 0.0);
            let rewards = earned.iter().filter_map(|(hash, of)| {
                let reward = cap.as_mut().map_or(y(of), |cap| cap.apply(y(of)));
                Some((self.users.key(*hash, &mut periods)?, reward))
            });
            own = Some(of_users.with_rewards(rewards));
        }
        let design_effect = users.as_ref().filter(|_| !by_user);
        let design_effect = design_effect.and_then(|table| table.sums[0].plus(table.sums[1]).design_effect());
        let capped = cap.map(|cap| cap.capped());
        let learned = Learned { own, nonzero_counted: true, negative, design_effect, capped };
        let of_outcome =
            |((period, held_out, variant, outcome), n)| OutcomeCell { period, held_out, variant, outcome, n };
        let outcomes = outcomes.into_iter().map(of_outcome).collect();
        (Tables { cube, users, outcomes, unattributed: *unattributed }, learned)
    }
}

/// Places exposures in the cube and in the user table.
pub(crate) struct TablesSink<'a> {
    making: &'a Making<'a>,
    role: Role,
    mature: i64,
    periods: Periods<'a>,
    cube: Cube,
    /// The exposures of a batch by shard, with their rows.
    shards: Vec<(Vec<Seen>, Vec<usize>)>,
    arms: Vec<bool>,
}

impl Sink for TablesSink<'_> {
    type Unit = Cube;

    fn rows(&mut self, _: &str, batch: &Batch) -> Result<(), SnapshotError> {
        if self.role != Role::Exposures {
            return Ok(());
        }
        let Making { users, .. } = self.making;
        for row in 0..batch.rows {
            // Rows that do not count are told by the sink of the cells.
            let Ok((id, time, cell)) = exposure(batch, row) else { continue };
            if time > self.mature {
                continue;
            }
            let hash = users.hash(id);
            let shard = UserTableBuilder::shard(hash);
            if self.shards.len() <= shard {
                self.shards.resize_with(shard + 1, Default::default);
            }
            let variant = u32::try_from(cell.variant).map_err(|_| SnapshotError::TooLarge { what: "variants" })?;
            self.shards[shard].0.push(Seen { hash, time, variant, context: cell.context });
            self.shards[shard].1.push(row);
        }
        for (shard, (seen, rows)) in self.shards.iter_mut().enumerate() {
            if seen.is_empty() {
                continue;
            }
            let held_out = |number: usize| match batch.ids.get(rows[number]) {
                Id::Text(id) => self.making.held_out(id),
                Id::Null | Id::Bad => false,
            };
            users.see(shard, seen, held_out, &mut self.arms);
            for (seen, &held_out) in seen.iter().zip(&self.arms) {
                let (variant, context) = (seen.variant, seen.context);
                self.cube.count(CubeKey { period: self.periods.of(seen.time), held_out, variant, context });
            }
            seen.clear();
            rows.clear();
        }
        Ok(())
    }

    fn finish(&mut self) -> Cube {
        std::mem::take(&mut self.cube)
    }
}
