//! The table of routes: one line per endpoint, the same for the template, the local server and the 404s.

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path with `{id}` for a parameter, as the gateway writes it.
    pub path: &'static str,
    /// The function that answers: package, binary and logical name.
    pub function: &'static str,
}

const fn route(method: &'static str, path: &'static str, function: &'static str) -> Route {
    Route { method, path, function }
}

/// All endpoints.
pub const ROUTES: &[Route] = &[
    route("GET", "/api/v2/models", "list-models"),
    route("POST", "/api/v2/models", "create-model"),
    route("GET", "/api/v2/models/{id}", "get-model"),
    route("DELETE", "/api/v2/models/{id}", "delete-model"),
    route("POST", "/api/v2/models/{id}/train", "train-model"),
    route("GET", "/api/v2/models/{id}/state", "model-state"),
    route("GET", "/api/v2/models/{id}/posteriors", "list-posteriors"),
    route("POST", "/api/v2/models/{id}/rollback", "rollback-model"),
    route("GET", "/api/v2/optimizations", "list-optimizations"),
    route("POST", "/api/v2/optimizations", "create-optimization"),
    route("POST", "/api/v2/optimizations/best-variant", "best-variant"),
    route("GET", "/api/v2/optimizations/{id}", "get-optimization"),
    route("PATCH", "/api/v2/optimizations/{id}", "update-optimization"),
    route("POST", "/api/v2/optimizations/{id}/serve", "serve-variant"),
    route("GET", "/api/v2/optimizations/{id}/policy", "optimization-policy"),
    route("GET", "/api/v2/optimizations/{id}/results", "optimization-results"),
    route("GET", "/api/v2/optimizations/{id}/history", "optimization-history"),
    route("POST", "/api/v2/optimizations/{id}/evaluate", "evaluate-policy"),
    route("POST", "/api/v2/ingest/exposures", "ingest-exposures"),
    route("POST", "/api/v2/ingest/rewards", "ingest-rewards"),
    route("POST", "/api/v2/ingest/flush", "flush-events"),
    route("DELETE", "/api/v2/ingest/users/{id}", "delete-user-events"),
    route("GET", "/console", "console-page"),
    route("GET", "/console/{id}", "console-page"),
    route("GET", "/api/v2/openapi.json", "openapi"),
];

/// What a method and a path lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// An endpoint, with the text that stood for `{id}`.
    Found {
        /// The endpoint.
        route: Route,
        /// The path parameter, percent-decoding left to the caller.
        id: Option<String>,
    },
    /// The path is known; these are its methods.
    OtherMethod {
        /// The methods that the path has, separated by commas.
        allow: String,
    },
    /// Nothing.
    Unknown,
}

/// Looks a request line up. A path that is written out in the table is that one alone, whatever `{id}` could stand for.
#[must_use]
pub fn find(method: &str, path: &str) -> Match {
    let written_out = ROUTES.iter().any(|route| route.path == path);
    let mut allow = Vec::new();
    for route in ROUTES.iter().filter(|route| !written_out || route.path == path) {
        if let Some(ids) = parameters(route.path, path) {
            if route.method == method {
                return Match::Found { route: *route, id: ids.first().map(|id| (*id).to_owned()) };
            }
            allow.push(route.method);
        }
    }
    if allow.is_empty() { Match::Unknown } else { Match::OtherMethod { allow: allow.join(", ") } }
}

/// The functions that serve variants to visitors.
const SERVING: [&str; 3] = ["best-variant", "optimization-policy", "serve-variant"];

/// Whether a path is one of the serving routes, the only ones that pages of other origins may call.
#[must_use]
pub fn is_serving(path: &str) -> bool {
    let written_out = ROUTES.iter().any(|route| route.path == path);
    let routes = ROUTES.iter().filter(|route| !written_out || route.path == path);
    routes.filter(|route| parameters(route.path, path).is_some()).any(|route| SERVING.contains(&route.function))
}

/// The texts that stand for `{id}`, where `path` is of the pattern's form.
fn parameters<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut ids = Vec::new();
    let mut given = path.split('/');
    for part in pattern.split('/') {
        let text = given.next()?;
        if part == "{id}" && !text.is_empty() {
            ids.push(text);
        } else if part != text {
            return None;
        }
    }
    given.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_endpoint_and_its_parameter() {
        let Match::Found { route, id } = find("POST", "/api/v2/models/abc/train") else { panic!("not found") };
        assert_eq!((route.function, id.as_deref()), ("train-model", Some("abc")));
        let Match::Found { route, id } = find("GET", "/api/v2/models") else { panic!("not found") };
        assert_eq!((route.function, id), ("list-models", None));
    }

    #[test]
    fn serving_routes_are_told_from_the_others() {
        let serving = ["best-variant", "a/serve", "a/policy"].map(|rest| format!("/api/v2/optimizations/{rest}"));
        for path in serving {
            assert!(is_serving(&path), "{path}");
        }
        for path in ["/", "/api/v2/models", "/api/v2/optimizations/a", "/api/v2/optimizations/a/serve/"] {
            assert!(!is_serving(path), "{path}");
        }
    }

    #[test]
    fn tells_a_wrong_method_from_an_unknown_path() {
        assert_eq!(find("PUT", "/api/v2/models"), Match::OtherMethod { allow: "GET, POST".into() });
        assert_eq!(find("GET", "/api/v2/models/abc/train"), Match::OtherMethod { allow: "POST".into() });
        for method in ["GET", "PATCH"] {
            let of_one_method = Match::OtherMethod { allow: "POST".into() };
            assert_eq!(find(method, "/api/v2/optimizations/best-variant"), of_one_method, "{method}");
        }
        for path in ["/", "/api/v2", "/api/v2/models/", "/api/v2/models/a/b", "/api/v2/models/a/train/"] {
            assert_eq!(find("GET", path), Match::Unknown, "{path}");
        }
    }
}
