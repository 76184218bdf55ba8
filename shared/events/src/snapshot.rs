//! `_MANIFEST.json`: a snapshot that names its objects instead of holding them.

use serde::{Deserialize, Serialize};

/// The name of the object, beside `_SUCCESS`.
pub const MANIFEST_NAME: &str = "_MANIFEST.json";
/// The format.
pub const MANIFEST_FORMAT: &str = "fulcrum.manifest.v1";

/// An object of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestObject {
    /// The whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Rows, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The least timestamp, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_timestamp: Option<String>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_timestamp: Option<String>,
}

/// The objects of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotManifest {
    /// [`MANIFEST_FORMAT`].
    pub format: String,
    /// What visitors saw.
    pub exposures: Vec<ManifestObject>,
    /// What they did.
    #[serde(default)]
    pub rewards: Vec<ManifestObject>,
}

impl SnapshotManifest {
    /// A manifest from its bytes, if all its objects lie under one of two prefixes: the organization's events or the snapshot's
    /// own.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn decode(bytes: &[u8], organization: &str, snapshot: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.format != MANIFEST_FORMAT {
            return Err(format!("format is {}; it must be {MANIFEST_FORMAT:?}", quoted(&manifest.format)));
        }
        let events = crate::layout::root(organization);
        for (list, objects) in [("exposures", &manifest.exposures), ("rewards", &manifest.rewards)] {
            let mut seen = std::collections::BTreeSet::new();
            for (i, object) in objects.iter().enumerate() {
                let ours = [events.as_str(), snapshot].iter().any(|prefix| {
                    object.key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
                });
                if !ours {
                    return Err(format!(
                        "{list}[{i}].key is {}; it must lie under {events} or {snapshot}",
                        quoted(&object.key)
                    ));
                }
                if !seen.insert(&object.key) {
                    return Err(format!("{list}[{i}].key is {}, which stands there twice", quoted(&object.key)));
                }
            }
        }
        Ok(manifest)
    }

    /// All its objects.
    pub fn objects(&self) -> impl Iterator<Item = &ManifestObject> {
        self.exposures.iter().chain(&self.rewards)
    }

    /// What they hold together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects().map(|object| object.size).sum()
    }
}

/// A text in quotes, cut after 200 characters.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(keys: &[&str]) -> Result<SnapshotManifest, String> {
        let exposures: Vec<_> = keys.iter().map(|key| serde_json::json!({"key": key, "size": 1})).collect();
        let json = serde_json::json!({"format": MANIFEST_FORMAT, "exposures": exposures, "rewards": []});
        SnapshotManifest::decode(json.to_string().as_bytes(), "org_1", "snapshots/org_1/o/s/")
    }

    #[test]
    fn objects_are_of_the_own_organization() {
        assert!(decode(&["events/org_1/exposures/o/a.parquet", "snapshots/org_1/o/s/data/b.parquet"]).is_ok());
        for foreign in [
            "events/org_2/exposures/o/a.parquet",
            "events/org_10/a.parquet",
            "events/org_1",
            "events/org_1/",
            "snapshots/org_1/o/another/a.parquet",
            "posteriors/org_1/m/1.safetensors",
            "",
        ] {
            let error = decode(&["events/org_1/a.parquet", foreign]).unwrap_err();
            assert!(error.starts_with(&format!("exposures[1].key is {foreign:?}")), "{error}");
        }
        assert!(decode(&["events/org_1/a.parquet"; 2]).unwrap_err().contains("twice"));
    }

    #[test]
    fn what_is_no_manifest_is_told() {
        for (bytes, told) in [
            ("{", "EOF"),
            (r#"{"format": "x", "exposures": []}"#, "format is \"x\""),
            (r#"{"format": "fulcrum.manifest.v1"}"#, "exposures"),
        ] {
            let error = SnapshotManifest::decode(bytes.as_bytes(), "o", "s").unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
