//! `GET /console` and its files: the built page out of this binary. It takes no token and reads nothing; the page asks for a key
//! and calls the API with it.

use fulcrum_core::http::{path, path_text};
use fulcrum_core::{ApiError, App};
use lambda_http::http::{HeaderName, HeaderValue, header};
use lambda_http::{Body, Request, Response};

/// The files of `console/dist` by name.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The page itself; it names the others, whose names change with their content.
const PAGE: &str = "index.html";

/// Scripts, styles and pictures of this origin alone, no request to anywhere else, no script within the page, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The type of a file by the end of its name.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError::UnknownPath`] where there is no such file.
#[expect(clippy::unused_async, reason = "handlers are async")]
pub async fn handle(_: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let asked = path_text(&request);
    // The page has one address. Under its file's name it would be kept for ever.
    let name = if asked.is_empty() { PAGE } else { asked.as_str() };
    let found = FILES.iter().find(|(file, _)| *file == name && asked != PAGE);
    let Some((&(_, text), content_type)) = found.zip(content_type(name)) else {
        return Err(ApiError::UnknownPath { path: path(&request).to_owned() });
    };
    let cache = if name == PAGE { "no-cache" } else { "public, max-age=31536000, immutable" };
    let mut response = Response::new(Body::Text(text.to_owned()));
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
