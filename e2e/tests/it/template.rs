//! The template says what the code says: functions, routes, the table's keys, the functions' variables.

use std::collections::BTreeSet;
use std::fs;

use fulcrum_core::http::ROUTES;
use fulcrum_core::store::INDEX_BY_UPDATE;
use serde_yaml_ng::Value;

use crate::events::{logical_name, root};
use crate::stage::{Stage, TABLE};
use crate::yaml::{Template, list, text};

#[test]
fn there_is_a_function_for_every_package_and_no_other() {
    let packages: BTreeSet<String> = fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| logical_name(entry.file_name().to_str().unwrap()))
        .collect();
    let template = Template::read();
    let functions: BTreeSet<String> =
        template.of_type("AWS::Serverless::Function").into_iter().map(str::to_owned).collect();
    assert_eq!(functions, packages);
}

#[test]
fn every_route_of_the_code_leads_to_its_function() {
    let template = Template::read();
    for route in ROUTES {
        let event = &template.properties(&logical_name(route.function))["Events"]["Route"];
        assert_eq!(event["Type"], "HttpApi", "{route:?}");
        assert_eq!(event["Properties"]["Method"], route.method, "{route:?}");
        assert_eq!(event["Properties"]["Path"], route.path, "{route:?}");
    }
    let default = &template.properties("DefaultRoute")["Events"]["Route"]["Properties"];
    assert!(default["Path"].is_null() && default["Method"].is_null(), "all that is left goes to the default route");
    let routed = template.of_type("AWS::Serverless::Function").into_iter();
    let routed = routed.filter(|name| !template.properties(name)["Events"]["Route"].is_null()).count();
    assert_eq!(routed, ROUTES.len() + 1, "a function has a route that the code does not know");
}

#[tokio::test]
async fn the_table_is_the_one_that_the_code_makes() {
    let stage = Stage::without_examples().await;
    let made = stage.describe_table().await;
    let declared = Template::read();
    let declared = declared.properties("Table");
    let keys = |keys: &Value| -> Vec<(String, String)> {
        list(keys).into_iter().map(|k| (text(&k["AttributeName"]), text(&k["KeyType"]))).collect()
    };
    assert_eq!(keys(&declared["KeySchema"]), made.keys);
    let indexes = list(&declared["LocalSecondaryIndexes"]);
    let declared_indexes: Vec<_> = indexes
        .iter()
        .map(|i| (text(&i["IndexName"]), keys(&i["KeySchema"]), text(&i["Projection"]["ProjectionType"])))
        .collect();
    assert_eq!(declared_indexes, made.indexes);
    assert_eq!(declared_indexes[0].0, INDEX_BY_UPDATE);
    let attributes: BTreeSet<(String, String)> = list(&declared["AttributeDefinitions"])
        .into_iter()
        .map(|a| (text(&a["AttributeName"]), text(&a["AttributeType"])))
        .collect();
    assert_eq!(attributes, made.attributes);
    assert_eq!(declared["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(TABLE, made.name);
    stage.stores.shutdown().await;
}

#[test]
fn data_outlives_the_stack() {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let template: Value = serde_yaml_ng::from_str(&text).unwrap();
    for data in ["Table", "Bucket"] {
        let resource = &template["Resources"][data];
        assert_eq!(resource["DeletionPolicy"], "Retain", "{data}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{data}");
    }
}

#[test]
fn variables_are_documented() {
    let documented = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let template: Value = serde_yaml_ng::from_str(&text).unwrap();
    let mut variables: Vec<&Value> = vec![&template["Globals"]["Function"]["Environment"]["Variables"]];
    let read = Template::read();
    let functions = read.of_type("AWS::Serverless::Function");
    variables.extend(functions.iter().map(|name| &read.properties(name)["Environment"]["Variables"]));
    for names in variables.into_iter().filter_map(Value::as_mapping) {
        for name in names.keys() {
            let name = name.as_str().unwrap();
            assert!(documented.contains(&format!("`{name}`")), "docs/configuration.md does not have {name}");
        }
    }
}
