//! The tables that results are made of: the sink that places every exposure in the cube and in the user table.

use bandit::{RewardType, hold_out};

use crate::attribution::Unattributed;
use crate::batch::{Batch, Id};
use crate::cube::{Cube, CubeCell, CubeKey, Periods};
use crate::error::SnapshotError;
use crate::exposures::Credited;
use crate::fields::Role;
use crate::ids::Users;
use crate::place::exposure;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::user_table::{Seen, UserTable, UserTableBuilder};

/// What the tables are made by.
#[derive(Clone, Copy, Debug)]
pub struct TablesPlan<'a> {
    /// The share of users who are held out, in per cent: with the hash of (optimization, anonymous id) it says who is.
    pub holdout_percentage: f64,
    /// The instants between which the periods of the cube lie, ascending, in microseconds since 1970.
    pub instants: &'a [i64],
    /// The most users that are kept apart, about 100 bytes of memory each. With more there is no user table.
    pub most_users: u64,
}

/// What a pass over exposures and rewards makes beside the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Exposures by period, arm, variant and context, in this order.
    pub cube: Vec<CubeCell>,
    /// Users; `None` where there are more than may be kept apart.
    pub users: Option<UserTable>,
    /// Rewards that were credited to no exposure.
    pub unattributed: Unattributed,
}

/// The tables in the making.
pub(crate) struct Making<'a> {
    plan: &'a Plan<'a>,
    tables: TablesPlan<'a>,
    users: UserTableBuilder,
}

impl<'a> Making<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>, tables: &TablesPlan<'a>) -> Self {
        Self { plan, tables: *tables, users: UserTableBuilder::new(tables.most_users) }
    }

    /// The sink of one thread, for exposures that are no later than `mature`.
    pub(crate) fn sink(&'a self, role: Role, mature: i64) -> TablesSink<'a> {
        let periods = Periods::new(self.tables.instants);
        TablesSink { making: self, role, mature, periods, cube: Cube::default(), shards: Vec::new(), arms: Vec::new() }
    }

    fn held_out(&self, id: &[u8]) -> bool {
        let id = String::from_utf8_lossy(id);
        hold_out(self.plan.optimization_id, &id, self.tables.holdout_percentage)
    }

    /// The tables, once all exposures have been seen. `credited` is in the order (file name, row), in which sums are made.
    pub(crate) fn tables(&self, cube: Cube, credited: &[Credited], users: &Users, rest: Unattributed) -> Tables {
        let mut earned: Vec<Option<(f64, f64)>> = vec![None; users.len()];
        let mut order = Vec::new();
        for of in credited {
            let (sum, squares) = earned[of.user as usize].get_or_insert_with(|| {
                order.push(of.user);
                (0.0, 0.0)
            });
            *sum += of.reward;
            *squares += of.reward * of.reward;
        }
        let mut periods = Periods::new(self.tables.instants);
        let rewards = credited.iter().map(|of| {
            let held_out = self.held_out(users.id(of.user));
            let variant = u32::try_from(of.variant).unwrap_or(u32::MAX);
            (CubeKey { period: periods.of(of.time), held_out, variant, context: of.context }, of.reward)
        });
        let cube = cube.with_rewards(rewards);
        let earned = order.into_iter().filter_map(|user| {
            let (sum, squares) = earned[user as usize]?;
            Some((self.users.hash(users.id(user)), sum, squares))
        });
        let users = self.users.finish(self.plan.reward == RewardType::Bool, earned);
        Tables { cube, users, unattributed: rest }
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
                self.cube.add(CubeKey { period: self.periods.of(seen.time), held_out, variant, context });
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
