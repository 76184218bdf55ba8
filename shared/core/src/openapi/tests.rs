use std::collections::BTreeSet;

use super::*;

/// Every place in the document where a function finds something.
fn visit(value: &Value, path: &str, found: &mut impl FnMut(&str, &Value)) {
    found(path, value);
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| visit(value, &format!("{path}/{name}"), found)),
        Value::Array(values) => values.iter().for_each(|value| visit(value, path, found)),
        _ => {}
    }
}

/// `UPDATE=1` writes it.
#[test]
fn the_file_in_docs_is_what_the_types_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    let first = committed.lines().zip(text().lines().map(str::to_owned)).position(|(a, b)| a != b);
    assert!(
        committed == text(),
        "docs/openapi.json differs from line {first:?} on: UPDATE=1 cargo test -p fulcrum -p fulcrum-core --lib openapi"
    );
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let routes: BTreeSet<&str> = super::described().map(|route| route.function).collect();
    let listed: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.function).collect();
    assert_eq!(listed, routes);
    assert_eq!(OPERATIONS.len(), routes.len());
}

#[test]
fn every_field_has_a_description() {
    let mut missing = Vec::new();
    visit(&document()["components"]["schemas"], "", &mut |path, value| {
        // A field may be called `properties`; alternatives and conditions speak of fields that are described elsewhere.
        let narrows = |keyword: &String| ["required", "properties"].contains(&keyword.as_str());
        let narrows = value.as_object().is_some_and(|keywords| keywords.keys().all(narrows));
        let elsewhere = narrows || ["/anyOf", "/if", "/then"].iter().any(|part| path.contains(part));
        let Some(Value::Object(properties)) = value.get("properties").filter(|_| !path.ends_with("/properties")) else {
            return;
        };
        // An alternative that is one field is described as a whole.
        let is_one = path.contains("/oneOf") && properties.len() == 1 && value["description"].is_string();
        if elsewhere || is_one {
            return;
        }
        for (name, property) in properties {
            // The word that tells alternatives apart is described with its alternative.
            let is_tag = property.get("const").is_some();
            if !is_tag && property["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
                missing.push(format!("{path}/{name}"));
            }
        }
    });
    assert!(missing.is_empty(), "without a description: {missing:#?}");
}

#[test]
fn every_reference_leads_somewhere_and_nothing_speaks_rust() {
    let document = document();
    let mut wrong = Vec::new();
    visit(&document, "", &mut |path, value| {
        if let Some(Value::String(to)) = value.get("$ref")
            && document.pointer(to.trim_start_matches('#')).is_none()
        {
            wrong.push(format!("{path} refers to {to}"));
        }
        if let Some(Value::String(text)) = value.get("description") {
            wrong.extend(
                ["crate::", "`None`", "[`"]
                    .iter()
                    .filter(|of_rust| text.contains(**of_rust))
                    .map(|w| format!("{path}: {w}")),
            );
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_body_has_an_example() {
    let mut bodies = 0;
    visit(&document()["paths"], "", &mut |path, value| {
        if let Some(body) = value.get("requestBody") {
            bodies += 1;
            assert!(body["content"]["application/json"]["example"].is_object(), "{path} has no example");
        }
    });
    assert!(bodies >= 7, "{bodies}");
}
