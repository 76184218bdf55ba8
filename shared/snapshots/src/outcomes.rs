//! Weighted outcomes: which rewards count, and how much each is worth.

use crate::number::Number;

/// The most outcomes that a reward has.
pub const MOST_OUTCOMES: usize = 20;

/// One outcome of a reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What an exposure is worth that is credited with it, reward units.
    pub weight: f64,
    /// Which rewards are it.
    pub matches: OutcomeMatch,
}

/// Which rewards are an outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum OutcomeMatch {
    /// Those of this name, unless their value is 0.
    Name(String),
    /// Those of the reward's own name with this value; a bool is 0 or 1.
    Value(f64),
}

/// The outcomes of a reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    list: Vec<Outcome>,
    /// The names that rewards may have, the reward's own first.
    names: Vec<String>,
}

impl Outcomes {
    /// The outcomes of the reward of a name, of which there are at most [`MOST_OUTCOMES`].
    #[must_use]
    pub fn new(reward_name: &str, mut list: Vec<Outcome>) -> Self {
        list.truncate(MOST_OUTCOMES);
        let mut names = vec![reward_name.to_owned()];
        for outcome in &list {
            if let OutcomeMatch::Name(name) = &outcome.matches
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        Self { list, names }
    }

    /// The names that rewards may have, the reward's own first.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The outcome of greatest weight that a reward is, with its weight: of two alike the first. `name` is the place of its name
    /// among [`Outcomes::names`].
    pub(crate) fn of(&self, name: u8, value: Number) -> Option<(u8, f64)> {
        let name = self.names.get(usize::from(name))?;
        let is = |outcome: &Outcome| match (&outcome.matches, value) {
            (OutcomeMatch::Name(ours), Number::Null) => ours == name,
            (OutcomeMatch::Name(ours), Number::Value(value)) => ours == name && value != 0.0,
            #[expect(clippy::float_cmp, reason = "a value is an outcome's or it is not")]
            (OutcomeMatch::Value(ours), Number::Value(value)) => *name == self.names[0] && value == *ours,
            _ => false,
        };
        let matching = (0_u8..).zip(&self.list).filter(|(_, outcome)| is(outcome));
        let better = |best: Option<(u8, f64)>, (number, outcome): (u8, &Outcome)| match best {
            Some((_, weight)) if weight >= outcome.weight => best,
            _ => Some((number, outcome.weight)),
        };
        matching.fold(None, better)
    }
}

/// The names that a column is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Names<'a> {
    /// One.
    One(&'a str),
    /// Several.
    Several(&'a [String]),
}

impl Names<'_> {
    /// All of them, for a message.
    pub(crate) fn joined(&self) -> String {
        match self {
            Self::One(name) => (*name).to_owned(),
            Self::Several(names) => names.join(", "),
        }
    }

    /// The place of the first name for which something holds.
    pub(crate) fn position(&self, mut is: impl FnMut(&str) -> bool) -> Option<u8> {
        match self {
            Self::One(name) => is(name).then_some(0),
            Self::Several(names) => (0_u8..).zip(names.iter()).find_map(|(place, name)| is(name).then_some(place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_outcomes_the_one_of_greatest_weight_counts() {
        let outcome = |weight, matches| Outcome { weight, matches };
        let outcomes = Outcomes::new(
            "purchase",
            vec![
                outcome(1.0, OutcomeMatch::Name("signup".into())),
                outcome(2.0, OutcomeMatch::Value(10.0)),
                outcome(5.0, OutcomeMatch::Name("signup".into())),
                outcome(5.0, OutcomeMatch::Name("signup".into())),
                outcome(-1.0, OutcomeMatch::Value(0.0)),
                outcome(0.5, OutcomeMatch::Name("purchase".into())),
            ],
        );
        assert_eq!(outcomes.names(), ["purchase", "signup"]);
        let value = Number::Value;
        for (name, number, expected) in [
            (0, value(10.0), Some((1, 2.0))),
            (0, value(11.0), Some((5, 0.5))),
            (0, value(0.0), Some((4, -1.0))),
            (0, Number::Null, Some((5, 0.5))),
            (1, Number::Null, Some((2, 5.0))),
            (1, value(10.0), Some((2, 5.0))),
            (1, value(0.0), None),
            (2, value(1.0), None),
        ] {
            assert_eq!(outcomes.of(name, number), expected, "{name} {number:?}");
        }
    }
}
