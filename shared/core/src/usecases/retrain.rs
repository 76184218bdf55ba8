//! Training on occasion: a snapshot is complete, a request waits, or it is time to look.
//!
//! Occasions may come late, twice and in any order. A run always takes the latest complete snapshot, and only one that is
//! later than what the model has learned from, so that each snapshot is trained at most once and none replaces a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::hold::{Hold, is_waited_for};
use super::requests::Request;
use super::train::Trained;
use crate::app::App;
use crate::domain::{LastError, Model};
use crate::error::ApiError;
use crate::store::{SnapshotListing, snapshots_prefix};

/// What may call for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A snapshot is complete.
    Completed {
        /// Whose it is, as its key says.
        organization: String,
        /// The optimization.
        optimization: Uuid,
        /// The snapshot.
        snapshot: String,
    },
    /// A request to train waits.
    Requested {
        /// Whose model, as the request's key says.
        organization: String,
        /// The model.
        model: Uuid,
        /// The request's key.
        key: String,
    },
    /// Time to look for models whose latest snapshot is later than what they have learned from.
    Scheduled,
}

/// What came of an occasion.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A posterior is in force that was not before.
    Trained(Box<Trained>),
    /// Nothing was to be done, for this reason.
    Dropped(&'static str),
    /// So many runs wait in the queue now that did not before.
    Queued(usize),
}

const LEARNED: Outcome = Outcome::Dropped("the model has learned from this snapshot or a later one");
const UNKNOWN: Outcome = Outcome::Dropped("there is no such model in this organization");
const ARCHIVED: Outcome = Outcome::Dropped("the model is archived");
const DONE: Outcome = Outcome::Dropped("the request is done");

/// What a model says whose run died at every try.
const WORST: &str = "the last try of this run has not ended, and the tries before it may have died without a word: most \
                     likely the run takes more memory than its function has; raise TrainingMemory, or count in the \
                     warehouse and write cells/";

/// What a hold is tried for.
enum Attempt {
    Held(Box<(Hold, Model)>),
    Needless(Outcome),
}

impl App {
    /// Does what an occasion calls for. An error means that it is to come again, unless this was its `last_try`.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where another run holds the model for longer than two leases, and whatever keeps a run from its
    /// end, as [`App::train`]; the model keeps it as its last error.
    pub async fn retrain(&self, occasion: &Occasion, last_try: bool) -> Result<Outcome, ApiError> {
        match occasion {
            Occasion::Completed { organization, optimization, snapshot } => {
                let Some(parent) = self.table.optimization(organization, *optimization).await? else {
                    return Ok(Outcome::Dropped("there is no such optimization in this organization"));
                };
                let Some(model) = parent.model_id else {
                    return Ok(Outcome::Dropped("the optimization has no active model"));
                };
                self.learn(organization, model, snapshot, last_try).await
            }
            Occasion::Requested { organization, model, key } => self.fulfil(organization, *model, key, last_try).await,
            Occasion::Scheduled => self.look_around().await.map(Outcome::Queued),
        }
    }

    /// Trains a model on its latest snapshot, if it has not learned from `snapshot` yet.
    async fn learn(&self, organization: &str, id: Uuid, snapshot: &str, last_try: bool) -> Result<Outcome, ApiError> {
        let needless = |model: &Model| {
            // That run will read the latest snapshot, which is this one or a later one.
            let waited_for = is_waited_for(model, self.clock.now());
            match model {
                model if model.has_learned(snapshot) => Some(LEARNED),
                _ if waited_for => Some(Outcome::Dropped("a request that waits will learn from it")),
                _ => None,
            }
        };
        let (hold, model) = match self.hold_patiently(organization, id, None, needless).await? {
            Attempt::Held(held) => *held,
            Attempt::Needless(outcome) => return Ok(outcome),
        };
        let latest = self.latest_snapshot(&model).await;
        let learned = |latest: &SnapshotListing| model.has_learned(&latest.id);
        if model.has_learned(snapshot) || latest.as_ref().is_ok_and(learned) {
            self.release(organization, id, hold).await;
            return Ok(LEARNED);
        }
        if last_try {
            self.fear_the_worst(&model, &hold).await;
        }
        // Nobody says otherwise, so the biases of the last run stand.
        let bias = model.posterior.as_ref().map(|p| p.bias.clone()).unwrap_or_default();
        let trained = self.attempt(&model, hold, bias, latest).await;
        self.unless_archived(organization, id, trained).await
    }

    /// Does what a request asks for, and deletes it.
    async fn fulfil(&self, organization: &str, id: Uuid, key: &str, last_try: bool) -> Result<Outcome, ApiError> {
        let Some(request) = self.asked(key).await? else { return Ok(DONE) };
        let outcome = match request {
            Ok(Request::Learn { snapshot_id }) => self.learn(organization, id, &snapshot_id, last_try).await?,
            Ok(Request::Train { bias }) => self.train_as_asked(organization, id, key, bias, last_try).await?,
            Err(broken) => match self.hold_patiently(organization, id, Some(name(key)), |_| None).await? {
                Attempt::Needless(outcome) => outcome,
                Attempt::Held(held) => {
                    self.give_back(organization, id, held.0, &broken).await;
                    return Err(broken);
                }
            },
        };
        self.done(key).await;
        Ok(outcome)
    }

    /// Trains a model as a request asks, unless another run has done so.
    async fn train_as_asked(
        &self,
        organization: &str,
        id: Uuid,
        key: &str,
        bias: BTreeMap<String, f64>,
        last_try: bool,
    ) -> Result<Outcome, ApiError> {
        let (hold, mut model) = match self.hold_patiently(organization, id, Some(name(key)), |_| None).await? {
            Attempt::Held(held) => *held,
            Attempt::Needless(outcome) => return Ok(outcome),
        };
        // The message may have come twice: the run that held the model until now may have been this request's, which says
        // so with the model before it deletes the object.
        let fulfilled = model.fulfilled.as_deref() == Some(name(key));
        match self.asked(key).await {
            Ok(Some(_)) if !fulfilled => {}
            Ok(_) => {
                self.release(organization, id, hold).await;
                return Ok(DONE);
            }
            Err(error) => {
                self.give_back(organization, id, hold, &error).await;
                return Err(error);
            }
        }
        model.fulfilled = Some(name(key).to_owned());
        if last_try {
            self.fear_the_worst(&model, &hold).await;
        }
        let latest = self.latest_snapshot(&model).await;
        let trained = self.attempt(&model, hold, bias, latest).await;
        self.unless_archived(organization, id, trained).await
    }

    /// Before the last try: the tries before may have died without a word, as a function does that is out of memory, and so
    /// may this one. Its end, if it has one, replaces what is kept here.
    async fn fear_the_worst(&self, model: &Model, hold: &Hold) {
        let last = LastError { code: "internal".to_owned(), message: WORST.to_owned(), at: self.clock.now() };
        let (organization, id) = (&model.organization_id, model.id);
        if let Err(error) = self.table.remember(organization, id, &hold.owner, &last).await {
            tracing::warn!(model_id = %id, %error, "the last try of a run was not noted");
        }
    }

    /// Takes hold of a model as soon as the run that holds it ends, within two leases; of one that waits for `request` at once.
    async fn hold_patiently(
        &self,
        organization: &str,
        id: Uuid,
        request: Option<&str>,
        needless: impl Fn(&Model) -> Option<Outcome>,
    ) -> Result<Attempt, ApiError> {
        let patience = self.lease.to_std().unwrap_or_default() * 2;
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let Some(model) = self.table.model(organization, id).await? else { return Ok(Attempt::Needless(UNKNOWN)) };
            if model.archived_at.is_some() {
                return Ok(Attempt::Needless(ARCHIVED));
            }
            if let Some(outcome) = needless(&model) {
                return Ok(Attempt::Needless(outcome));
            }
            if let Some(request) = request
                && let Some(held) = self.hold_for(organization, id, request).await?
            {
                return Ok(Attempt::Held(Box::new(held)));
            }
            match self.hold(organization, id).await {
                Ok(held) => return Ok(Attempt::Held(Box::new(held))),
                Err(ApiError::Conflict { .. }) if started.elapsed() < patience => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// The outcome of a run; one whose model was archived meanwhile is no error that would pass.
    async fn unless_archived(
        &self,
        organization: &str,
        id: Uuid,
        trained: Result<Trained, ApiError>,
    ) -> Result<Outcome, ApiError> {
        match trained {
            Ok(trained) => Ok(Outcome::Trained(Box::new(trained))),
            Err(error) => match self.table.model(organization, id).await {
                Ok(Some(model)) if model.archived_at.is_some() => Ok(ARCHIVED),
                _ => Err(error),
            },
        }
    }

    /// Writes a request for every model whose latest snapshot is later than what it has learned from; how many did not wait
    /// already. Organizations are found by the folders of their snapshots, so that the table is never scanned. What cannot be
    /// looked at keeps nobody else waiting: it is logged, and the last of such errors is the answer at the end.
    async fn look_around(&self) -> Result<usize, ApiError> {
        let (mut queued, mut failure) = (0, None);
        let mut missed = |organization: &str, model: Option<Uuid>, error: ApiError| {
            let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
            let model_id = model.map(|id| id.to_string());
            tracing::error!(organization, model_id, cause, "the schedule could not look at this; it goes on");
            failure = Some(error);
        };
        for organization in self.bucket.folders("snapshots/").await? {
            match self.with_snapshots(&organization).await {
                Ok(models) => {
                    for model in models {
                        match self.ask_to_learn(&model).await {
                            Ok(asked) => queued += usize::from(asked),
                            Err(error) => missed(&organization, Some(model.id), error),
                        }
                    }
                }
                Err(error) => missed(&organization, None, error),
            }
        }
        failure.map_or(Ok(queued), Err)
    }

    /// The models of an organization whose optimization has a folder of snapshots.
    async fn with_snapshots(&self, organization: &str) -> Result<Vec<Model>, ApiError> {
        let folders = self.bucket.folders(&format!("snapshots/{organization}/")).await?;
        let folders: BTreeSet<Uuid> = folders.iter().filter_map(|id| id.parse().ok()).collect();
        let mut models = self.table.models(organization, false, None, None, usize::MAX).await?.items;
        models.retain(|model| folders.contains(&model.optimization_id));
        Ok(models)
    }

    /// Writes a request for a model whose latest snapshot is later than what it has learned from; whether none waited already.
    async fn ask_to_learn(&self, model: &Model) -> Result<bool, ApiError> {
        let prefix = snapshots_prefix(&model.organization_id, &model.optimization_id.to_string());
        match self.bucket.latest_snapshot_id(&prefix).await? {
            Some(snapshot_id) if !model.has_learned(&snapshot_id) => {
                // One name for one snapshot: what waits or has failed for good is not asked for again.
                let request = Request::Learn { snapshot_id: snapshot_id.clone() };
                self.ask(model, &snapshot_id, &request).await
            }
            _ => Ok(false),
        }
    }
}

/// A request's name, of its key.
fn name(key: &str) -> &str {
    let file = key.rsplit('/').next().unwrap_or(key);
    file.strip_suffix(".json").unwrap_or(file)
}
