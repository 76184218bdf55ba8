//! A training run under a lease: read the snapshot, count, fit, compile, write, publish.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bandit::{CapDiagnostics, FitError, Seed, TrainError, Training, TrainingOptions};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::changes::{changes, unseen_levels};
use super::in_force::Made;
use super::join::{LeaseOrResult, TrainCall};
use super::learned::Learned;
use super::lease::{LeaseGuard, archived};
use super::observations::Read;
use super::outcome::{TrainResponse, Trained};
use super::told::{names, of_run};
use crate::app::App;
use crate::domain::{
    Checked, InSampleMetrics, Interval, Model, OptimizationStatus, PosteriorRecord, Served, StoredResults, Summary,
};
use crate::echo::quoted;
use crate::error::ApiError;
use crate::keyed_work::{Effect, KeyedWork};
use crate::log_fields::log_field;
use crate::notifications::Notification;
use crate::store::{SnapshotListing, StoreError, posterior_key, results_key};
use crate::usecases::blocking::blocking;
use crate::usecases::results::{Compared, measured_lift, notice};

/// A run that put a version in force.
struct Ended {
    posterior: PosteriorRecord,
    /// How long reading took.
    reading: Duration,
    /// What others are told.
    told: Vec<Notification>,
}

impl App {
    /// Trains a model on the latest complete snapshot of its optimization and puts the posterior in force. Where that is
    /// wanted, or where the snapshot is too large for one call, the run waits in the queue instead.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Conflict`] (held by another run, archived before or during the run),
    /// [`ApiError::InvalidRequest`] for a bias of no factor, [`ApiError::NoObservations`], [`ApiError::InvalidSnapshot`], storage
    /// errors. Whatever the error, the posterior in force stays in force.
    pub async fn train(
        &self,
        organization: &str,
        id: Uuid,
        bias: BTreeMap<String, f64>,
        later: bool,
    ) -> Result<TrainResponse, ApiError> {
        if let Some(Effect::Posterior(version)) = KeyedWork::already_done() {
            return self.trained_before(organization, id, version).await;
        }
        let called_at = self.clock.now();
        let model = self.model(organization, id).await?;
        if model.archived_at.is_some() {
            return Err(archived(id));
        }
        model.checked()?.check_bias(&bias)?;
        if self.is_completed(&model).await? {
            return Err(completed(model.optimization_id));
        }
        if later {
            return Box::pin(self.enqueue_at_once(&model, bias, called_at)).await;
        }
        let version = model.posterior.as_ref().map_or(0, |posterior| posterior.posterior_version);
        let call = TrainCall { bias: &bias, called_at, version };
        let (mut lease, model) = match Box::pin(self.acquire_or_join(&model, &call)).await? {
            LeaseOrResult::Lease(acquired) => *acquired,
            LeaseOrResult::Joined(trained) => return Ok(TrainResponse::Trained(trained)),
        };
        let small = |snapshot: &SnapshotListing| snapshot.bytes() <= self.synchronous_bytes;
        let snapshot = self.latest_snapshot(&model).await;
        if snapshot.as_ref().map_or(true, small) {
            let asked_by = lease.owner.clone();
            let trained = Box::pin(self.train_under_lease(&model, lease, bias, snapshot, Some(&asked_by))).await?;
            return Ok(TrainResponse::Trained(Box::new(trained)));
        }
        match self.enqueue_training(&model, &mut lease, bias, called_at).await {
            Ok(()) => Ok(TrainResponse::Queued),
            Err(error) => {
                self.release_lease_after_failure(organization, id, lease, &error).await;
                Err(error)
            }
        }
    }

    /// The answer to a call whose run an earlier attempt under its key has made.
    async fn trained_before(&self, organization: &str, id: Uuid, version: u64) -> Result<TrainResponse, ApiError> {
        let Some(posterior) = self.table.posterior(organization, id, version).await? else {
            return Err(ApiError::conflict(format!(
                "the run under this Idempotency-Key made version {version} of model {id}, which is no longer kept; send another \
                 key to train again"
            )));
        };
        Ok(TrainResponse::Trained(Box::new(Trained { posterior, duration_ms: 0, joined: false })))
    }

    /// A run under a lease over the snapshot that was found, or was not, and who asked for it. The lease ends with it either way.
    pub(super) async fn train_under_lease(
        &self,
        model: &Model,
        lease: LeaseGuard,
        bias: BTreeMap<String, f64>,
        snapshot: Result<SnapshotListing, ApiError>,
        asked_by: Option<&str>,
    ) -> Result<Trained, ApiError> {
        let started = Instant::now();
        let run = match snapshot {
            Ok(snapshot) => {
                let snapshot_id = snapshot.id.clone();
                let run = async {
                    self.begin_run(model, &lease, &snapshot_id, asked_by).await?;
                    // On the heap, as what it awaits: the stack of a thread is small.
                    Box::pin(self.run(model, &lease, bias, snapshot, asked_by.is_none())).await
                };
                tokio::select! {
                    biased;
                    () = lease.lost() => Err(self.lease_lost(model).await),
                    run = self.before_deadline(&snapshot_id, run) => run,
                }
            }
            Err(error) => Err(error),
        };
        match run {
            Ok(Ended { posterior, reading, told }) => {
                let took = started.elapsed();
                Box::pin(self.remove_old_versions(model, posterior.posterior_version)).await;
                self.metrics.trained(&posterior, took, reading);
                for event in &told {
                    Box::pin(self.notifications.tell(event)).await;
                }
                let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                Ok(Trained { posterior, duration_ms, joined: false })
            }
            Err(error) => {
                self.release_lease_after_failure(&model.organization_id, model.id, lease, &error).await;
                self.tell_of_failure(model, &error).await;
                Err(error)
            }
        }
    }

    /// Records that a run begins. What is recorded goes when the run ends, and stays where it dies.
    async fn begin_run(
        &self,
        model: &Model,
        lease: &LeaseGuard,
        snapshot: &str,
        asked_by: Option<&str>,
    ) -> Result<(), ApiError> {
        let begun = model.next_run(snapshot, asked_by).ok_or_else(|| died(snapshot))?;
        match self.table.begin_run(&model.organization_id, model.id, &lease.owner, &begun).await {
            Err(StoreError::Condition { .. }) => Err(self.lease_lost(model).await),
            written => Ok(written?),
        }
    }

    /// What a run comes to, unless its function ends before that. What it computes on other threads then goes on to its
    /// bound, to no effect.
    async fn before_deadline<T>(
        &self,
        snapshot: &str,
        run: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        let Some(deadline) = self.deadline else { return run.await };
        let late = |_| ApiError::InvalidSnapshot {
            message: format!(
                "snapshot {} is too large: the run did not end within the time that its function has; \
                 count in the warehouse and write cells/, or give the function more memory, which is more processors",
                quoted(snapshot)
            ),
        };
        tokio::time::timeout_at(deadline.into(), run).await.map_err(late)?
    }

    async fn run(
        &self,
        model: &Model,
        lease: &LeaseGuard,
        bias: BTreeMap<String, f64>,
        snapshot: SnapshotListing,
        by_itself: bool,
    ) -> Result<Ended, ApiError> {
        let checked = Arc::new(model.checked()?);
        let parent = self.table.optimization(&model.organization_id, model.optimization_id).await?;
        let holdout_percentage = parent.as_ref().map_or(0.0, |parent| parent.holdout_percentage);
        let holdout_share = holdout_percentage / 100.0;
        let read = Box::pin(self.read_snapshot(model, &checked, snapshot, holdout_percentage)).await?;
        let seed = seed(model, &read.snapshot_id)?;
        let unseen_levels = unseen_levels(&checked.space, &read.cells);
        let shared = Arc::clone(&checked);
        let options = TrainingOptions {
            bias: bias.clone(),
            exploration: checked.settings.exploration,
            minimum_share: checked.config.minimum_share.unwrap_or_default(),
            burn_in: burns_in(model, &read, self.clock.now()),
            holdout_share,
            threads: self.threads,
        };
        // Exposures are decided again while the model is fitted.
        let (training, assignment) = tokio::join!(
            Box::pin(compute(shared, read.learned, options, seed)),
            Box::pin(self.check_assignment(model, &checked, read.audit, read.policies))
        );
        let (training, (assignment, mut policies)) = (training?, assignment?);
        log_inference(model, &training);
        let metrics = training.metrics;
        let mut posterior = PosteriorRecord {
            posterior_version: model.highest_version + 1,
            trained_at: self.clock.now(),
            snapshot_id: read.snapshot_id,
            snapshot_manifest: read.manifest,
            bias,
            in_sample_metrics: InSampleMetrics {
                historic_reward: metrics.historic_reward,
                expected_reward: Interval {
                    mean: metrics.expected_reward.mean,
                    ci_lower: metrics.expected_reward.ci_lower,
                    ci_upper: metrics.expected_reward.ci_upper,
                },
            },
            by_itself,
            summary: Some(Summary {
                variants_count: checked.space.allowed().count(),
                lift: training.report.estimated_improvement_percent,
                confidence: training.report.improvement_probability,
                exposures: read.observations.exposures,
                measured: None,
            }),
            observations: read.observations,
            warnings: read.warnings,
            unseen_levels: Some(unseen_levels),
            violated_guardrails: Vec::new(),
            failed_checks: Vec::new(),
            object: String::new(),
        };
        if let Some(in_force) = &model.posterior {
            posterior.warnings.extend(changes(in_force, &posterior));
        }
        log_warnings(model, &posterior);
        let provenance = provenance(model, &posterior)?;
        let (policy, compiled) = (training.policy.to_bytes(), training.policy.clone());
        let report = training.report.clone();
        let of = Arc::clone(&checked);
        let (holdout, reward) = (read.holdout, model.config.reward.modelled());
        let encode = move || {
            let baseline = holdout.check(&of.space, &training.posterior, reward)?;
            let bytes = bandit::stored::encode(&of.space, &training, &provenance).map_err(ApiError::internal)?;
            Ok::<_, ApiError>((bytes, baseline))
        };
        let (bytes, baseline) = blocking(encode).await??;
        let mut posterior = self.write_posterior(model, bytes.into(), posterior).await?;
        let compared = Compared { assignment, baseline };
        let results = read.measured.stored(model, &checked.space, &posterior, (&report, compared));
        self.write_results(model, &posterior, &results).await?;
        if let Some(summary) = &mut posterior.summary {
            summary.measured = measured_lift(&results)?;
        }
        let notice = notice(&checked.space, &results)?;
        posterior.violated_guardrails = names(&notice.guardrails);
        posterior.failed_checks = names(&notice.problems);
        policies.insert(posterior.posterior_version, compiled);
        self.write_policies(model, &policies).await?;
        let served = Served::version(model, &posterior, policy);
        lease.stop_renewing();
        let made = Made { model, owner: &lease.owner, posterior: &posterior, served, results: &results };
        let on_baseline = Box::pin(self.put_in_force(&made, parent)).await?;
        let told = of_run(model, &posterior, &notice, on_baseline);
        Ok(Ended { posterior, reading: read.took, told })
    }

    /// Writes the posterior under the first version that no run has written, also none that died before publishing.
    /// The object does not hold its version, so that the same input gives the same bytes.
    async fn write_posterior(
        &self,
        model: &Model,
        bytes: Bytes,
        mut record: PosteriorRecord,
    ) -> Result<PosteriorRecord, ApiError> {
        loop {
            record.object = posterior_key(&model.organization_id, &model.id.to_string(), record.posterior_version);
            if self.bucket.put_new(&record.object, bytes.clone()).await? {
                return Ok(record);
            }
            record.posterior_version += 1;
        }
    }

    /// Writes what the run measured, beside its posterior.
    async fn write_results(
        &self,
        model: &Model,
        posterior: &PosteriorRecord,
        results: &StoredResults,
    ) -> Result<(), ApiError> {
        let bytes = Bytes::from(serde_json::to_vec(results).map_err(ApiError::internal)?);
        let key = results_key(&model.organization_id, &model.id.to_string(), posterior.posterior_version);
        // One that is there was written by an earlier attempt of the same call, whose answer was lost.
        if self.bucket.put_new(&key, bytes.clone()).await? || self.bucket.read_all(&key).await? == bytes {
            return Ok(());
        }
        Err(ApiError::internal(format!("{key} is there already, although its posterior was written by this run")))
    }

    pub(super) async fn lease_lost(&self, model: &Model) -> ApiError {
        match self.table.model(&model.organization_id, model.id).await {
            Ok(Some(now)) if now.archived_at.is_some() => archived(model.id),
            Ok(Some(_)) if self.is_completed(model).await.unwrap_or(false) => completed(model.optimization_id),
            _ => ApiError::conflict(format!(
                "the run's lease on model {} expired before it ended, and another run acquired it; this run changed nothing",
                model.id
            )),
        }
    }

    /// Whether the optimization of a model is completed, and trains no more.
    pub(super) async fn is_completed(&self, model: &Model) -> Result<bool, ApiError> {
        let parent = self.table.optimization(&model.organization_id, model.optimization_id).await?;
        Ok(parent.is_some_and(|parent| parent.status == OptimizationStatus::Completed))
    }

    pub(super) async fn holdout_share(&self, model: &Model) -> Result<f64, ApiError> {
        let parent = self.table.optimization(&model.organization_id, model.optimization_id).await?;
        Ok(parent.map_or(0.0, |parent| parent.holdout_percentage) / 100.0)
    }
}

/// Why a run on a snapshot is not begun by itself.
pub(super) fn died(snapshot: &str) -> ApiError {
    ApiError::InvalidSnapshot {
        message: format!(
            "two runs on snapshot {} died without a word, as a process does that is out of memory or is killed; no third one \
             begins by itself. Write a new snapshot, count in the warehouse and write cells/, or raise TrainingMemory; a call \
             to train begins a run all the same",
            quoted(snapshot)
        ),
    }
}

/// The error for a run on an optimization that is completed.
fn completed(optimization: Uuid) -> ApiError {
    ApiError::conflict(format!(
        "optimization {optimization} is completed: it serves its winner and trains no more; set its status to live to train again"
    ))
}

async fn compute(
    checked: Arc<Checked>,
    learned: Learned,
    options: TrainingOptions,
    seed: Seed,
) -> Result<Training, ApiError> {
    let work = move || {
        let trained = bandit::train(&checked.space, &learned.cells, &checked.settings, &options, &seed);
        let mut training = trained.map_err(|error| refusal(&error))?;
        if let Some(diagnostics) = &mut training.report.diagnostics {
            diagnostics.design_effect = learned.design_effect;
            diagnostics.cap = learned.capped.map(|cap| CapDiagnostics {
                at: cap.at,
                observations: cap.observations,
                share_of_sum: cap.share_of_sum,
            });
        }
        Ok(training)
    };
    blocking(work).await?
}

/// Whether all allowed variants are still served alike, whatever is believed.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a life are far below 2^52")]
fn burns_in(model: &Model, read: &Read, now: DateTime<Utc>) -> bool {
    let hours = (now - model.created_at).num_milliseconds() as f64 / 3_600_000.0;
    model.config.burn_in.is_some_and(|burn_in| burn_in.lasts(read.observations.exposures, hours))
}

/// The client's error for a model that could not be trained. What the data and the configuration can bring about is told; what
/// only a fault of ours can is not.
fn refusal(error: &TrainError) -> ApiError {
    match error {
        TrainError::Fit(
            fit @ (FitError::NoConvergence { .. }
            | FitError::NotPositiveDefinite { .. }
            | FitError::TooManyColumns { .. }
            | FitError::Work { .. }
            | FitError::Sampling { .. }),
        ) => ApiError::NotFitted { reason: fit.to_string(), advice: EASIER },
        // The reason has its own advice.
        TrainError::Fit(
            fit @ (FitError::NonzeroNotCounted { .. } | FitError::NotTwoPart { .. } | FitError::Unresolved { .. }),
        ) => ApiError::NotFitted { reason: fit.to_string(), advice: "Training again gives the same." },
        other => ApiError::internal(other),
    }
}

/// What makes a fit easier that did not get there.
const EASIER: &str = "Training again gives the same. Fewer levels, fewer factors or smaller prior scales make the fit easier; \
                      docs/statistics.md, \"When a fit fails\", says more";

/// One line with the codes of the run's warnings, where it has any; the examples are in the answer and on the model.
fn log_warnings(model: &Model, posterior: &PosteriorRecord) {
    if posterior.warnings.is_empty() {
        return;
    }
    let codes: Vec<&str> = posterior.warnings.iter().map(|warning| warning.code.as_str()).collect();
    tracing::warn!(
        request_id = log_field("request_id"),
        organization = model.organization_id,
        model_id = %model.id,
        snapshot_id = posterior.snapshot_id,
        codes = codes.join(","),
        "trained with warnings"
    );
}

/// One line on how the posterior was made, beside the line of the request or message that asked for it.
fn log_inference(model: &Model, training: &Training) {
    let Some(made) = &training.report.diagnostics else { return };
    tracing::info!(
        request_id = log_field("request_id"),
        organization = model.organization_id,
        model_id = %model.id,
        step = ?made.step,
        pareto_k = made.pareto_k,
        effective_draws = made.effective_draws,
        r_hat = made.r_hat,
        divergences = made.divergences,
        main_scale = made.main_scale,
        pair_scale = made.pair_scale,
        kappa = made.kappa,
        covered_share = made.covered_share,
        "fitted"
    );
}

/// SHA-256 of the model's type and configuration as JSON, hexadecimal.
fn configuration_hash(model: &Model) -> Result<String, ApiError> {
    let json = serde_json::to_string(&(model.model_type, &model.config)).map_err(ApiError::internal)?;
    Ok(Sha256::digest(json.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

fn seed(model: &Model, snapshot_id: &str) -> Result<Seed, ApiError> {
    Ok(Seed::derive(&[&model.id.to_string(), snapshot_id, &configuration_hash(model)?]))
}

/// What the object says of where it comes from. Nothing in it differs between two runs over the same input.
fn provenance(model: &Model, record: &PosteriorRecord) -> Result<BTreeMap<String, String>, ApiError> {
    let json = |value: serde_json::Result<String>| value.map_err(ApiError::internal);
    Ok(BTreeMap::from([
        ("model_id".to_owned(), model.id.to_string()),
        ("optimization_id".to_owned(), model.optimization_id.to_string()),
        ("organization_id".to_owned(), model.organization_id.clone()),
        ("snapshot_id".to_owned(), record.snapshot_id.clone()),
        ("model_type".to_owned(), json(serde_json::to_string(&model.model_type))?),
        ("training_data_config".to_owned(), json(serde_json::to_string(&model.config))?),
        ("configuration_sha256".to_owned(), configuration_hash(model)?),
        ("observations".to_owned(), json(serde_json::to_string(&record.observations))?),
        ("bias".to_owned(), json(serde_json::to_string(&record.bias))?),
        ("software".to_owned(), concat!("fulcrum ", env!("CARGO_PKG_VERSION")).to_owned()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_that_fails_says_what_happened_and_what_to_do() {
        let short = FitError::Sampling { pareto_k: 1.234, r_hat: 1.5, effective_draws: 12.0, divergences: 0 };
        let work = FitError::Work { step: "the sampler", columns: 300, spent: 1.5e10, bound: 1.6e10 };
        let residual = FitError::NoConvergence { what: "Newton's method", residual: 0.5 };
        for (fit, figures) in [
            (short, "sampling fell short: Pareto k 1.23, R-hat 1.500, 12 effective draws, 0 divergences"),
            (work, "a fit of 300 columns has spent 1.5e10 of 1.6e10 operations, too many for the sampler to follow"),
            (residual, "Newton's method did not converge (residual 5e-1)"),
        ] {
            let error = refusal(&TrainError::Fit(fit));
            assert_eq!(error.code(), "not_fitted");
            // The same words in the answer and in last_error.
            let message = error.to_string();
            assert_eq!(error.kept(Some("req_1")), message);
            let expected = format!("the model could not be fitted to this snapshot: {figures}; nothing changed");
            assert!(message.starts_with(&expected), "{message}");
            assert!(message.contains("Fewer levels") && message.contains("docs/statistics.md"), "{message}");
        }
        let fault = refusal(&TrainError::BadHoldout { share: 2.0 });
        assert!(matches!(fault, ApiError::Internal { .. }), "{fault:?}");
        assert!(fault.kept(Some("req_1")).ends_with("under the request id req_1"), "{}", fault.kept(Some("req_1")));
    }
}
