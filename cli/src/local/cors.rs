//! Which pages of other origins may call, as the template's `CorsConfiguration` has it: everybody's, but the serving routes
//! alone. In the cloud the gateway adds these headers to whatever a function answers; here this does.

use fulcrum_core::http::is_serving;
use fulcrum_core::{Body, Response};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// The methods that pages may use.
pub const METHODS: &str = "GET, POST";
/// The headers that they may send.
pub const HEADERS: &str = "content-type, if-none-match";
/// The headers that they may read beside those that all pages may.
pub const EXPOSED: &str = "age, etag, retry-after";
/// For how many seconds a browser may keep the answer to a preflight.
pub const MAX_AGE: &str = "86400";

/// The origin of the page that sent a request, where it is another than the service's own.
pub(super) fn foreign_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let own = origin.as_bytes().strip_prefix(b"http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host));
    (!own).then_some(origin)
}

/// Adds what the browser of a page of another origin has to see.
pub(super) fn permit(method: &Method, path: &str, headers: &HeaderMap, response: &mut Response<Body>) {
    if foreign_origin(headers).is_none() || !is_serving(path) {
        return;
    }
    let answer = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| answer.insert(name, HeaderValue::from_static(value));
    add(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    if method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        add(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        add(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        add(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_own_pages_are_not_foreign() {
        let foreign = |origin: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers.insert(header::HOST, host.parse().unwrap());
            foreign_origin(&headers).is_some()
        };
        assert!(!foreign("http://localhost:3000", "localhost:3000"));
        for origin in ["http://localhost:3001", "https://localhost:3000", "null", "http://localhost:3000.a.example"] {
            assert!(foreign(origin, "localhost:3000"), "{origin}");
        }
        assert!(foreign_origin(&HeaderMap::new()).is_none());
    }
}
