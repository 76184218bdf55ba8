//! Validation of a configuration, from one as sent to one that is right: every rule of the API, each with its place.

mod guardrails;
mod learning;
mod levels;
mod outcomes;

use std::collections::BTreeMap;

use bandit::{Dtype, Factor, ModelType, Prior, Settings, Space};
use serde_json::Value;

use super::config::{FactorConfig, TrainingDataConfig};
use crate::echo::{self, quoted};
use crate::error::{ApiError, Detail};
pub(crate) use outcomes::FAILURE;
use snapshots::{Guardrails, Outcomes};

const MAX_VARIANTS: usize = 1_000;
const MAX_COLUMNS: usize = 2_000;
/// Each run beyond them reads the records of all that are kept.
const MAX_POSTERIOR_VERSIONS: u32 = 1_000;
/// The configuration lies in a record of at most 400 kB beside a policy of at most 200 kB.
const MAX_CONFIG_BYTES: usize = 150_000;

/// A configuration that obeys every rule, with what the mathematics needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The configuration, with the levels of bool factors written out.
    pub config: TrainingDataConfig,
    /// Variants and contexts.
    pub space: Space,
    /// The rest of what the mathematics needs.
    pub settings: Settings,
    /// The weighted outcomes of the reward, where it has them.
    pub outcomes: Option<Outcomes>,
    /// What is counted beside the reward, where there is any.
    pub guardrails: Option<Guardrails>,
}

impl Checked {
    /// Checks a configuration against every rule of the API.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] with one detail per fault.
    pub fn new(model_type: ModelType, mut config: TrainingDataConfig) -> Result<Self, ApiError> {
        let mut faults = Faults::default();
        let design = factors(&mut faults, "design_factors", &mut config.design_factors, 1..=10);
        let context = factors(&mut faults, "context_factors", &mut config.context_factors, 0..=10);
        unique_names(&mut faults, &config);
        if model_type == ModelType::Mab && !config.context_factors.is_empty() {
            faults.add("context_factors", "a mab model has no context; use cmab or omit them");
        }
        let name = &config.reward.name;
        if !(1..=256).contains(&name.chars().count()) {
            faults.add("reward.name", format!("{} is not a string of 1 to 256 characters", quoted(name)));
        }
        let hours = config.attribution.conversion_window_hours;
        if !(1..=2160).contains(&hours) {
            faults.add("attribution.conversion_window_hours", format!("{hours} is not between 1 and 2160 hours"));
        }
        for (field, value, least, most) in [
            ("lookback_days", config.lookback_days, 1, 3650),
            ("retrain_minutes", config.retrain_minutes, 1, 10_080),
            ("posterior_versions", config.posterior_versions, 2, MAX_POSTERIOR_VERSIONS),
        ] {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                faults.add(field, format!("{value} is not between {least} and {most}"));
            }
        }
        let settings = settings(&mut faults, model_type, &config);
        learning::check(&mut faults, &config);
        let outcomes = outcomes::outcomes(&mut faults, &config.reward);
        let guardrails = guardrails::guardrails(&mut faults, &config, outcomes.as_ref());
        let size = serde_json::to_string(&config).map_or(0, |text| text.len());
        if size > MAX_CONFIG_BYTES {
            faults
                .add("", format!("the configuration takes {size} bytes as JSON; at most {MAX_CONFIG_BYTES} are kept"));
        }
        faults.end()?;

        let variants: u128 = design.iter().map(|f| f.levels().len() as u128).product();
        if variants > MAX_VARIANTS as u128 {
            faults.add(
                "design_factors",
                format!("the levels make {variants} variants; at most {MAX_VARIANTS} are allowed"),
            );
        }
        faults.end()?;
        let space = Space::new(design, context).map_err(|e| ApiError::invalid(e.to_string()))?;
        let columns = space.columns();
        if model_type == ModelType::Cmab && columns > MAX_COLUMNS {
            faults.add(
                "",
                format!("levels and pairs of levels make {columns} coefficients; at most {MAX_COLUMNS} can be learned"),
            );
        }
        let excluded = exclusions(&mut faults, &space, &config.excluded_combinations);
        faults.end()?;
        let space = space.excluding(&excluded);
        if !space.is_allowed(0) {
            faults.add("excluded_combinations", "they exclude the baseline, the first level of every factor");
        } else if space.allowed().count() < 2 {
            faults.add("excluded_combinations", "they leave only the baseline; at least two variants must remain");
        }
        learning::check_share(&mut faults, &config, space.allowed().count());
        faults.end()?;
        Ok(Self { config, space, settings, outcomes, guardrails })
    }

    /// Checks the biases of a training run.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`]: an unknown factor (the known ones are listed) or a number outside 0 to 10.
    pub fn check_bias(&self, bias: &BTreeMap<String, f64>) -> Result<(), ApiError> {
        let known: Vec<&str> = self.space.design().iter().chain(self.space.context()).map(Factor::name).collect();
        let listed = echo::list(&known);
        let fault = |(name, value): (&String, &f64)| {
            let place = format!("bias.{name}");
            if !known.contains(&name.as_str()) {
                return Some(Detail::new(
                    place,
                    format!("there is no factor {}; the factors are {listed}", quoted(name)),
                ));
            }
            let good = (0.0..=10.0).contains(value);
            (!good).then(|| Detail::new(place, format!("{value} is not between 0 and 10")))
        };
        let mut faults = bias.iter().filter_map(fault).peekable();
        if faults.peek().is_none() { Ok(()) } else { Err(ApiError::invalid_at(faults)) }
    }
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<Detail>);

impl Faults {
    fn add(&mut self, place: impl AsRef<str>, message: impl Into<String>) {
        let place = place.as_ref();
        let dot = if place.is_empty() { "" } else { "." };
        self.0.push(Detail::new(format!("training_data_config{dot}{place}"), message));
    }

    fn end(&mut self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::invalid_at(std::mem::take(&mut self.0))) }
    }
}

fn factors(
    faults: &mut Faults,
    list: &str,
    configs: &mut [FactorConfig],
    count: std::ops::RangeInclusive<usize>,
) -> Vec<Factor> {
    if !count.contains(&configs.len()) {
        faults.add(list, format!("there are {}; {} to {} are allowed", configs.len(), count.start(), count.end()));
    }
    let check = |(i, config): (usize, &mut FactorConfig)| factor(faults, &format!("{list}[{i}]"), config);
    configs.iter_mut().enumerate().filter_map(check).collect()
}

fn factor(faults: &mut Faults, place: &str, config: &mut FactorConfig) -> Option<Factor> {
    let name = config.name.clone();
    let mut chars = name.chars();
    let good = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64;
    if !good {
        faults.add(format!("{place}.name"), format!("{} does not match [A-Za-z_][A-Za-z0-9_]{{0,63}}", quoted(&name)));
        return None;
    }
    let levels_place = format!("{place}.levels");
    let levels = match (&config.levels, config.dtype) {
        (Some(levels), _) => levels.iter().map(levels::without_null).collect(),
        (None, Dtype::Bool) => vec![Value::Bool(false), Value::Bool(true)],
        (None, Dtype::Str) => {
            faults.add(levels_place, "they are missing; only a bool factor may omit them");
            return None;
        }
    };
    if !(2..=50).contains(&levels.len()) {
        faults.add(levels_place, format!("there are {}; 2 to 50 are allowed", levels.len()));
        return None;
    }
    let (texts, previous) = levels::levels(faults, &levels_place, config.dtype, &levels)?;
    config.levels = Some(levels);
    match Factor::new(name, config.dtype, texts).and_then(|factor| factor.with_previous(previous)) {
        Ok(factor) => Some(factor),
        Err(e) => {
            faults.add(levels_place, e.to_string());
            None
        }
    }
}

fn unique_names(faults: &mut Faults, config: &TrainingDataConfig) {
    let lists = [("design_factors", &config.design_factors), ("context_factors", &config.context_factors)];
    let mut seen: Vec<&str> = Vec::new();
    for (list, factors) in lists {
        for (i, factor) in factors.iter().enumerate() {
            if let Some(taken) = seen.iter().find(|name| name.eq_ignore_ascii_case(&factor.name)) {
                let message = format!(
                    "{} is taken by {}; names are unique over design and context factors, whatever their case, as \
                     columns are found in any case",
                    quoted(&factor.name),
                    quoted(taken)
                );
                faults.add(format!("{list}[{i}].name"), message);
            }
            seen.push(&factor.name);
        }
    }
}

fn settings(faults: &mut Faults, model_type: ModelType, config: &TrainingDataConfig) -> Settings {
    let mut prior = Prior::default();
    if let Some(given) = &config.prior {
        let mut scale = |name: &str, value: Option<f64>, default: f64| {
            let value = value.unwrap_or(default);
            if !(0.001..=10.0).contains(&value) {
                faults.add(format!("prior.{name}"), format!("{value} is not between 0.001 and 10"));
            }
            value
        };
        prior.main_scale = scale("main_scale", given.main_scale, prior.main_scale);
        prior.pair_scale = scale("pair_scale", given.pair_scale, prior.pair_scale);
        prior.fixed = given.fixed.unwrap_or(false);
        if model_type == ModelType::Mab {
            faults.add("prior", "a mab model learns its prior from the arms; these scales are those of a cmab");
        }
    }
    let exploration = config.exploration.unwrap_or(1.0);
    if !(0.25..=2.0).contains(&exploration) {
        faults.add("exploration", format!("{exploration} is not between 0.25 and 2"));
    }
    Settings {
        model_type,
        reward: config.reward.modelled(),
        distribution: config.reward.distribution.unwrap_or_default(),
        prior,
        exploration,
    }
}

fn exclusions(
    faults: &mut Faults,
    space: &Space,
    combinations: &[BTreeMap<String, Value>],
) -> Vec<Vec<(usize, usize)>> {
    if combinations.len() > 1_000 {
        faults.add("excluded_combinations", format!("there are {}; at most 1000 are allowed", combinations.len()));
        return Vec::new();
    }
    let mut excluded = Vec::with_capacity(combinations.len());
    for (i, combination) in combinations.iter().enumerate() {
        let place = format!("excluded_combinations[{i}]");
        if combination.is_empty() {
            faults.add(&place, "it names no factor, and so would exclude every variant");
        }
        let mut pairs = Vec::with_capacity(combination.len());
        for (name, level) in combination {
            let Some(d) = space.design().iter().position(|f| f.name() == name) else {
                faults.add(format!("{place}.{name}"), format!("there is no design factor {}", quoted(name)));
                continue;
            };
            let text = match level {
                Value::String(text) => Some(text.clone()),
                Value::Bool(b) => Some(b.to_string()),
                _ => None,
            };
            match text.and_then(|text| space.design()[d].level(&text)) {
                Some(l) => pairs.push((d, l)),
                None => faults.add(
                    format!("{place}.{name}"),
                    format!("{} is not a level of {}", echo::value(level), quoted(name)),
                ),
            }
        }
        excluded.push(pairs);
    }
    excluded
}

#[cfg(test)]
mod tests;
