//! Weighted outcomes of a reward as they are sent.

use bandit::RewardType;
use serde_json::Value;
use snapshots::{MOST_OUTCOMES, Outcome, OutcomeMatch, Outcomes};

use super::Faults;
use crate::domain::config::{MatchBy, OutcomeConfig, RewardConfig};
use crate::echo::{self, quoted};

/// What an exposure without an outcome is called, where outcomes are counted.
pub(crate) const FAILURE: &str = "failure";
/// The greatest weight, either way, reward units.
const LARGEST: f64 = 1e9;

/// The outcomes of a reward; `None` where it has none, or where something is wrong with them.
pub(super) fn outcomes(faults: &mut Faults, reward: &RewardConfig) -> Option<Outcomes> {
    let given = reward.outcomes.as_ref()?;
    if reward.reward_type != RewardType::Bool {
        faults.add("reward.type", "a reward with outcomes is bool; their weights make the model numeric");
    }
    if !(2..=MOST_OUTCOMES).contains(&given.len()) {
        faults.add("reward.outcomes", format!("there are {}; 2 to {MOST_OUTCOMES} are allowed", given.len()));
        return None;
    }
    let mut list: Vec<Outcome> = Vec::with_capacity(given.len());
    for (i, outcome) in given.iter().enumerate() {
        let place = format!("reward.outcomes[{i}]");
        check_key(faults, &place, outcome, &given[..i]);
        let weight = outcome.weight;
        if !(-LARGEST..=LARGEST).contains(&weight) {
            faults.add(format!("{place}.weight"), format!("{weight} is not between -{LARGEST} and {LARGEST}"));
        }
        match matches(outcome) {
            Ok(matches) => {
                if let Some(other) = list.iter().position(|other| other.matches == matches) {
                    faults.add(format!("{place}.match"), format!("it is that of outcomes[{other}] already"));
                }
                list.push(Outcome { weight, matches });
            }
            Err(message) => {
                faults.add(format!("{place}.match.value"), message);
                return None;
            }
        }
    }
    Some(Outcomes::new(&reward.name, list))
}

fn check_key(faults: &mut Faults, place: &str, outcome: &OutcomeConfig, before: &[OutcomeConfig]) {
    let key = &outcome.key;
    let place = format!("{place}.key");
    if !(1..=256).contains(&key.chars().count()) {
        faults.add(place, format!("{} is not a string of 1 to 256 characters", quoted(key)));
    } else if key == FAILURE {
        faults.add(place, format!("{FAILURE:?} is what exposures without an outcome are counted under"));
    } else if before.iter().any(|other| other.key == *key) {
        faults.add(place, format!("{} is the key of two outcomes", quoted(key)));
    }
}

fn matches(outcome: &OutcomeConfig) -> Result<OutcomeMatch, String> {
    match (outcome.matches.by, &outcome.matches.value) {
        (MatchBy::Name, Value::String(name)) if (1..=256).contains(&name.chars().count()) => {
            Ok(OutcomeMatch::Name(name.clone()))
        }
        (MatchBy::Name, value) => Err(format!("{} is not a string of 1 to 256 characters", echo::value(value))),
        (MatchBy::Value, Value::Bool(value)) => Ok(OutcomeMatch::Value(f64::from(u8::from(*value)))),
        (MatchBy::Value, value) => match value.as_f64() {
            Some(value) => Ok(OutcomeMatch::Value(value)),
            None => Err(format!("{} is neither a number nor a bool, as values of rewards are", echo::value(value))),
        },
    }
}
