//! Fair shares of the queue: an organization has so many run slots at a time, one fewer than runs at a time there can be, so that
//! its runs never keep another's waiting. A request that finds none is noted as waiting, and its message is done with; whoever
//! ends a run reserves the slot for the request that has waited longest and announces it to the queue again, behind what others
//! sent meanwhile.
//!
//! Nothing is lost on the way: the request itself stays in the bucket; a slot expires like a lease; what is noted as waiting is
//! looked at by every run of the organization that ends, and by the schedule.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::lease::QUEUED_LEASE;
use super::requests::TrainingRequest;
use crate::app::App;
use crate::error::ApiError;
use crate::store::{REQUESTS, StoreError, WAITING};

/// How often a change of the slots is tried that meets others.
const MOST_ATTEMPTS: u32 = 20;
/// The longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Requests that are noted as waiting and looked at in one go: a page of S3's listing.
const PAGE: usize = 1_000;

/// A run slot. Dropping it stops its renewal, and it expires.
pub(super) struct RunSlot(Option<Taken>);

struct Taken {
    owner: String,
    renewal: JoinHandle<()>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// A request that is announced next.
struct Next {
    /// The note that it waits, an empty object: `waiting/{organization}/{time}.{tries}/{the request's own key}`.
    note: String,
    key: String,
    request: TrainingRequest,
}

impl App {
    /// Takes a slot for a run, the one that is reserved for its request first; `None` where the organization has no more.
    pub(super) async fn take_run_slot(
        &self,
        organization: &str,
        request: Option<&str>,
    ) -> Result<Option<RunSlot>, ApiError> {
        let Some(most) = self.organization_runs else { return Ok(Some(RunSlot(None))) };
        let owner = Uuid::new_v4().to_string();
        for attempt in 0..MOST_ATTEMPTS {
            let (slots, now) = (self.table.run_slots(organization).await?, self.clock.now());
            let mut owners = slots.taken(now);
            let reserved = request.is_some_and(|request| owners.remove(request).is_some());
            if !reserved && owners.len() >= most.get() {
                return Ok(None);
            }
            owners.insert(owner.clone(), (now + self.lease).timestamp_millis());
            match self.table.change_run_slots(organization, &slots, &owners).await {
                Ok(()) => return Ok(Some(self.renewed(organization, owner))),
                Err(StoreError::Condition { .. }) => pause(attempt).await,
                Err(other) => return Err(other.into()),
            }
        }
        // So many take slots at this moment that there is hardly one left.
        Ok(None)
    }

    fn renewed(&self, organization: &str, owner: String) -> RunSlot {
        let renewal = tokio::spawn(self.renew_run_slot(organization.to_owned(), owner.clone()));
        RunSlot(Some(Taken { owner, renewal }))
    }

    /// Renews a slot three times in the span of a lease, until the task is aborted or the slot is lost.
    fn renew_run_slot(&self, organization: String, owner: String) -> impl Future<Output = ()> + 'static {
        let app = self.clone();
        async move {
            let span = app.lease.to_std().unwrap_or(Duration::from_mins(1)) / 3;
            loop {
                tokio::time::sleep(span).await;
                match app.table.renew_run_slot(&organization, &owner, app.clock.now() + app.lease).await {
                    Ok(()) => {}
                    Err(StoreError::Condition { .. }) => return,
                    Err(error) => tracing::warn!(organization, %error, "a run slot was not renewed; retrying"),
                }
            }
        }
    }

    /// Notes that a request waits for a slot, for which a run was begun so many times; the slot after all, where one came free.
    ///
    /// The note comes first and the look after it: whoever gives a slot back does so first and looks for notes after that, so
    /// that one of the two sees the other.
    pub(super) async fn wait_for_run_slot(
        &self,
        organization: &str,
        key: &str,
        tries: u32,
    ) -> Result<Option<RunSlot>, ApiError> {
        let rest = key.strip_prefix(REQUESTS).and_then(|rest| rest.strip_prefix(organization)?.strip_prefix('/'));
        let rest = rest.ok_or_else(|| ApiError::internal(format!("{key} is no request of {organization}")))?;
        let note = format!("{WAITING}{organization}/{:015}.{tries}/{rest}", self.clock.now().timestamp_millis());
        self.bucket.put(&note, Bytes::new().into()).await?;
        let slot = self.take_run_slot(organization, Some(key)).await?;
        if slot.is_some() {
            self.delete_request(&note).await;
        }
        Ok(slot)
    }

    /// Gives a slot back, to the request of the organization that has waited longest. What cannot be written is logged: the
    /// slot expires, and the next run that ends, or the schedule, looks again.
    pub(super) async fn pass_run_slot_on(&self, organization: &str, slot: RunSlot) {
        let Some(taken) = slot.0 else { return };
        taken.renewal.abort();
        if let Err(error) = self.reserve_run_slots(organization, Some(&taken.owner)).await {
            let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
            tracing::warn!(organization, cause, "a run slot was not passed on; it expires");
        }
    }

    /// Reserves the free slots of an organization for the requests that have waited longest, and announces these to the queue
    /// again; how many. The slot of `own` is free from then on.
    pub(super) async fn reserve_run_slots(&self, organization: &str, own: Option<&str>) -> Result<usize, ApiError> {
        let most = self.organization_runs.map_or(usize::MAX, std::num::NonZero::get);
        let (mut own, mut attempt) = (own, 0);
        loop {
            let (slots, now) = (self.table.run_slots(organization).await?, self.clock.now());
            let mut owners = slots.taken(now);
            let given_back = own.is_some_and(|own| owners.remove(own).is_some());
            let next = self.next_waiting(organization, &owners, most.saturating_sub(owners.len())).await?;
            if next.is_empty() && !given_back {
                return Ok(0);
            }
            owners.extend(next.iter().map(|next| (next.key.clone(), (now + QUEUED_LEASE).timestamp_millis())));
            match self.table.change_run_slots(organization, &slots, &owners).await {
                Ok(()) if next.is_empty() => own = None,
                Ok(()) => break self.announce_again(organization, next).await,
                Err(StoreError::Condition { .. }) if attempt < MOST_ATTEMPTS => {
                    pause(attempt).await;
                    attempt += 1;
                }
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// The requests of an organization that have waited longest and have no slot reserved. A note about a request that is
    /// completed, or is none, is removed.
    async fn next_waiting(
        &self,
        organization: &str,
        owners: &BTreeMap<String, i64>,
        most: usize,
    ) -> Result<Vec<Next>, ApiError> {
        let prefix = format!("{WAITING}{organization}/");
        let (mut next, mut after) = (Vec::<Next>::new(), None::<String>);
        while next.len() < most {
            let wanted = (most - next.len()).saturating_add(owners.len()).min(PAGE);
            let page = self.bucket.list_after(&prefix, after.as_deref(), wanted).await?;
            for (note, ..) in &page {
                let parts = note.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
                let (when, rest) = parts.unwrap_or_default();
                let key = format!("{REQUESTS}{organization}/{rest}");
                if next.len() == most || owners.contains_key(&key) || next.iter().any(|next| next.key == key) {
                    continue;
                }
                let tries = when.split_once('.').and_then(|(_, tries)| tries.parse().ok()).unwrap_or(0);
                match self.read_request(&key).await? {
                    Some(Ok(request)) => next.push(Next { note: note.clone(), key, request: request.tried(tries) }),
                    _ => self.delete_request(note).await,
                }
            }
            if page.len() < wanted {
                break;
            }
            after = page.last().map(|(note, ..)| note.clone());
        }
        Ok(next)
    }

    /// Writes requests anew, which announces them to the queue, and removes the notes about them; how many.
    async fn announce_again(&self, organization: &str, next: Vec<Next>) -> Result<usize, ApiError> {
        let announced = next.len();
        for Next { note, key, request } in next {
            let json = serde_json::to_vec(&request).map_err(ApiError::internal)?;
            self.bucket.put(&key, Bytes::from(json).into()).await?;
            self.delete_request(&note).await;
        }
        tracing::info!(organization, announced, "waiting runs are next");
        Ok(announced)
    }
}

/// Lets another that changes the same record go first: for longer and longer, and not all for the same time.
async fn pause(attempt: u32) {
    let span = Duration::from_millis(5 << attempt.min(8)).min(LONGEST_PAUSE);
    let share = f64::from(Uuid::new_v4().as_bytes()[0]) / 256.0;
    tokio::time::sleep(span.mul_f64(share)).await;
}
