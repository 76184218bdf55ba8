//! From the tables of a pass and the report of a fit to what is stored.

use std::collections::BTreeMap;

use bandit::evaluation::{Arm, BaselineCheck};
use bandit::{CellTable, PolicyHistory, Report, Space};
use snapshots::{Tables, Unit, UserTable};

use super::interactions::interactions;
use super::off_policy;
use super::periods::Periods;
use crate::domain::{
    Belief, ExposureRow, FactorImportance, GuardrailRow, Model, NoLog, OutcomeRow, PosteriorRecord, RESULTS_FORMAT,
    RewardConfig, Stats, StoredAssignment, StoredGuardrail, StoredLog, StoredOffPolicy, StoredOutcomes, StoredResults,
    StoredUnattributed, StoredUsers, Timeline, TrainingDataConfig, UserRow, VariantTotals,
};
use crate::error::ApiError;

/// The most users that a run keeps apart, about 100 bytes of memory each.
pub(in crate::usecases) const MOST_USERS: u64 = 5_000_000;

/// What a run measured, and what it needs to be written down.
pub(in crate::usecases) struct Measured {
    pub(in crate::usecases) totals: Vec<VariantTotals>,
    pub(in crate::usecases) tables: Option<Tables>,
    pub(in crate::usecases) holdout_percentage: f64,
    pub(in crate::usecases) periods: Periods,
    pub(in crate::usecases) timeline: Timeline,
}

/// What a run found by holding what was measured against what was served and what is believed.
#[derive(Clone, Debug, Default)]
pub(in crate::usecases) struct Compared {
    pub(in crate::usecases) assignment: Option<StoredAssignment>,
    pub(in crate::usecases) baseline: Option<BaselineCheck>,
}

impl Measured {
    pub(in crate::usecases) fn new(
        cells: &CellTable,
        tables: Option<Tables>,
        holdout_percentage: f64,
        (periods, timeline): (Periods, Timeline),
    ) -> Self {
        let mut totals: BTreeMap<usize, VariantTotals> = BTreeMap::new();
        for cell in cells.cells() {
            let empty = VariantTotals { variant: cell.variant, n: 0, sum: 0.0 };
            let of = totals.entry(cell.variant).or_insert(empty);
            of.n += cell.n;
            of.sum += cell.sum;
        }
        Self { totals: totals.into_values().collect(), tables, holdout_percentage, periods, timeline }
    }

    /// What is stored of it, beside a posterior, and the log on which policies are valued, where there is one. `policies` has the policy
    /// of the posterior too.
    ///
    /// # Errors
    /// [`ApiError::Internal`] for sums and policies that are none.
    pub(in crate::usecases) fn stored(
        self,
        model: &Model,
        space: &Space,
        posterior: &PosteriorRecord,
        (report, compared): (&Report, Compared),
        policies: &PolicyHistory,
    ) -> Result<(StoredResults, Option<StoredLog>), ApiError> {
        let log = self.log(model, space);
        let mut results = self.without_off_policy(model, space, posterior, (report, compared));
        results.off_policy = Some(match &log {
            Ok(log) => off_policy::off_policy(space, log, policies, (posterior.posterior_version, &results.beliefs))?,
            Err(why) => StoredOffPolicy { unavailable: Some(*why), log: None, policies: Vec::new() },
        });
        Ok((results, log.ok()))
    }

    /// The exposures of the optimized users by the version that decided them, or why they are not known.
    fn log(&self, model: &Model, space: &Space) -> Result<StoredLog, NoLog> {
        let tables = self.tables.as_ref().ok_or(NoLog::NoIds)?;
        let users = tables.users.as_ref().ok_or(NoLog::ManyUsers)?;
        let design_effect = users.sums[0].design_effect().unwrap_or(1.0).max(1.0);
        let modelled = model.config.unit.unwrap_or_default() == Unit::Exposure;
        let by = (&self.timeline, model.id);
        Ok(off_policy::log(&tables.cube, &self.periods, by, (space.variants(), design_effect, modelled)))
    }

    fn without_off_policy(
        self,
        model: &Model,
        space: &Space,
        posterior: &PosteriorRecord,
        (report, compared): (&Report, Compared),
    ) -> StoredResults {
        let reward_type = model.config.reward.modelled();
        let table = self.tables.as_ref().and_then(|tables| tables.users.as_ref());
        let rewards = posterior.observations.rewards;
        let unattributed = self.tables.as_ref().map(|tables| StoredUnattributed {
            rewards,
            without_exposure: tables.unattributed.without_exposure,
            before_exposures: tables.unattributed.before_exposures,
            outside_windows: tables.unattributed.outside_windows,
        });
        let belief = |v: &bandit::VariantState| Belief {
            expected_reward_mean: v.expected_reward_mean,
            expected_reward_lo: v.expected_reward_lo,
            expected_reward_hi: v.expected_reward_hi,
            prob_best: v.prob_best,
            weight: v.weight,
        };
        let importance = |f: &bandit::FactorState| FactorImportance {
            factor: f.name.clone(),
            mean: f.size.map(|size| size.mean),
            q1: f.size.map(|size| size.q1),
            q3: f.size.map(|size| size.q3),
            kind: f.role,
        };
        StoredResults {
            format: RESULTS_FORMAT.to_owned(),
            posterior_version: posterior.posterior_version,
            snapshot_id: posterior.snapshot_id.clone(),
            computed_at: posterior.trained_at,
            metric_name: model.config.reward.name.clone(),
            reward_type,
            holdout_percentage: self.holdout_percentage,
            totals: self.totals,
            exposures: self.tables.as_ref().map(|tables| exposures(tables, &self.periods)),
            users: table.map(|table| users(space, table)),
            interactions: table.map(|table| interactions(space, reward_type, table)),
            assignment: compared.assignment,
            baseline_check: compared.baseline,
            outcomes: self.tables.as_ref().and_then(|tables| outcomes(&model.config.reward, tables, &self.periods)),
            guardrails: guardrails(&model.config, self.tables.as_ref().and_then(|tables| tables.users.as_ref())),
            unattributed,
            beliefs: report.variants.iter().map(belief).collect(),
            stats: Stats {
                estimated_improvement_percent: report.estimated_improvement_percent,
                estimated_improvement_interval: report.estimated_improvement_interval,
                best_vs_baseline_percent: report.best_vs_baseline_percent,
                best_vs_baseline_interval: report.best_vs_baseline_interval,
                estimated_progress: report.estimated_progress,
                improvement_probability: report.improvement_probability,
            },
            factor_importance: report.factors.iter().map(importance).collect(),
            off_policy: None,
        }
    }
}

/// The cube summed over contexts and over the periods of a day.
fn exposures(tables: &Tables, periods: &Periods) -> Vec<ExposureRow> {
    let mut rows: BTreeMap<(i64, bool, usize), ExposureRow> = BTreeMap::new();
    for cell in &tables.cube {
        let day = periods.day(cell.period);
        let (held_out, variant) = (cell.held_out, cell.variant);
        let row =
            rows.entry((day, held_out, variant)).or_insert(ExposureRow { day, held_out, variant, n: 0, sum: 0.0 });
        row.n += cell.n;
        row.sum += cell.sum;
    }
    rows.into_values().collect()
}

/// The outcomes of a reward, where it has them, summed over the periods of a day.
fn outcomes(reward: &RewardConfig, tables: &Tables, periods: &Periods) -> Option<StoredOutcomes> {
    let given = reward.outcomes.as_ref()?;
    let mut rows: BTreeMap<(i64, bool, u32, u8), u64> = BTreeMap::new();
    for cell in &tables.outcomes {
        *rows.entry((periods.day(cell.period), cell.held_out, cell.variant, cell.outcome)).or_default() += cell.n;
    }
    let row = |((day, held_out, variant, outcome), n)| OutcomeRow { day, held_out, variant, outcome, n };
    Some(StoredOutcomes {
        outcomes: given.iter().map(|outcome| (outcome.key.clone(), outcome.weight)).collect(),
        rows: rows.into_iter().map(row).collect(),
    })
}

/// What users came to by each guardrail; nothing where they cannot be told apart.
fn guardrails(config: &TrainingDataConfig, users: Option<&UserTable>) -> Vec<StoredGuardrail> {
    let row = |of: &snapshots::GuardrailGroup| GuardrailRow {
        day: of.day,
        held_out: of.held_out,
        sum: of.sum,
        sum_sq: of.sum_sq,
    };
    let given = config.guardrails.iter().enumerate();
    let stored = given.map(|(number, of)| StoredGuardrail {
        name: of.name.clone(),
        reward_type: of.reward_type,
        worse_when: of.worse_when,
        margin_percent: of.margin_percent,
        on_violation: of.on_violation.unwrap_or_default(),
        rows: users.and_then(|users| users.guardrails.get(number)).into_iter().flatten().map(row).collect(),
    });
    stored.collect()
}

/// A context factor and one of its levels.
type FactorLevel = (usize, usize);

fn users(space: &Space, table: &UserTable) -> StoredUsers {
    let mut by_variant: BTreeMap<(i64, bool, usize), (u64, Arm)> = BTreeMap::new();
    let mut by_level: BTreeMap<(i64, bool, FactorLevel), (u64, Arm)> = BTreeMap::new();
    for group in &table.groups {
        let arm = Arm { users: group.users, sum: group.sum, sum_sq: group.sum_sq };
        let add = |(converting, sums): &mut (u64, Arm)| {
            *converting += group.converting;
            *sums = sums.plus(arm);
        };
        add(by_variant.entry((group.day, group.held_out, group.variant)).or_default());
        for (factor, level) in space.decode_context(group.context).into_iter().enumerate() {
            add(by_level.entry((group.day, group.held_out, (factor, level))).or_default());
        }
    }
    StoredUsers {
        by_variant: rows(by_variant),
        by_level: rows(by_level),
        sums: table.sums,
        exposures_per_user: per_user(&table.exposures),
        several_variants: table.several_variants,
    }
}

fn rows<K>(sums: BTreeMap<(i64, bool, K), (u64, Arm)>) -> Vec<UserRow<K>> {
    let row = |((day, held_out, by), (converting, arm))| UserRow { day, held_out, by, converting, arm };
    sums.into_iter().map(row).collect()
}

/// Mean, 99 % quantile and greatest of how many users have how many exposures.
#[expect(clippy::cast_precision_loss, reason = "counts of users and exposures are far below 2^52")]
fn per_user(exposures: &BTreeMap<u64, u64>) -> (f64, u64, u64) {
    let users: u64 = exposures.values().sum();
    let all: u64 = exposures.iter().map(|(n, users)| n * users).sum();
    // The least number that at least 99 % of the users do not exceed.
    let wanted = users - users / 100;
    let mut below = 0;
    let quantile = exposures.iter().find_map(|(n, users)| {
        below += users;
        (below >= wanted).then_some(*n)
    });
    let mean = if users > 0 { all as f64 / users as f64 } else { 0.0 };
    (mean, quantile.unwrap_or(0), exposures.keys().next_back().copied().unwrap_or(0))
}
