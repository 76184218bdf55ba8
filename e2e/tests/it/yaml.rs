//! The template as values. `!GetAtt Table.Arn` reads as `Table`, `!Sub ${Bucket.Arn}/posteriors/*` as `Bucket/posteriors/*`.

use std::fs;

use serde_yaml_ng::Value;

use crate::events::root;

/// The template.
pub struct Template(Value);

/// One action on one resource that a function's policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub action: String,
    pub resource: String,
    /// What a key or a prefix must look like; absent where there is no condition.
    pub pattern: Option<String>,
}

impl Template {
    pub fn read() -> Self {
        let text = fs::read_to_string(root().join("template.yaml")).unwrap();
        let mut value: Value = serde_yaml_ng::from_str(&text).unwrap();
        value.apply_merge().unwrap();
        Self(value)
    }

    /// The properties of a resource.
    pub fn properties(&self, logical: &str) -> &Value {
        let properties = &self.0["Resources"][logical]["Properties"];
        assert!(properties.is_mapping(), "the template has no {logical}");
        properties
    }

    /// The logical names of the resources of a type.
    pub fn of_type(&self, kind: &str) -> Vec<&str> {
        let resources = self.0["Resources"].as_mapping().unwrap().iter();
        resources.filter(|(_, r)| r["Type"] == kind).map(|(name, _)| name.as_str().unwrap()).collect()
    }

    /// What a function may do, one action on one resource under one pattern each.
    pub fn grants(&self, logical: &str) -> Vec<Grant> {
        let mut grants = Vec::new();
        for policy in list(&self.properties(logical)["Policies"]) {
            for statement in list(&policy["Statement"]) {
                assert_eq!(statement["Effect"], "Allow", "{logical}");
                let condition = &statement["Condition"];
                let patterns = if condition.is_null() {
                    vec![None]
                } else {
                    // A request without the key passes both; other conditions are not known here.
                    let keys = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                    let prefix = &condition["StringLikeIfExists"]["s3:prefix"];
                    let source = &condition["StringEquals"]["events:source"];
                    let patterns = [keys, prefix, source].into_iter().find(|given| !given.is_null()).unwrap_or(source);
                    assert!(!patterns.is_null(), "{logical} has a condition that this test does not know");
                    list(patterns).into_iter().map(|p| Some(text(p))).collect()
                };
                for action in list(&statement["Action"]) {
                    for resource in list(&statement["Resource"]) {
                        for pattern in &patterns {
                            grants.push(Grant {
                                action: text(action),
                                resource: text(resource),
                                pattern: pattern.clone(),
                            });
                        }
                    }
                }
            }
        }
        grants
    }
}

/// A value that may stand for a list of itself alone.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Sequence(values) => values.iter().collect(),
        one => vec![one],
    }
}

/// A text, with references as the module says.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Tagged(tagged) => {
            let inner = tagged.value.as_str().unwrap_or_else(|| panic!("{tagged:?} is no text"));
            if tagged.tag == "GetAtt" {
                inner.trim_end_matches(".Arn").to_owned()
            } else if tagged.tag == "Sub" {
                inner.replace("${", "").replace(".Arn}", "").replace('}', "")
            } else if tagged.tag == "Ref" {
                inner.to_owned()
            } else {
                panic!("{tagged:?} is not known here")
            }
        }
        other => panic!("{other:?} is no text"),
    }
}
