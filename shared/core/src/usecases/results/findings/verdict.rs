//! What to do next, and why.

use serde::Serialize;
use serde_json::Value;

use super::levels::Level;
use super::lift::{Lift, Measured};
use super::numbers::{signed, thousands};
use super::problems::{Problem, guardrails};

/// What the numbers support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    FixData,
    DoNotShip,
    MeasureFirst,
    Ship,
    DropLevel,
    KeepRunning,
}

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    kind: Kind,
    title: &'static str,
    why: String,
    /// How many users more, where that can be said.
    more_users: Option<u64>,
}

impl Verdict {
    fn new(kind: Kind, why: String) -> Self {
        let title = match kind {
            Kind::FixData => "Fix the data first",
            Kind::DoNotShip => "Do not ship",
            Kind::MeasureFirst => "Measure first",
            Kind::Ship => "Ship",
            Kind::DropLevel => "Drop a level",
            Kind::KeepRunning => "Keep running",
        };
        Self { kind, title, why, more_users: None }
    }

    pub(super) fn of(answer: &Value, measured: &Measured, problems: &[Problem], droppable: &[Level]) -> Self {
        if !problems.is_empty() {
            return Self::new(Kind::FixData, "No decision is supported by data that fail a check:".to_owned());
        }
        let (violated, pending) = (guardrails(answer, "violated"), guardrails(answer, "pending"));
        if !violated.is_empty() {
            let why = format!(
                "A guardrail is violated: {}. Its interval at every look lies beyond the margin.",
                violated.join(", ")
            );
            return Self::new(Kind::DoNotShip, why);
        }
        match measured.lift {
            Lift::NoUsers => Self::new(
                Kind::MeasureFirst,
                "Give exposures with the ids of users (docs/snapshots.md): without them, nothing is measured against a holdout.".to_owned(),
            ),
            Lift::NoHoldout => Self::new(
                Kind::MeasureFirst,
                "Hold out 5 to 10 % of users: without a holdout there is only what the model expects.".to_owned(),
            ),
            Lift::Found { interval: [lo, _], .. } if lo > 0.0 && pending.is_empty() => Self::new(
                Kind::Ship,
                format!(
                    "The interval that holds at every look lies wholly above zero (from {}), no check of the data fails, and no \
                     guardrail is open. Complete the optimization to serve the best variant of each context.",
                    signed(lo)
                ),
            ),
            Lift::Found { interval: [lo, _], .. } if lo > 0.0 => {
                let why = format!("The lift is above zero, but not every guardrail is decided yet: {}.", pending.join(", "));
                Self::new(Kind::KeepRunning, why)
            }
            Lift::Found { interval: [_, hi], .. } if hi < 0.0 => Self::new(
                Kind::DoNotShip,
                format!(
                    "The interval that holds at every look lies wholly below zero (up to {}): the holdout earns more. Serve the \
                     baseline, and find out why.",
                    signed(hi)
                ),
            ),
            Lift::Pending | Lift::Found { .. } if !droppable.is_empty() => {
                let names: Vec<String> = droppable.iter().map(Level::shown).collect();
                let sentences: Vec<String> = droppable.iter().map(Level::sentence).collect();
                let levels = if names.len() == 1 { "the level" } else { "the levels" };
                let why = format!("The lift is not decided. Without {levels} {} it is sooner. {}", names.join(", "), sentences.join(" "));
                Self { more_users: measured.more_users(), ..Self::new(Kind::DropLevel, why) }
            }
            Lift::Pending | Lift::Found { .. } => Self::keep_running(measured),
        }
    }

    fn keep_running(measured: &Measured) -> Self {
        let more = measured.more_users();
        let why = match (&measured.lift, more) {
            (Lift::Found { .. }, Some(more)) => format!(
                "The interval that holds at every look holds zero. If the lift stays where it is, about {} more users are needed to \
                 tell it from none.",
                thousands(more)
            ),
            (Lift::Found { .. }, None) => "The interval that holds at every look holds zero, and at the present estimate more than 20 \
                                           times as many users would be needed to tell it from none: look for a greater change."
                .to_owned(),
            (_, Some(more)) => format!("The holdout needs {} more users before there is a number.", thousands(more)),
            (_, None) => "There is no number yet: the holdout has no reward, or nothing varies.".to_owned(),
        };
        Self { more_users: more, ..Self::new(Kind::KeepRunning, why) }
    }

    /// Whether it names the levels that may go.
    pub(super) fn is_about_levels(&self) -> bool {
        self.kind == Kind::DropLevel
    }
}
