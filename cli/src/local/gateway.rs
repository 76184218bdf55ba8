//! The gateway: an HTTP request becomes the event that API Gateway makes of it, the event becomes the request that
//! the deployed function sees, and the function's own handler answers.
//!
//! The event is an HTTP API event of payload version 2.0. It goes through JSON and `lambda_http`, as it does in the cloud.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fulcrum_core::http::{Match, answer, failure, find};
use fulcrum_core::{ApiError, App, Body, Request, Response};
use lambda_http::http::uri::Authority;
use lambda_http::http::{self, HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cors::permit;

/// The greatest body that the gateway carries, in bytes.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// The longest request target that the gateway takes, in bytes; API Gateway has 10,240 for request line and headers together.
pub const TARGET_LIMIT: usize = 8 * 1024;

const ACCOUNT: &str = "000000000000";
const API: &str = "local";

macro_rules! functions {
    ($($name:literal => $function:ident,)+) => {
        /// The functions that the gateway can call, by the names that the routes give them.
        pub const FUNCTIONS: &[&str] = &[$($name),+];

        async fn invoke(app: &App, function: &str, request: Request) -> Response<Body> {
            match function {
                $($name => answer(app, &$function::handle, request).await,)+
                _ => answer(app, &default_route::handle, request).await,
            }
        }
    };
}

functions! {
    "best-variant" => best_variant,
    "console-page" => console_page,
    "create-model" => create_model,
    "create-optimization" => create_optimization,
    "delete-model" => delete_model,
    "delete-user-events" => delete_user_events,
    "evaluate-policy" => evaluate_policy,
    "flush-events" => flush_events,
    "get-model" => get_model,
    "get-optimization" => get_optimization,
    "ingest-exposures" => ingest_exposures,
    "ingest-rewards" => ingest_rewards,
    "list-models" => list_models,
    "list-optimizations" => list_optimizations,
    "list-posteriors" => list_posteriors,
    "model-state" => model_state,
    "openapi" => openapi,
    "optimization-history" => optimization_history,
    "optimization-policy" => optimization_policy,
    "optimization-results" => optimization_results,
    "rollback-model" => rollback_model,
    "serve-variant" => serve_variant,
    "train-model" => train_model,
    "update-optimization" => update_optimization,
}

/// Has a function answer an event of the gateway's, as the platform does.
///
/// # Errors
/// The event is none of an HTTP API.
pub async fn invoke_event(app: &App, function: &str, event: &str) -> Result<Response<Body>, lambda_http::Error> {
    let request = lambda_http::request::from_str(event)?;
    // The handlers of all functions in one future take some room; it need not be the caller's stack.
    Ok(Box::pin(invoke(app, function, request)).await)
}

/// A handler that answers in the place of every function, for a measurement.
pub type StandIn =
    for<'a> fn(&'a App, Request) -> Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send + 'a>>;

async fn invoke_stand_in(app: &App, handler: StandIn, event: &str) -> Result<Response<Body>, lambda_http::Error> {
    let request = lambda_http::request::from_str(event)?;
    Ok(answer(app, &handler, request).await)
}

/// Answers one request as the deployed service does behind its gateway. Never panics by what the request holds.
pub async fn dispatch(app: &App, request: http::Request<Bytes>) -> Response<Body> {
    dispatch_from(app, IpAddr::from([127, 0, 0, 1]), None, request).await
}

/// As [`dispatch`], for a client at an address, and by the stand-in where there is one.
pub async fn dispatch_from(
    app: &App,
    client: IpAddr,
    stand_in: Option<StandIn>,
    request: http::Request<Bytes>,
) -> Response<Body> {
    let id = Uuid::new_v4().simple().to_string();
    let (function, event) = match event(&id, client, app.clock.now(), &request) {
        Ok(made) => made,
        Err(error) => return refuse(&error, &format!("req_{id}"), request.method(), request.uri().path()),
    };
    let event = event.to_string();
    let answered = match stand_in {
        None => invoke_event(app, function, &event).await,
        Some(handler) => invoke_stand_in(app, handler, &event).await,
    };
    let mut response = answered.unwrap_or_else(|error| {
        let error = ApiError::internal(format!("the event is not one: {error}"));
        refuse(&error, &format!("req_{id}"), request.method(), request.uri().path())
    });
    permit(request.method(), request.uri().path(), request.headers(), &mut response);
    response
}

/// What the gateway answers by itself, with the log line that a function would have written.
pub(super) fn refuse(error: &ApiError, id: &str, method: &Method, path: &str) -> Response<Body> {
    let response = failure(error, id);
    let status = response.status().as_u16();
    // As the access log of the cloud: the route, never the path, which may hold anything.
    let route = route_key(method.as_str(), path);
    tracing::info!(request_id = id, route, status, cause = error.cause(), "request refused by the gateway");
    response
}

/// The route of a request line, in the gateway's words.
fn route_key(method: &str, path: &str) -> String {
    match find(method, path) {
        Match::Found { route, .. } => format!("{} {}", route.method, route.path),
        Match::OtherMethod { .. } | Match::Unknown => "$default".to_owned(),
    }
}

/// The function that a request goes to and the event that it gets.
fn event(
    id: &str,
    client: IpAddr,
    now: chrono::DateTime<chrono::Utc>,
    request: &http::Request<Bytes>,
) -> Result<(&'static str, Value), ApiError> {
    let (uri, headers, body) = (request.uri(), request.headers(), request.body());
    if body.len() > BODY_LIMIT {
        return Err(ApiError::PayloadTooLarge { bytes: body.len(), limit: BODY_LIMIT });
    }
    let path = uri.path();
    let query = uri.query().unwrap_or_default();
    let length = path.len() + query.len();
    if length > TARGET_LIMIT {
        return Err(ApiError::invalid(format!("the URL has {length} bytes; at most {TARGET_LIMIT} are accepted")));
    }
    if !path.starts_with('/') {
        // `OPTIONS *` and `CONNECT host`.
        return Err(ApiError::UnknownPath { path: path.to_owned() });
    }
    let host = host(uri, headers)?;
    let method = request.method().as_str();
    let route_key = route_key(method, path);
    let (function, id_in_path) = match find(method, path) {
        Match::Found { route, id } => (route.function, id),
        Match::OtherMethod { .. } | Match::Unknown => ("default-route", None),
    };
    let (body, is_base64_encoded) = text_or_base64(headers, body);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": event_headers(headers, &host, client),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": host,
            "domainPrefix": API,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": client.to_string(),
                "userAgent": text(headers, &header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": id,
            "routeKey": route_key,
            "stage": "$default",
            "time": now.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.timestamp_millis(),
        },
        "isBase64Encoded": is_base64_encoded,
    });
    // API Gateway leaves out what is not there.
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if let Some(id) = id_in_path {
        event["pathParameters"] = json!({"id": percent_decode_str(&id).decode_utf8_lossy()});
    }
    if headers.contains_key(header::COOKIE) {
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        event["cookies"] = cookies.flat_map(|c| c.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect();
    }
    if !body.is_empty() {
        event["body"] = Value::String(body);
    }
    Ok((function, event))
}

/// The host that the client asked for; what is no host name is refused here, as the gateway refuses it.
fn host(uri: &http::Uri, headers: &HeaderMap) -> Result<String, ApiError> {
    let given = text(headers, &header::HOST).filter(|host| !host.is_empty());
    let Some(given) = uri.authority().map(|a| a.as_str().to_owned()).or(given) else {
        return Ok("localhost".to_owned());
    };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    let good = plain(&given)
        && given.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty())
        && url_parses(&given);
    if good {
        Ok(given)
    } else {
        Err(ApiError::invalid(format!("{given:?} is not a host name, as the header Host demands")))
    }
}

/// `lambda_http` builds a URL from the host and takes it for granted that it is one.
fn url_parses(host: &str) -> bool {
    url::Url::parse(&format!("https://{host}/")).is_ok()
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Headers as API Gateway passes them on: names in lower case, values of one name joined by commas, cookies apart, and the
/// forwarding headers set by the gateway itself.
fn event_headers(headers: &HeaderMap, host: &str, client: IpAddr) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        if name == header::COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let entry = joined.entry(name.as_str().to_owned()).or_default();
        if !entry.is_empty() {
            entry.push(',');
        }
        entry.push_str(&value);
    }
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    let forwarded = joined.get("x-forwarded-for").map_or_else(|| client.to_string(), |f| format!("{f}, {client}"));
    joined.insert("host".into(), host.to_owned());
    joined.insert("x-forwarded-for".into(), forwarded);
    joined.insert("x-forwarded-port".into(), port.to_owned());
    joined.insert("x-forwarded-proto".into(), "http".to_owned());
    joined
}

/// Query parameters as API Gateway decodes them, values of one name joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// The body as it is where its type is a text one, and in base64 otherwise.
fn text_or_base64(headers: &HeaderMap, body: &Bytes) -> (String, bool) {
    const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];
    let of_type = text(headers, &header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let essence = of_type.split(';').next().unwrap_or_default().trim();
    let is_text = essence.starts_with("text/") || TEXTS.contains(&essence);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (STANDARD.encode(body), !body.is_empty()),
    }
}

#[cfg(test)]
mod tests;
