//! What stands in paths, queries and headers, by name.

use serde_json::{Value, json};

/// A reference to a parameter of [`all`].
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// Every parameter.
pub(super) fn all() -> Value {
    let id = |of: &str| {
        json!({
            "name": "id", "in": "path", "required": true, "description": format!("The {of}."),
            "schema": {"type": "string", "format": "uuid"},
        })
    };
    json!({
        "ModelId": id("model"),
        "OptimizationId": id("optimization"),
        "AnonymousId": {
            "name": "anonymous_id", "in": "path", "required": true,
            "description": "The visitor, by the id that was served: 1 to 1,024 bytes of UTF-8, percent-encoded.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 1024},
        },
        "OrderBy": {
            "name": "order_by", "in": "query", "description": "The time by which they are ordered, newest first; `updated_at` where absent.",
            "schema": {"type": "string", "enum": ["updated_at", "created_at"]},
        },
        "From": {
            "name": "from", "in": "query", "description": "The first day, UTC, such as 2026-01-31; all days where absent.",
            "schema": {"type": "string", "format": "date"},
        },
        "To": {
            "name": "to", "in": "query", "description": "The last day, UTC, included; not before `from`.",
            "schema": {"type": "string", "format": "date"},
        },
        "IncludeArchived": {
            "name": "include_archived", "in": "query", "description": "Whether what is archived is listed too; false where absent.",
            "schema": {"type": "boolean"},
        },
        "Limit": {
            "name": "limit", "in": "query", "description": "The most that one answer lists; all where absent.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        "Cursor": {
            "name": "cursor", "in": "query", "description": "Where the page begins: `meta.next_cursor` of the one before.",
            "schema": {"type": "string"},
        },
        "Prefer": {
            "name": "Prefer", "in": "header",
            "description": "`respond-async` (RFC 7240): the run waits in the queue, and the answer is 202 at once.",
            "schema": {"type": "string"},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header",
            "description": "1 to 255 visible ASCII characters: for 24 hours the same key and body get the first answer again, with \
                            `Idempotency-Replayed: true`. Answers of 5xx and 429, and those with `Retry-After`, are not kept.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        },
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header",
            "description": "The `ETag` of the policy at hand: 304 without a body where it is still the one in force.",
            "schema": {"type": "string"},
        },
    })
}

/// A header of a response.
pub(super) fn header(name: &str) -> Value {
    let (description, kind) = match name {
        "WWW-Authenticate" => ("`Bearer`.", "string"),
        "Allow" => ("The methods that the path has, separated by commas.", "string"),
        "Retry-After" => ("When to come back, in whole seconds.", "integer"),
        "ETag" => ("Changes exactly when the policy does.", "string"),
        "Cache-Control" => ("For how many seconds the policy may be used without asking again.", "string"),
        "Preference-Applied" => ("`respond-async`, where it was asked for.", "string"),
        other => unreachable!("the header {other} is not described"),
    };
    json!({"description": description, "schema": {"type": kind}})
}
