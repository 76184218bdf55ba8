//! Levels that nobody is served any more.

use std::collections::BTreeMap;

use serde_json::Value;

use super::numbers::{count, list, number, share, thousands};

/// Nothing is said of a level that fewer users have seen.
const LEAST_USERS: u64 = 1_000;
/// Below this share of visitors a level is as good as gone.
const LEAST_SERVED: f64 = 0.01;

/// A level that may go.
#[derive(Debug)]
pub(super) struct Level {
    factor: String,
    name: String,
    users: u64,
    served: f64,
}

impl Level {
    pub(super) fn sentence(&self) -> String {
        let Self { factor, name, users, served } = self;
        format!(
            "{factor} = {name} may go: by the model it is best for next to nobody, {} of visitors are still served it, and {} users \
             have seen it first.",
            share(*served),
            thousands(*users)
        )
    }

    pub(super) fn shown(&self) -> String {
        format!("{} = {}", self.factor, self.name)
    }
}

/// The levels of design factors that the policy has all but given up, the baseline's apart, where enough users have seen them and
/// two levels of the factor are left.
pub(super) fn droppable(answer: &Value) -> Vec<Level> {
    let variants = list(answer, "/variants");
    let baseline =
        variants.iter().find(|variant| count(variant, "/number") == 0).and_then(|v| v["variant"].as_object());
    let Some(baseline) = baseline else { return Vec::new() };
    let mut dropped = Vec::new();
    for (factor, first) in baseline {
        // In the order in which the levels come, which is that of the configuration.
        let mut levels: Vec<(&Value, u64, f64)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for variant in variants {
            // Without users or a policy there is nothing to say.
            let (Some(users), Some(weight)) = (variant["users"].as_u64(), number(variant, "/weight")) else {
                return Vec::new();
            };
            let level = &variant["variant"][factor];
            let place = *places.entry(level.to_string()).or_insert_with(|| {
                levels.push((level, 0, 0.0));
                levels.len() - 1
            });
            (levels[place].1, levels[place].2) = (levels[place].1 + users, levels[place].2 + weight);
        }
        let going = |&&(level, users, served): &&(&Value, u64, f64)| {
            level != first && users >= LEAST_USERS && served < LEAST_SERVED
        };
        let gone: Vec<_> = levels.iter().filter(going).collect();
        if levels.len() >= gone.len() + 2 {
            dropped.extend(gone.into_iter().map(|&(level, users, served)| Level {
                factor: factor.clone(),
                name: level.as_str().map_or_else(|| level.to_string(), str::to_owned),
                users,
                served,
            }));
        }
    }
    dropped
}
