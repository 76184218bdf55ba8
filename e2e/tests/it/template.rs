//! The template says what the code says: functions, routes, the table's keys, the functions' variables.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use fulcrum::local::{FUNCTION_TIME, cors, is_announced};
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
        let events = template.properties(&logical_name(route.function))["Events"].as_mapping().unwrap();
        let is_it = |event: &Value| {
            let properties = &event["Properties"];
            event["Type"] == "HttpApi" && properties["Method"] == route.method && properties["Path"] == route.path
        };
        assert!(events.values().any(is_it), "{route:?}");
    }
    let default = &template.properties("DefaultRoute")["Events"]["Route"]["Properties"];
    assert!(default["Path"].is_null() && default["Method"].is_null(), "all that is left goes to the default route");
    let events =
        template.of_type("AWS::Serverless::Function").into_iter().map(|name| &template.properties(name)["Events"]);
    let events = events.filter_map(Value::as_mapping).flat_map(|events| events.values());
    let routed = events.filter(|event| event["Type"] == "HttpApi").count();
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

#[test]
fn a_wrong_issuer_stops_only_the_functions_that_take_a_token() {
    let template = Template::read();
    for function in template.of_type("AWS::Serverless::Function") {
        let takes_tokens = template.grants(function).iter().any(|grant| grant.pattern.as_deref() == Some("APIKEY#*"));
        for name in ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL"] {
            let given = !template.properties(function)["Environment"]["Variables"][name].is_null();
            assert_eq!(given, takes_tokens, "{function}, {name}");
        }
    }
    let globals = fs::read_to_string(root().join("template.yaml")).unwrap();
    let globals: Value = serde_yaml_ng::from_str(&globals).unwrap();
    let variables = globals["Globals"]["Function"]["Environment"]["Variables"].as_mapping().unwrap();
    assert!(!variables.keys().any(|name| name.as_str().unwrap().starts_with("JWT_")));
}

#[test]
fn pages_of_other_origins_may_do_the_same_locally_as_in_the_cloud() {
    let template = Template::read();
    let cors = &template.properties("Api")["CorsConfiguration"];
    let joined = |name: &str| list(&cors[name]).into_iter().map(text).collect::<Vec<_>>().join(", ");
    assert_eq!(joined("AllowMethods"), cors::METHODS);
    assert_eq!(joined("AllowHeaders"), cors::HEADERS);
    assert_eq!(joined("ExposeHeaders"), cors::EXPOSED);
    assert_eq!(cors["MaxAge"].as_u64().map(|seconds| seconds.to_string()).as_deref(), Some(cors::MAX_AGE));
}

#[test]
fn the_local_queue_is_that_of_the_template() {
    let template = Template::read();
    let queue = template.properties("Queue");
    let most = queue["RedrivePolicy"]["maxReceiveCount"].as_u64();
    assert_eq!(most, Some(u64::from(retrain::MOST_RECEIVES)));
    assert_eq!(text(&queue["RedrivePolicy"]["deadLetterTargetArn"]), "DeadLetters");
    let time = Duration::from_secs(template.properties("Retrain")["Timeout"].as_u64().unwrap());
    assert_eq!(time, FUNCTION_TIME);
    assert!(Duration::from_secs(queue["VisibilityTimeout"].as_u64().unwrap()) >= time);
    // An organization has one run fewer at a time than there can be.
    let concurrency = &template.properties("RetrainFromQueue")["ScalingConfig"]["MaximumConcurrency"];
    let told = &template.properties("Retrain")["Environment"]["Variables"]["RETRAIN_CONCURRENCY"];
    assert_eq!((text(concurrency), text(told)), ("RetrainConcurrency".to_owned(), "RetrainConcurrency".to_owned()));
    let mapping = template.properties("RetrainFromQueue");
    assert_eq!(mapping["BatchSize"].as_u64(), Some(1));
    let answers: Vec<String> = list(&mapping["FunctionResponseTypes"]).into_iter().map(text).collect();
    assert_eq!(answers, ["ReportBatchItemFailures"]);
}

/// Whether a key is of one of EventBridge's patterns, as far as the template uses them.
fn is_of(pattern: &Value, key: &str) -> bool {
    match (pattern["wildcard"].as_str(), pattern["prefix"].as_str()) {
        (Some(wildcard), None) => {
            let (beginning, end) = wildcard.split_once('*').unwrap();
            assert!(!end.contains('*'), "{wildcard}");
            key.strip_prefix(beginning).is_some_and(|rest| rest.ends_with(end))
        }
        (None, Some(prefix)) => key.starts_with(prefix),
        _ => panic!("{pattern:?} is not known here"),
    }
}

#[test]
fn the_local_rule_is_that_of_the_template() {
    let template = Template::read();
    let pattern = &template.properties("ObjectCreated")["EventPattern"];
    let texts = |value: &Value| list(value).into_iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&pattern["source"]), ["aws.s3"]);
    assert_eq!(texts(&pattern["detail-type"]), ["Object Created"]);
    assert_eq!(texts(&pattern["detail"]["bucket"]["name"]), ["Bucket"]);
    let patterns = list(&pattern["detail"]["object"]["key"]);
    for (key, announced) in [
        ("snapshots/o/p/1/_SUCCESS", true),
        ("snapshots/x/_SUCCESS", true),
        ("requests/o/m/1.json", true),
        ("requests/", true),
        ("snapshots/_SUCCESS", false),
        ("snapshots/o/p/1/_SUCCESS2", false),
        ("snapshots/o/p/1/exposures/part-0.parquet", false),
        ("posteriors/o/m/1.safetensors", false),
        ("waiting/o/001793491200000.0/m/1.json", false),
        ("other/snapshots/o/p/1/_SUCCESS", false),
    ] {
        assert_eq!(patterns.iter().any(|pattern| is_of(pattern, key)), announced, "the template: {key}");
        assert_eq!(is_announced(key), announced, "the local rule: {key}");
    }
}

#[test]
fn data_is_kept_and_kept_private() {
    let template = Template::read();
    let (table, bucket) = (template.properties("Table"), template.properties("Bucket"));
    let is_on = |value: &Value| value.as_bool() == Some(true);
    assert!(is_on(&table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]));
    assert!(is_on(&table["SSESpecification"]["SSEEnabled"]) && is_on(&table["DeletionProtectionEnabled"]));
    assert!(is_on(&table["TimeToLiveSpecification"]["Enabled"]));
    for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        assert!(is_on(&bucket["PublicAccessBlockConfiguration"][block]), "{block}");
    }
    assert!(is_on(&bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]));
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    assert!(!bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"].is_null());
    for (policy, actions) in [("BucketPolicy", "s3:*"), ("QueuePolicy", "sqs:*")] {
        let statements = list(&template.properties(policy)["PolicyDocument"]["Statement"]);
        let denied = statements.iter().find(|statement| statement["Effect"] == "Deny").unwrap();
        assert_eq!((text(&denied["Action"]), text(&denied["Principal"])), (actions.to_owned(), "*".to_owned()));
        assert_eq!(denied["Condition"]["Bool"]["aws:SecureTransport"], "false", "{policy}");
    }
}
