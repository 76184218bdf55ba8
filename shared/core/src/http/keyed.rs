//! `Idempotency-Key`: one piece of work for one key, however often and by however many it is asked for.
//!
//! The record of a key is begun before the work and finished in the transaction of its effect; the answer is kept after that. An
//! attempt that dies leaves a record that another one takes over once its time is past: it finds the effect, where there is one,
//! and tells it instead of doing it again.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::envelope::failure;
use super::handler::{Authenticated, Handler};
use super::request::{BODY_LIMIT, body_bytes, path, request_id};
use super::routes::{Match, Route};
use crate::app::App;
use crate::auth::Scope;
use crate::domain::{KEY_LIFE, KeptAnswer, KeyRecord};
use crate::error::{ApiError, Detail};
use crate::keyed_work::{Effect, KeyedWork};
use crate::log_fields::set_log_field;
use crate::store::{KeyAttempt, StoreError};

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The endpoints that make something or train.
const KEYED: [&str; 3] = ["create-model", "create-optimization", "train-model"];
/// Between two looks at a key that another call works under.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The route and the key of a request whose work is done once; `None` for any other.
///
/// # Errors
/// [`ApiError::InvalidRequest`] for a key that is none.
pub(super) fn key<'r>(request: &'r Request, found: &Match) -> Result<Option<(Route, &'r str)>, ApiError> {
    let Match::Found { route, .. } = found else { return Ok(None) };
    let mut given = request.headers().get_all(KEY).iter();
    let Some(value) = given.next().filter(|_| KEYED.contains(&route.function)) else { return Ok(None) };
    let refused = |message: &str| ApiError::invalid_at([Detail::new("Idempotency-Key", message)]);
    if given.next().is_some() {
        return Err(refused("given more than once"));
    }
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()) && !text.contains([' ', '\t']));
    text.map(|text| Some((*route, text))).ok_or_else(|| refused("it is not 1 to 255 visible ASCII characters"))
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What a request is known by under its key: a hash of its path and body.
#[must_use]
pub fn fingerprint(path: &str, body: &[u8]) -> String {
    hash(&[path.as_bytes(), body])
}

/// What a key's record is kept under: a hash of the route and the key.
#[must_use]
pub fn key_name(method: &str, route: &str, key: &str) -> String {
    hash(&[method.as_bytes(), route.as_bytes(), key.as_bytes()])
}

/// Answers a request with a key: by its handler, or as the first call under the key was answered.
///
/// # Errors
/// The handler's, [`ApiError::IdempotencyMismatch`], [`ApiError::Conflict`] while another call is at work, storage errors.
pub(super) async fn answer<'a, H: Handler<'a>>(
    app: &'a App,
    handler: &H,
    mut request: Request,
    (route, key): (Route, String),
) -> Result<Response<Body>, ApiError> {
    let caller = app.authenticate(request.headers(), Scope::ModelsWrite).await?;
    set_log_field("organization", &caller.organization_id);
    let organization = caller.organization_id.clone();
    request.extensions_mut().insert(Authenticated { caller, scope: Scope::ModelsWrite });
    let id = request_id(&request);
    let owner = Uuid::new_v4().to_string();
    let work = KeyedWork {
        organization,
        name: key_name(route.method, route.path, &key),
        owner: Some(owner.clone()),
        done: None,
    };
    let request_hash = fingerprint(path(&request), body_bytes(&request, BODY_LIMIT)?);
    let done = match begin(app, &work, &owner, request_hash, app.for_request(&request).wait).await? {
        Beginning::Begun(done) => done,
        Beginning::Answered(response) => return Ok(response),
    };
    let handled = KeyedWork { done, ..work.clone() }.scope(handler.call(app, request));
    tokio::pin!(handled);
    let handled = tokio::select! {
        biased;
        handled = &mut handled => handled,
        () = renew(app, &work, &owner) => (&mut handled).await,
    };
    finish(app, &work, &owner, &handled, &id).await;
    handled
}

/// How a call under a key goes on.
enum Beginning {
    /// It does the work, of which an earlier attempt may have done this.
    Begun(Option<Effect>),
    /// The work is done.
    Answered(Response<Body>),
}

/// Begins the work under a key, or waits for whoever is at it.
async fn begin(
    app: &App,
    work: &KeyedWork,
    owner: &str,
    request_hash: String,
    wait: Duration,
) -> Result<Beginning, ApiError> {
    let (organization, name) = (&work.organization, &work.name);
    let (started, mut pause) = (Instant::now(), Duration::from_millis(25));
    let begun_at = app.clock.now();
    let mut record = KeyRecord {
        request: request_hash,
        owner: owner.to_owned(),
        expires_at: begun_at + app.lease,
        ttl: (begun_at + KEY_LIFE).timestamp(),
        effect: None,
        answer: None,
    };
    let mut attempt = app.table.begin_keyed(organization, name, &record, begun_at).await?;
    loop {
        let now = app.clock.now();
        match attempt {
            KeyAttempt::Begun(done) => return Ok(Beginning::Begun(done)),
            KeyAttempt::Answered(kept) => return replayed(kept).map(Beginning::Answered),
            KeyAttempt::OtherRequest => return Err(ApiError::IdempotencyMismatch),
            KeyAttempt::AtWork(until) if started.elapsed() + pause > wait => {
                let left = (until - now).to_std().unwrap_or_default();
                return Err(ApiError::Conflict {
                    message: "another call with this Idempotency-Key is still at work; ask again with the same key"
                        .into(),
                    retry_after: Some(left.clamp(Duration::from_secs(1), Duration::from_secs(5))),
                });
            }
            KeyAttempt::AtWork(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                let now = app.clock.now();
                attempt = app.table.look_keyed(organization, name, &record, now).await?;
                if matches!(attempt, KeyAttempt::AtWork(until) if until <= now) {
                    record.expires_at = now + app.lease;
                    record.ttl = (now + KEY_LIFE).timestamp();
                    attempt = app.table.begin_keyed(organization, name, &record, now).await?;
                }
            }
        }
    }
}

/// Renews the hold of an attempt on its key three times in its span, until it is lost.
async fn renew(app: &App, work: &KeyedWork, owner: &str) {
    let pause = app.lease.to_std().unwrap_or(Duration::from_mins(1)) / 3;
    loop {
        tokio::time::sleep(pause).await;
        match app.table.renew_keyed(work, owner, app.clock.now() + app.lease).await {
            Ok(()) => {}
            // The effect is not written either: it has the same condition.
            Err(StoreError::Condition { .. }) => return,
            Err(error) => tracing::warn!(%error, "the hold on an Idempotency-Key was not renewed; retrying"),
        }
    }
}

/// Keeps an answer, or frees the key of one that says to ask again. What cannot be written is logged: the hold expires.
async fn finish(
    app: &App,
    work: &KeyedWork,
    owner: &str,
    handled: &Result<Response<Body>, ApiError>,
    request_id: &str,
) {
    let refused;
    let response = match handled {
        Ok(response) => response,
        Err(error) => {
            refused = failure(error, request_id);
            &refused
        }
    };
    let again = response.status().is_server_error()
        || response.status() == StatusCode::TOO_MANY_REQUESTS
        || response.headers().contains_key(header::RETRY_AFTER);
    let written = match response.body() {
        Body::Text(text) if !again => {
            let answer = KeptAnswer { status: response.status().as_u16(), body: text.clone() };
            app.table.keep_answer(work, owner, &answer).await
        }
        _ => app.table.renew_keyed(work, owner, app.clock.now()).await,
    };
    if let Err(error) = written {
        tracing::warn!(request_id, %error, "the answer of a request with an Idempotency-Key was not kept");
    }
}

/// The first answer again.
fn replayed(kept: KeptAnswer) -> Result<Response<Body>, ApiError> {
    let mut response = Response::new(Body::Text(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).map_err(ApiError::internal)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
