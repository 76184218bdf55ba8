//! The state of a model: what it believes, as its last good training wrote it down.

use bandit::{Policy, propensity};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Model, PosteriorRecord, rfc3339, variant_json};
use crate::error::{ApiError, Detail};
use crate::store::{ListOptions, bytes_in_answer};
use crate::usecases::posterior_object::{Provenance, read_tensor};

impl App {
    /// The state of a model, in the fields of the API, and where its next page begins. Before the first training it holds no
    /// belief, only what is served: every allowed variant alike. Each page has all fields; of the lists it has a part, one list
    /// after the other.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::InvalidRequest`] where the cursor is of another version, and storage errors.
    pub async fn model_state(
        &self,
        organization: &str,
        id: Uuid,
        options: &ListOptions<'_>,
    ) -> Result<(Map<String, Value>, Option<String>), ApiError> {
        let model = self.model(organization, id).await?;
        let mut state = Map::new();
        state.insert("model_id".into(), json!(model.id));
        state.insert("model_type".into(), json!(model.model_type));
        let posterior = model.posterior.as_ref();
        let version = posterior.map_or(0, |p| p.posterior_version);
        let from = options.cursor.map(|cursor| place(cursor, version)).transpose()?.unwrap_or(0);
        state.insert("posterior_version".into(), json!(version));
        state.insert("trained_at".into(), json!(posterior.map(|p| rfc3339(p.trained_at))));
        state.insert("skipped".into(), json!(posterior.map(|p| &p.observations.skipped)));
        state.insert("warnings".into(), json!(posterior.map_or(&[][..], |p| p.warnings.as_slice())));
        let report = match posterior {
            Some(posterior) => self.report(id, posterior).await?,
            None => untrained(&model, self.holdout_share(&model).await?)?,
        };
        state.extend(report);
        let next = cut_to_page(&mut state, from, options);
        Ok((state, next.map(|next| format!("{version}.{next}"))))
    }

    /// Reads only the report out of a posterior's object: the header, then the report's range.
    async fn report(&self, model: Uuid, posterior: &PosteriorRecord) -> Result<Map<String, Value>, ApiError> {
        let provenance = Provenance { model, snapshot: Some(&posterior.snapshot_id) };
        let bytes = read_tensor(&self.bucket, &posterior.object, provenance, "state").await?;
        serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(format!("{}: {e}", posterior.object)))
    }
}

/// The lists of a state that grow with the configuration, in the order in which pages bring them.
const LISTS: [&str; 4] = ["variants", "contexts", "factors", "interactions"];

/// A version, and how many entries of the lists the pages before had.
fn parse_place(cursor: &str) -> Option<(u64, usize)> {
    let (version, taken) = cursor.split_once('.')?;
    let place = (version.parse().ok()?, taken.parse().ok()?);
    (format!("{}.{}", place.0, place.1) == cursor).then_some(place)
}

/// Whether a text is a place within the lists of a state: what a cursor may hold.
#[must_use]
pub fn is_place_in_state(cursor: &str) -> bool {
    parse_place(cursor).is_some()
}

/// Where a page begins, if it is one of the version in force.
fn place(cursor: &str, version: u64) -> Result<usize, ApiError> {
    match parse_place(cursor) {
        Some((of, taken)) if of == version => Ok(taken),
        _ => {
            let message =
                format!("version {version} is in force now, and the cursor is of another; begin without cursor");
            Err(ApiError::invalid_at([Detail::new("cursor", message)]))
        }
    }
}

/// Leaves of the lists what one page holds, one entry at least; where the next page begins, if there is more.
fn cut_to_page(state: &mut Map<String, Value>, from: usize, options: &ListOptions<'_>) -> Option<usize> {
    let lists = LISTS.map(|name| match state.insert(name.to_owned(), json!([])) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    });
    let all: usize = lists.iter().map(Vec::len).sum();
    let mut bytes = bytes_in_answer(state);
    let (mut page, mut taken) = ([const { Vec::new() }; LISTS.len()], 0);
    let entries = lists.into_iter().enumerate().flat_map(|(list, entries)| entries.into_iter().map(move |e| (list, e)));
    for (list, entry) in entries.skip(from) {
        // With the comma.
        bytes += bytes_in_answer(&entry) + 1;
        let full = options.limit.is_some_and(|limit| taken >= limit) || bytes > options.max_bytes;
        if full && taken > 0 {
            break;
        }
        page[list].push(entry);
        taken += 1;
    }
    for (name, entries) in LISTS.into_iter().zip(page) {
        state.insert(name.to_owned(), Value::Array(entries));
    }
    (from + taken < all).then_some(from + taken)
}

/// The state before the first training: nothing is believed, every allowed variant is served alike, and the baseline to the
/// holdout besides.
fn untrained(model: &Model, holdout_share: f64) -> Result<Map<String, Value>, ApiError> {
    let space = model.checked()?.space;
    let policy = Policy::uniform(&space);
    let row = policy.as_ref().and_then(|policy| policy.row(0));
    let row = row.ok_or_else(|| ApiError::internal(format!("model {} allows no variant", model.id)))?;
    let variants: Vec<Value> = (0..space.variants())
        .map(|index| {
            let weight = propensity(row, index, holdout_share);
            json!({
                "index": index, "variant": variant_json(&space, index), "n": 0, "reward_sum": 0.0,
                "rate": null, "expected_reward_mean": null, "expected_reward_lo": null, "expected_reward_hi": null,
                "prob_best": null, "expected_loss": null, "weight": weight,
            })
        })
        .collect();
    let Value::Object(report) = json!({
        "observations": 0, "variants": variants, "contexts": [], "factors": [], "interactions": [],
        "estimated_improvement_percent": null, "estimated_improvement_interval": null,
        "best_vs_baseline_percent": null, "best_vs_baseline_interval": null,
        "improvement_probability": null, "estimated_progress": null, "diagnostics": null,
    }) else {
        return Err(ApiError::internal("an object literal is no object"));
    };
    Ok(report)
}
