//! What versions that were in force served: compiled policies, and rows that are drawn from posteriors as far as these are still stored.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use bandit::{
    CompileLimits, Policy, PolicyHistory, PolicyOptions, Posterior, Row, RowRef, draw_row, freeze_row, serving_seed,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Allocation, Checked, Model, ServedVersion};
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::storage_calls::StorageCalls;
use crate::store::{Bucket, posterior_key};
use crate::usecases::blocking::blocking;
use crate::usecases::posterior_object::Provenance;

/// Posteriors that are read at a time.
const AT_ONCE: usize = 8;
/// Posteriors that a run reads at the most, of the newest versions that need one.
const MOST_POSTERIORS: usize = 20;
/// Rows that a run draws, of contexts without a compiled one.
const MOST_DRAWN: usize = 2_000;

/// Contexts, and how often each is.
pub(super) type Contexts = BTreeMap<u64, u64>;

/// What versions serve, as far as that is known.
#[derive(Debug)]
pub(super) struct Policies {
    model: Uuid,
    compiled: PolicyHistory,
    /// Rows that no compiled policy has.
    drawn: Vec<(ServedVersion, BTreeMap<u64, Row>)>,
}

impl Policies {
    pub(super) fn new(model: Uuid, compiled: PolicyHistory) -> Self {
        Self { model, compiled, drawn: Vec::new() }
    }

    /// What was compiled.
    pub(super) fn into_compiled(self) -> PolicyHistory {
        self.compiled
    }

    fn compiled(&self, version: &ServedVersion) -> Option<&Policy> {
        let explored = version.model_id == Some(self.model) && version.allocation == Allocation::Exploring;
        self.compiled.get(version.posterior_version).filter(|_| explored)
    }

    fn drawn(&self, version: &ServedVersion) -> Option<&BTreeMap<u64, Row>> {
        self.drawn.iter().find(|(known, _)| known == version).map(|(_, rows)| rows)
    }

    /// What a version serves in a context, where that is known.
    pub(super) fn row(&self, version: &ServedVersion, context: u64) -> Option<RowRef<'_>> {
        let compiled = self.compiled(version).and_then(|policy| policy.row(context));
        compiled.or_else(|| self.drawn(version)?.get(&context).map(Row::as_ref))
    }

    /// Whether anything is known of what a version serves.
    pub(super) fn has(&self, version: &ServedVersion) -> bool {
        self.compiled(version).is_some() || self.drawn(version).is_some()
    }
}

/// A version of which rows are drawn.
struct Wanted {
    bucket: Bucket,
    checked: Arc<Checked>,
    /// Organization, model and optimization.
    of: (String, Uuid, Uuid),
    served: ServedVersion,
    contexts: Vec<u64>,
}

impl App {
    /// Draws the rows that no compiled policy has. A posterior that cannot be read is not known, and no error: it has been removed, or
    /// the store is away.
    pub(super) async fn draw_missing(
        &self,
        model: &Model,
        checked: &Arc<Checked>,
        wanted: &[(ServedVersion, Contexts)],
        policies: &mut Policies,
    ) {
        let mut missing: Vec<(ServedVersion, Vec<u64>)> = Vec::new();
        for (served, contexts) in wanted {
            let mut lacking: Vec<(u64, u64)> = contexts.iter().map(|(&context, &n)| (context, n)).collect();
            lacking.retain(|(context, _)| policies.row(served, *context).is_none());
            // The most frequent ones first.
            lacking.sort_by_key(|&(context, n)| (Reverse(n), context));
            let removed = served.allocation == Allocation::Exploring && policies.compiled(served).is_none();
            if served.model_id == Some(model.id) && !lacking.is_empty() && !removed && policies.drawn(served).is_none()
            {
                missing.push((*served, lacking.into_iter().map(|(context, _)| context).collect()));
            }
        }
        missing.sort_by_key(|(served, _)| Reverse(served.posterior_version));
        missing.truncate(MOST_POSTERIORS);
        let each = MOST_DRAWN / missing.len().max(1);
        let (mut reading, mut rest) = (JoinSet::new(), missing.into_iter());
        let calls = StorageCalls::current();
        loop {
            while reading.len() < AT_ONCE {
                let Some((served, mut contexts)) = rest.next() else { break };
                contexts.truncate(each);
                let wanted = Wanted {
                    bucket: self.bucket.clone(),
                    checked: Arc::clone(checked),
                    of: (model.organization_id.clone(), model.id, model.optimization_id),
                    served,
                    contexts,
                };
                let calls = calls.clone();
                reading.spawn(async move { (served, calls.count(wanted.draw()).await) });
            }
            let Some(read) = reading.join_next().await else { break };
            match read {
                Ok((served, Ok(rows))) => policies.drawn.push((served, rows)),
                Ok((served, Err(error))) => {
                    let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
                    let (request_id, version) = (log_field("request_id"), served.posterior_version);
                    tracing::warn!(request_id, model_id = %model.id, version, cause, "what a past version served is not known");
                }
                // A task that died knows nothing either.
                Err(_) => {}
            }
        }
    }
}

impl Wanted {
    async fn draw(self) -> Result<BTreeMap<u64, Row>, ApiError> {
        let (organization, model, optimization) = self.of;
        let served = self.served;
        if served.posterior_version == 0 || served.allocation == Allocation::Baseline {
            // Before the first training all variants are equal, and the baseline is the first of them.
            let baseline = Row::from_counts(&[1]).ok_or_else(|| ApiError::internal("a count of 1 is no row"))?;
            return Ok(self.contexts.into_iter().map(|context| (context, baseline.clone())).collect());
        }
        let object = posterior_key(&organization, &model.to_string(), served.posterior_version);
        let bytes = self.bucket.read_all(&object).await?;
        let (checked, contexts) = (self.checked, self.contexts);
        let draw = move || {
            let stored = bandit::stored::decode(&bytes).map_err(ApiError::internal)?;
            Provenance { model, snapshot: None }.check(&object, &stored.metadata)?;
            let bias = stored.metadata.get("bias").map_or("{}", String::as_str);
            let bias = serde_json::from_str(bias).map_err(ApiError::internal)?;
            drawn(&checked, &stored.posterior, (&optimization.to_string(), served), &bias, &contexts)
        };
        blocking(draw).await?
    }
}

/// The rows of contexts that were not compiled, as serving draws them.
fn drawn(
    checked: &Checked,
    posterior: &Posterior,
    (optimization, served): (&str, ServedVersion),
    bias: &BTreeMap<String, f64>,
    contexts: &[u64],
) -> Result<BTreeMap<u64, Row>, ApiError> {
    let options = PolicyOptions {
        bias,
        exploration: checked.settings.exploration,
        minimum_share: checked.config.minimum_share.unwrap_or_default(),
        limits: CompileLimits::default(),
        threads: 1,
    };
    let row = |&context: &u64| {
        // The baseline alone is drawn of no posterior.
        let row = if served.allocation == Allocation::Winners {
            freeze_row(&checked.space, posterior, context)
        } else {
            let seed = serving_seed(optimization, served.posterior_version, context);
            draw_row(&checked.space, posterior, &options, context, &seed)
        };
        row.map(|row| (context, row)).map_err(ApiError::internal)
    };
    contexts.iter().map(row).collect()
}
