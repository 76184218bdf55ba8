//! `fulcrum demo --live`: a site whose visitors are served by the model that learns from them, through the API alone.

mod picture;
mod site;
mod tally;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use events::Kind;
use fulcrum_core::{App, ServingCache};
use lambda_http::http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use self::picture::Picture;
use self::site::Visit;
use self::tally::Tally;
use super::{PORT, send, settings};
use crate::answers::text;
use crate::args::DemoArgs;
use crate::client::Client;
use crate::delivery::{MOST_EVENTS, deliver};
use crate::error::CliError;
use crate::local::Local;
use crate::screen::{Redrawn, Screen, print_text};

/// Visitors of the site in a minute of its own time.
const PER_MINUTE: u32 = 2_000;
/// Visitors who are served at the same moment.
const AT_ONCE: usize = 8;
/// How long events wait for others.
const BATCHED: Duration = Duration::from_millis(250);
/// Between two flushes, each of which trains the model on what is new.
const FLUSH: Duration = Duration::from_secs(2);
/// Between two pictures on a terminal, and where each is a text of its own.
const LOOK: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];
/// So many visitors come at the most who are served by what was learned before them: a minute and a half of the site's own time, however
/// slow the machine is.
const AHEAD: u32 = 3_000;
/// How long the last training run may take to come.
const LAST_RUN: Duration = Duration::from_mins(2);

/// Starts the service with all its rules. What it serves is a second old at the most, since everything is sped up.
pub(super) async fn start(port: Option<u16>) -> Result<Local, CliError> {
    let quick = |app: App| App { serving: ServingCache::new(TimeDelta::seconds(1)), ..app };
    match (port, Local::start_with(settings(port.unwrap_or(PORT), true), quick).await) {
        (None, Err(CliError::Listen { .. })) => Local::start_with(settings(0, true), quick).await,
        (_, started) => started,
    }
}

/// What all parts of the simulation share.
struct Live {
    client: Client,
    optimization: String,
    model: String,
    visitors: u32,
    seed: u64,
    /// Real time between two visitors.
    pause: Duration,
    started: Instant,
    /// The site's own time when its first visitor comes: so that its last one comes about now.
    beginning: DateTime<Utc>,
    next: AtomicU32,
    /// Exposures that the posterior in force has seen.
    learned: AtomicU32,
    tally: Mutex<Tally>,
}

impl Live {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The site's own time when a visitor comes.
    fn moment(&self, visitor: u32) -> DateTime<Utc> {
        self.beginning + TimeDelta::milliseconds(i64::from(visitor) * 60_000 / i64::from(PER_MINUTE))
    }
}

/// Runs the site, and shows what happens; whether the model found the best variant.
pub(super) async fn show(screen: Screen, local: &Local, args: &DemoArgs) -> Result<bool, CliError> {
    let client = Client::new(&local.env.url, &local.env.api_key)?;
    let made = send(&client, Method::POST, "/api/v2/optimizations", Some(&site::optimization())).await?;
    let all = TimeDelta::milliseconds(i64::from(args.visitors) * 60_000 / i64::from(PER_MINUTE));
    let live = Arc::new(Live {
        client,
        optimization: text(&made, "/id"),
        model: text(&made, "/model_id"),
        visitors: args.visitors,
        seed: args.seed,
        pause: Duration::from_mins(1) / (PER_MINUTE * args.speed),
        started: Instant::now(),
        beginning: Utc::now() - all,
        next: AtomicU32::new(0),
        learned: AtomicU32::new(0),
        tally: Mutex::new(Tally::default()),
    });
    print_text(&format!(
        "A site of {PER_MINUTE} visitors a minute, {} times as fast, and {} variants; model {} at {}.\n",
        args.speed,
        site::variants(),
        live.model,
        local.env.url
    ));
    let (senders, tasks) = senders();
    let mut running = JoinSet::new();
    for (kind, events) in tasks {
        running.spawn(deliver_all(live.client.clone(), kind, events));
    }
    let mut visitors = JoinSet::new();
    for _ in 0..AT_ONCE {
        visitors.spawn(serve(Arc::clone(&live), senders.clone()));
    }
    drop(senders);
    let mut picture = Picture::new(screen, Redrawn::stdout());
    let watched = watch(&live, &mut picture);
    let served = async {
        joined(&mut visitors).await?;
        joined(&mut running).await
    };
    // Watching has no end of its own.
    tokio::select! {
        served = served => served?,
        failed = watched => failed?,
    }
    let state = last_state(&live).await?;
    picture.show(&live.tally(), &state, live.started.elapsed(), true);
    print_text(&picture::verdict(screen, &state));
    Ok(picture::learned_best(&state) == Some(site::best()))
}

type Sender = UnboundedSender<String>;

/// A queue of each kind of events, and what takes from it.
fn senders() -> ([Sender; 2], [(Kind, UnboundedReceiver<String>); 2]) {
    let (exposures, from_exposures) = unbounded_channel();
    let (rewards, from_rewards) = unbounded_channel();
    ([exposures, rewards], [(Kind::Exposures, from_exposures), (Kind::Rewards, from_rewards)])
}

/// Waits for tasks; the first failure is the answer.
async fn joined(tasks: &mut JoinSet<Result<(), CliError>>) -> Result<(), CliError> {
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(ended) => ended?,
            Err(died) => std::panic::resume_unwind(died.into_panic()),
        }
    }
    Ok(())
}

/// Has visitors come one after the other, each in its time, as long as there are any.
async fn serve(live: Arc<Live>, [exposures, rewards]: [Sender; 2]) -> Result<(), CliError> {
    let path = format!("/api/v2/optimizations/{}/serve", live.optimization);
    loop {
        let number = live.next.fetch_add(1, Ordering::Relaxed);
        if number >= live.visitors {
            return Ok(());
        }
        let due = live.started + live.pause * number;
        tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        while number >= live.learned.load(Ordering::Relaxed) + AHEAD {
            tokio::time::sleep(BATCHED).await;
        }
        let id = format!("visitor-{number}");
        let served = send(&live.client, Method::POST, &path, Some(&json!({"anonymous_id": id}))).await?;
        let visit = Visit::of(live.seed, number, &served);
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let seen_at = live.moment(number);
        let exposure = json!({
            "anonymous_id": id, "optimization_id": live.optimization, "variant": served["variant"], "timestamp": time(seen_at),
            "posterior_version": served["posterior_version"], "propensity": served["propensity"],
            "holdout": served["holdout"], "idempotency_key": id,
        });
        // Nobody receives only while an error is on its way out.
        let _ = exposures.send(exposure.to_string());
        if let Some(after) = visit.signs_up_after {
            let reward = json!({
                "anonymous_id": id, "name": site::REWARD, "timestamp": time(seen_at + after), "idempotency_key": id,
            });
            let _ = rewards.send(reward.to_string());
        }
        live.tally().add(&visit);
    }
}

/// Sends events in batches until no more come.
async fn deliver_all(client: Client, kind: Kind, mut events: UnboundedReceiver<String>) -> Result<(), CliError> {
    let mut batch = Vec::new();
    while events.recv_many(&mut batch, MOST_EVENTS).await > 0 {
        let until = tokio::time::Instant::now() + BATCHED;
        while batch.len() < MOST_EVENTS {
            match tokio::time::timeout_at(until, events.recv()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        let delivered = deliver(&client, kind, &batch).await?;
        if let Some((place, why)) = delivered.rejected.into_iter().next() {
            return Err(CliError::EventsRejected { count: 1, first: vec![(place as u64 + 1, why)] });
        }
        batch.clear();
    }
    Ok(())
}

/// Flushes, looks at the model, and draws, for ever.
async fn watch(live: &Live, picture: &mut Picture) -> Result<(), CliError> {
    let look = if picture.goes_back() { LOOK[0] } else { LOOK[1] };
    let mut look = tokio::time::interval(look);
    let mut flush = tokio::time::interval(FLUSH);
    look.tick().await;
    flush.tick().await;
    let mut state = Value::Null;
    loop {
        tokio::select! {
            _ = flush.tick() => {
                send(&live.client, Method::POST, "/api/v2/ingest/flush", None).await?;
                live.learned.store(learned(live).await?, Ordering::Relaxed);
                state = model_state(live).await?;
            }
            _ = look.tick() => picture.show(&live.tally(), &state, live.started.elapsed(), false),
        }
    }
}

/// What the model believes; null before its first training.
async fn model_state(live: &Live) -> Result<Value, CliError> {
    let path = format!("/api/v2/models/{}/state", live.model);
    send(&live.client, Method::GET, &path, None).await
}

/// Exposures that the posterior in force has seen.
async fn learned(live: &Live) -> Result<u32, CliError> {
    let model = send(&live.client, Method::GET, &format!("/api/v2/models/{}", live.model), None).await?;
    let seen = model.pointer("/observations/exposures").and_then(Value::as_u64);
    Ok(seen.and_then(|seen| u32::try_from(seen).ok()).unwrap_or(0))
}

/// The state after the run that has seen every visitor.
async fn last_state(live: &Live) -> Result<Value, CliError> {
    let until = Instant::now() + LAST_RUN;
    loop {
        send(&live.client, Method::POST, "/api/v2/ingest/flush", None).await?;
        tokio::time::sleep(FLUSH / 4).await;
        let seen = learned(live).await?;
        if seen == live.visitors {
            return model_state(live).await;
        }
        if Instant::now() > until {
            return Err(CliError::DemoUnseen { seen, sent: live.visitors });
        }
    }
}
