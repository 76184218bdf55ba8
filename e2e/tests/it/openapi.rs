//! docs/openapi.json against what the functions really answer: nothing is answered that it does not describe.

use fulcrum_core::http::{Match, find};
use serde_json::{Value, json};

use crate::events::{self, Event, root};
use crate::permissions::{Ran, runs};
use crate::schema::Description;

fn description() -> Description {
    let text = std::fs::read_to_string(root().join("docs/openapi.json")).unwrap();
    Description::new(serde_json::from_str(&text).unwrap())
}

/// The operation that describes what a function does.
fn operation<'d>(description: &'d Description, event: &Event) -> Option<&'d Value> {
    let json = event.json();
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Match::Found { route, .. } = find(&text("/requestContext/http/method"), &text("/rawPath")) else { return None };
    if !route.path.starts_with("/api/") {
        return None;
    }
    let path = route.path.replace("/users/{id}", "/users/{anonymous_id}");
    let operation = &description.document()["paths"][&path][route.method.to_lowercase()];
    assert!(operation.is_object(), "{} {path} is not described", route.method);
    Some(operation)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_described_to_the_last_field() {
    let description = description();
    let (mut wrong, mut successes) = (Vec::new(), 0);
    for Ran { event, answer, .. } in runs().await {
        let Some(operation) = operation(&description, event) else { continue };
        let status = answer["statusCode"].to_string();
        let described = description.follow(&operation["responses"][&status]);
        if !described.is_object() {
            wrong.push(format!("{}: the status {status} is not described", event.name));
            continue;
        }
        for name in answer["headers"].as_object().unwrap().keys().filter(|name| *name != "content-type") {
            let headers = described["headers"].as_object();
            if !headers.is_some_and(|headers| headers.keys().any(|known| known.eq_ignore_ascii_case(name))) {
                wrong.push(format!("{}: the header {name} is not described", event.name));
            }
        }
        let body = answer["body"].as_str().unwrap();
        match described.pointer("/content/application~1json/schema") {
            None if body.is_empty() => {}
            None => wrong.push(format!("{}: it has a body, and none is described", event.name)),
            Some(schema) => {
                successes += usize::from(status.starts_with('2'));
                let body: Value = serde_json::from_str(body).unwrap();
                wrong.extend(description.faults(schema, &body).iter().map(|fault| format!("{}: {fault}", event.name)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(successes >= 25, "{successes}");
}

#[test]
fn every_body_of_an_event_that_succeeds_is_of_its_schema() {
    let description = description();
    let (mut wrong, mut bodies) = (Vec::new(), 0);
    for event in events::all().iter().filter(|event| event.outcome == "200" || event.outcome == "201") {
        let json = event.json();
        let (Some(operation), Some(body)) = (operation(&description, event), json["body"].as_str()) else { continue };
        if body.is_empty() {
            continue;
        }
        bodies += 1;
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body: Value = serde_json::from_str(body).unwrap();
        wrong.extend(description.faults(schema, &body).iter().map(|fault| format!("{}: {fault}", event.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(bodies >= 8, "{bodies}");
}

/// The function of an operation: `listModels` is list-models.
fn kebab(id: &Value) -> String {
    let word = |c: char| if c.is_ascii_uppercase() { format!("-{}", c.to_ascii_lowercase()) } else { c.to_string() };
    id.as_str().unwrap().chars().map(word).collect()
}

#[test]
fn every_example_is_of_its_schema() {
    let description = description();
    let (mut wrong, mut examples) = (Vec::new(), 0);
    for (path, item) in description.document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let mut contents = vec![("requestBody".to_owned(), &operation["requestBody"])];
            let responses = operation["responses"].as_object().unwrap();
            contents.extend(responses.iter().map(|(status, response)| (status.clone(), description.follow(response))));
            for (place, content) in contents {
                let Some(content) = content.pointer("/content/application~1json") else { continue };
                let Some(example) = content.get("example") else {
                    let error = content["schema"]["$ref"].as_str().is_some_and(|to| to.ends_with("/Error"));
                    let recorded = format!("e2e/tests/it/snapshots/{}.snap", kebab(&operation["operationId"]));
                    if !error && path != "/api/v2/openapi.json" && root().join(recorded).exists() {
                        wrong.push(format!("{method} {path} {place} has no example"));
                    }
                    continue;
                };
                examples += 1;
                let faults = description.faults(&content["schema"], example);
                wrong.extend(faults.iter().map(|fault| format!("{method} {path} {place}: {fault}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples >= 30, "{examples}");
}

#[test]
fn what_is_not_described_is_found() {
    let description = Description::new(json!({
        "components": {"schemas": {
            "Thing": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}}},
        }},
    }));
    let thing = json!({"$ref": "#/components/schemas/Thing"});
    let both = json!({"allOf": [&thing, {"type": "object", "properties": {"more": {"type": ["string", "null"]}}}]});
    let list = json!({"type": "array", "items": {"anyOf": [&thing, {"type": "null"}]}});
    for (schema, value, fault) in [
        (&thing, json!({"id": 1}), None),
        (&thing, json!({"id": 0}), Some("id: 0 is less than 1")),
        (&thing, json!({"id": 1.5}), Some("id: 1.5 is not of the type integer")),
        (&thing, json!({}), Some("id is missing")),
        (&thing, json!({"id": 1, "more": 2}), Some("more is not described")),
        (&both, json!({"id": 1, "more": null}), None),
        (&both, json!({"id": 1, "less": null}), Some("less is not described")),
        (&list, json!([null, {"id": 1}]), None),
        (&list, json!([{"id": 1, "more": 2}]), Some("[0].more is not described")),
    ] {
        let faults = description.faults(schema, &value);
        assert_eq!(faults.first().map(String::as_str), fault, "{value} of {schema}");
    }
}
