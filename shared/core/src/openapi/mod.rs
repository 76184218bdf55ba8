//! The description of the API, OpenAPI 3.1: paths from the table of routes, schemas from the types that are read and answered.
//!
//! Only the test that writes docs/openapi.json needs it. It is behind the feature `openapi`, without which functions are built.

mod answers;
mod checks;
mod errors;
mod examples;
mod operations;
mod parameters;
mod schemas;

use serde_json::{Map, Value, json};

use self::operations::{OPERATIONS, Operation};
use self::schemas::Schemas;
use crate::http::{ROUTES, Route};

/// The document as docs/openapi.json has it.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in described() {
        let operation = OPERATIONS.iter().find(|operation| operation.function == route.function);
        let Some(operation) = operation else { continue };
        let methods = paths.entry(shown_path(route)).or_insert_with(|| path_item(route));
        methods[route.method.to_lowercase()] = operation.describe(&mut schemas);
    }
    let error = schemas.answer::<crate::http::Failure<'_>>();
    let document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Fulcrum",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:9000", "description": "`fulcrum local`"}],
        "tags": [
            {"name": "Models", "description": "What learns: create, train, look into, put back, delete."},
            {"name": "Optimizations", "description": "What serves: the parent of a model."},
            {"name": "Serving", "description": "For pages and their servers. These take no token."},
            {"name": "Events", "description": "What visitors saw and did, without a warehouse."},
            {"name": "Description", "description": "This document."},
        ],
        "security": [{"token": []}, {"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`flk_` and 43 characters) or a JWT of the issuer that the service is set up with. It \
                                    alone determines the organization.",
                },
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "An API key. Where a bearer token is given too, both are the same.",
                },
            },
            "parameters": parameters::all(),
            "responses": errors::responses(&error),
        },
    });
    schemas.complete(document)
}

const ABOUT: &str = "A bandit model service: it learns from exposures and rewards which variant earns the most, and decides which \
one to show.\n\nEvery success has its fields at the top level and `meta` beside them; every error is \
`{\"error\": {\"code\", \"message\", \"details\"?}, \"meta\"}`. A body has at most 1,000,000 bytes and is JSON whatever its \
`Content-Type`; names that the API does not know are refused, in bodies and queries. Rewards are in the unit in which they are \
recorded, and so is every expected reward, effect and size. Times are RFC 3339 in UTC, ids are UUIDs with hyphens.";

/// What of the table of routes is the API; the console is a page for people.
fn described() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.path.starts_with("/api/"))
}

/// A path as the document writes it: `{id}` of the table of routes is no id where it is a visitor's.
fn shown_path(route: &Route) -> String {
    route.path.replace("/users/{id}", "/users/{anonymous_id}")
}

/// What all methods of a path have in common.
fn path_item(route: &Route) -> Value {
    if route.path.contains("{id}") {
        let of = match route.path.split('/').nth(3) {
            Some("models") => "ModelId",
            Some("optimizations") => "OptimizationId",
            _ => "AnonymousId",
        };
        json!({"parameters": [{"$ref": format!("#/components/parameters/{of}")}]})
    } else {
        json!({})
    }
}

impl Operation {
    fn describe(&self, schemas: &mut Schemas) -> Value {
        let mut described = json!({
            "operationId": self.id(),
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description(),
        });
        if self.scope.is_none() {
            described["security"] = json!([]);
        }
        if !self.parameters.is_empty() {
            described["parameters"] = self.parameters.iter().map(|name| parameters::reference(name)).collect();
        }
        if let Some(body) = &self.body {
            let schema = (body.schema)(schemas);
            described["requestBody"] = json!({
                "required": body.required,
                "content": {"application/json": {"schema": schema, "example": examples::body(self.function).unwrap_or_default()}},
            });
        }
        described["responses"] = self.responses(schemas);
        described
    }

    fn responses(&self, schemas: &mut Schemas) -> Value {
        let mut responses = Map::new();
        for success in self.successes {
            let mut response = json!({"description": success.description});
            if let Some(schema) = success.schema {
                let schema = schema(schemas, &self.answer_name(success.status));
                let mut content = json!({"schema": schema});
                if let Some(example) = examples::answer(self.function, success.status) {
                    content["example"] = example;
                }
                response["content"] = json!({"application/json": content});
            }
            if !success.headers.is_empty() {
                let headers = success.headers.iter().map(|name| ((*name).to_owned(), parameters::header(name)));
                response["headers"] = Value::Object(headers.collect());
            }
            if !self.links.is_empty() {
                response["links"] = self.links.iter().map(operations::Link::describe).collect::<Map<_, _>>().into();
            }
            responses.insert(success.status.to_string(), response);
        }
        for status in self.error_statuses() {
            responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{status}")}));
        }
        Value::Object(responses)
    }
}

#[cfg(test)]
mod tests;
