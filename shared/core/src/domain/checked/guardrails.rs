//! Guardrails as they are sent.

use bandit::evaluation::WorseWhen;
use snapshots::{GuardrailReward, Guardrails, MOST_GUARDRAILS, Outcomes};

use super::Faults;
use crate::domain::config::{GuardrailConfig, TrainingDataConfig};
use crate::echo::quoted;

/// The greatest margin, per cent.
const LARGEST_MARGIN: f64 = 1_000.0;

/// The guardrails of a configuration; `None` where it has none. `outcomes` are its reward's.
pub(super) fn guardrails(
    faults: &mut Faults,
    config: &TrainingDataConfig,
    outcomes: Option<&Outcomes>,
) -> Option<Guardrails> {
    let given = &config.guardrails;
    if given.is_empty() {
        return None;
    }
    if given.len() > MOST_GUARDRAILS {
        faults.add("guardrails", format!("there are {}; at most {MOST_GUARDRAILS} are allowed", given.len()));
        return None;
    }
    let own = config.reward.names();
    for (i, guardrail) in given.iter().enumerate() {
        let (place, name) = (format!("guardrails[{i}]"), &guardrail.name);
        if !(1..=256).contains(&name.chars().count()) {
            faults.add(format!("{place}.name"), format!("{} is not a string of 1 to 256 characters", quoted(name)));
        } else if own.contains(name) {
            let message = format!("{} is what the model learns from; a guardrail is another reward", quoted(name));
            faults.add(format!("{place}.name"), message);
        } else if given[..i].iter().any(|other| other.name == *name) {
            faults.add(format!("{place}.name"), format!("{} is the name of two guardrails", quoted(name)));
        }
        let margin = guardrail.margin_percent;
        if !(0.0..=LARGEST_MARGIN).contains(&margin) {
            faults.add(
                format!("{place}.margin_percent"),
                format!("{margin} is not between 0 and {LARGEST_MARGIN} per cent"),
            );
        } else if guardrail.worse_when == WorseWhen::Down && margin >= 100.0 {
            let message = format!("{margin} is not below 100 per cent, by which a reward falls that is gone");
            faults.add(format!("{place}.margin_percent"), message);
        }
    }
    let reward = |of: &GuardrailConfig| GuardrailReward { name: of.name.clone(), reward: of.reward_type };
    Some(Guardrails::new(&config.reward.name, outcomes, given.iter().map(reward).collect()))
}
