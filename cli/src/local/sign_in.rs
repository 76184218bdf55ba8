//! Signing a browser in to the local service: a one-time code that the process prints, exchanged once for the local API key. A key in
//! a URL would stay in the browser's history; a code there is worth nothing after its use. Codes are kept in the process that printed
//! them, which is why this is the local service's alone: functions of the cloud share no memory, and nobody reads their output.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use fulcrum_core::auth::Secret;
use fulcrum_core::http::{failure, respond_open};
use fulcrum_core::{ApiError, Body, Response};
use lambda_http::http::{self, HeaderValue, header};
use serde_json::{Value, json};

/// Where a code is exchanged, by POST.
pub const SESSION_PATH: &str = "/console/session";
/// For how long a code is good.
pub const CODE_TIME: TimeDelta = TimeDelta::minutes(10);
/// The greatest body that is read for a code, in bytes.
const BODY_LIMIT: usize = 1_000;

/// The codes that are out.
#[derive(Clone, Default)]
pub struct SignIn {
    codes: Arc<Mutex<HashMap<String, Pending>>>,
}

struct Pending {
    key: String,
    until: DateTime<Utc>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

impl SignIn {
    /// A code for a key: 256 random bits.
    ///
    /// # Errors
    /// [`ApiError::Internal`] of the operating system's randomness.
    pub fn issue(&self, key: &str, now: DateTime<Utc>) -> Result<String, ApiError> {
        let secret = Secret::generate()?;
        let code = secret.expose().trim_start_matches("flk_").to_owned();
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, pending| pending.until > now);
        codes.insert(code.clone(), Pending { key: key.to_owned(), until: now + CODE_TIME });
        Ok(code)
    }

    /// The key of a code, which is worth nothing from then on.
    #[must_use]
    pub fn redeem(&self, code: &str, now: DateTime<Utc>) -> Option<String> {
        let pending = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        (pending.until > now).then_some(pending.key)
    }

    /// Answers an exchange.
    pub(super) fn answer(&self, request: &http::Request<Bytes>, id: &str, now: DateTime<Utc>) -> Response<Body> {
        let mut response = self.exchange(request.body(), id, now).unwrap_or_else(|error| failure(&error, id));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        tracing::info!(
            request_id = id,
            route = "POST /console/session",
            status = response.status().as_u16(),
            "request"
        );
        response
    }

    fn exchange(&self, body: &Bytes, id: &str, now: DateTime<Utc>) -> Result<Response<Body>, ApiError> {
        if body.len() > BODY_LIMIT {
            return Err(ApiError::PayloadTooLarge { bytes: body.len(), limit: BODY_LIMIT });
        }
        let fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let Some(code) = fields.get("code").and_then(Value::as_str).filter(|_| fields.len() == 1) else {
            return Err(ApiError::invalid("the body has to be {\"code\": \"…\"}, with the code of the printed link"));
        };
        let token = self.redeem(code, now).ok_or_else(|| ApiError::Unauthorized {
            message: format!(
                "this link has been used, or is older than {} minutes: sign in with the API key in local.env, or start the \
                 service again for a new link",
                CODE_TIME.num_minutes()
            ),
        })?;
        respond_open(id.to_owned(), &json!({"token": token}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-28T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_code_is_good_once() {
        let sign_in = SignIn::default();
        let code = sign_in.issue("the key", now()).unwrap();
        assert_eq!(sign_in.redeem("another", now()), None);
        assert_eq!(sign_in.redeem(&code, now()).as_deref(), Some("the key"));
        assert_eq!(sign_in.redeem(&code, now()), None, "it was used");
    }

    #[test]
    fn a_code_expires() {
        let sign_in = SignIn::default();
        let code = sign_in.issue("the key", now()).unwrap();
        assert_eq!(sign_in.redeem(&code, now() + CODE_TIME), None);
        let code = sign_in.issue("the key", now()).unwrap();
        assert!(sign_in.redeem(&code, now() + CODE_TIME - TimeDelta::seconds(1)).is_some());
    }

    #[test]
    fn codes_differ_and_are_no_keys() {
        let sign_in = SignIn::default();
        let [one, other] = [(); 2].map(|()| sign_in.issue("the key", now()).unwrap());
        assert_ne!(one, other);
        assert!(Secret::parse(&one).is_none() && one.len() == 43, "{one}");
        assert!(!format!("{sign_in:?}").contains(&one));
    }
}
