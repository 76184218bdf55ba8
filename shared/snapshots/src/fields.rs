//! The columns that are read, and how their names are matched.

use bandit::{RewardType, Space};

use crate::plan::Plan;

/// What a file's rows are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Exposures,
    /// Only the timestamps, to find the cut-off.
    Times,
    Rewards,
    Observations,
    Cells,
}

/// The meaning of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Time,
    Optimization,
    Name,
    Value,
    Variant,
    Context,
    /// A design factor that is a column of its own.
    DesignFactor(usize),
    /// A context factor that is a column of its own.
    ContextFactor(usize),
    N,
    Sum,
    SumSq,
    Nonzero,
    /// A column that a mapping makes others of.
    Source(usize),
}

impl Role {
    /// The folder of the files.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Exposures | Self::Times => "exposures",
            Self::Rewards => "rewards",
            Self::Observations => "observations",
            Self::Cells => "cells",
        }
    }
}

impl Field {
    /// The column's own name in files of a role.
    pub(crate) fn name(self, role: Role, space: &Space) -> &str {
        match self {
            Self::Id => "anonymous_id",
            Self::Time if role == Role::Cells => "day",
            Self::Time => "timestamp",
            Self::Optimization => "optimization_id",
            Self::Name => "name",
            Self::Value if role == Role::Observations => "reward",
            Self::Value => "value",
            Self::Variant => "variant",
            Self::Context => "context",
            Self::DesignFactor(factor) => space.design()[factor].name(),
            Self::ContextFactor(factor) => space.context()[factor].name(),
            Self::N => "n",
            Self::Sum => "reward_sum",
            Self::SumSq => "reward_sum_sq",
            Self::Nonzero => "nonzero",
            Self::Source(_) => "a mapped column",
        }
    }
}

/// One column to look for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) field: Field,
    /// The names, the first one preferred.
    pub(crate) names: Vec<String>,
    pub(crate) required: bool,
    /// What the path of the file says of it, where it does; within, none is null.
    #[expect(clippy::option_option, reason = "a path that says null is not one that says nothing")]
    pub(crate) in_path: Option<Option<String>>,
}

/// The columns to look for in files of one role. Variants and contexts are there in both forms: as one column, and as a column
/// for each factor.
pub(crate) fn wanted(role: Role, plan: &Plan<'_>) -> Vec<Wanted> {
    let space = plan.space;
    let column = |field, name: &str, required| Wanted { field, names: vec![name.into()], required, in_path: None };
    let time = |required| Wanted {
        field: Field::Time,
        names: vec!["timestamp".into(), "timestamp_utc".into()],
        required,
        in_path: None,
    };
    let numeric = plan.reward == RewardType::Numeric;
    let mut columns = match role {
        Role::Exposures => {
            vec![
                column(Field::Id, "anonymous_id", true),
                time(true),
                column(Field::Optimization, "optimization_id", false),
            ]
        }
        Role::Times => return vec![time(false)],
        Role::Rewards => {
            return vec![
                column(Field::Id, "anonymous_id", true),
                time(true),
                column(Field::Optimization, "optimization_id", false),
                column(Field::Name, "name", false),
                column(Field::Value, "value", numeric && plan.outcomes.is_none()),
            ];
        }
        Role::Observations => {
            vec![
                column(Field::Optimization, "optimization_id", false),
                column(Field::Value, "reward", true),
                time(false),
            ]
        }
        Role::Cells => {
            let mut columns = vec![column(Field::N, "n", true), column(Field::Sum, "reward_sum", true)];
            columns.push(column(Field::Time, "day", false));
            if numeric {
                columns.push(column(Field::SumSq, "reward_sum_sq", true));
                columns.push(column(Field::Nonzero, "nonzero", false));
            }
            columns
        }
    };
    columns.push(column(Field::Variant, "variant", false));
    columns.extend(space.design().iter().enumerate().map(|(i, f)| column(Field::DesignFactor(i), f.name(), false)));
    if !space.context().is_empty() {
        columns.push(column(Field::Context, "context", false));
        columns
            .extend(space.context().iter().enumerate().map(|(i, f)| column(Field::ContextFactor(i), f.name(), false)));
    }
    columns
}

/// The position of a name among others: exact first, then without regard to case.
pub(crate) fn find<'a>(name: &str, mut names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    names.clone().position(|n| n == name).or_else(|| names.position(|n| n.eq_ignore_ascii_case(name)))
}

/// The columns of a file that are read: what each means, and its position in the file. A column has one meaning: it goes to the
/// field of exactly its name, else to the first that is found.
///
/// # Errors
/// The name of a required column that is not there.
pub(crate) fn resolve(wanted: &[Wanted], names: &[String]) -> Result<Vec<(Field, usize)>, String> {
    let mut columns: Vec<(Field, usize)> = Vec::new();
    for column in wanted {
        let free = |position: &usize| columns.iter().all(|(_, taken)| taken != position);
        let exact = |name: &String| names.iter().position(|n| n == name).filter(free);
        let other_case = |name: &String| {
            let found = |n: &String| n.eq_ignore_ascii_case(name) && !wanted.iter().any(|w| w.names.contains(n));
            (0..names.len()).filter(free).find(|&position| found(&names[position]))
        };
        match column.names.iter().find_map(|name| exact(name).or_else(|| other_case(name))) {
            Some(position) => columns.push((column.field, position)),
            None if column.required && column.in_path.is_none() => return Err(column.names[0].clone()),
            None => {}
        }
    }
    let in_path = |field: Field| wanted.iter().any(|w| w.field == field && w.in_path.is_some());
    let has = |field: Field| columns.iter().any(|(f, _)| *f == field) || in_path(field);
    let (variant, context) = (has(Field::Variant), has(Field::Context));
    let mut factors = wanted.iter().filter(|w| matches!(w.field, Field::DesignFactor(_)));
    if !variant && factors.any(|w| !has(w.field)) {
        return Err("variant".into());
    }
    // The one column goes before the columns of single factors.
    columns.retain(|(field, _)| match field {
        Field::DesignFactor(_) => !variant,
        Field::ContextFactor(_) => !context,
        _ => true,
    });
    Ok(columns)
}

/// The name of a column that is read and that the file has twice.
pub(crate) fn duplicate<'a>(columns: &[(Field, usize)], names: &'a [String]) -> Option<&'a str> {
    let twice = |position: usize| names.iter().filter(|name| **name == names[position]).count() > 1;
    columns.iter().find(|(_, position)| twice(*position)).map(|(_, position)| names[*position].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bandit::{Dtype, Factor};

    fn space() -> Space {
        let factor = |name: &str| Factor::new(name, Dtype::Str, vec!["a".into(), "b".into()]).unwrap();
        Space::new(vec![factor("headline"), factor("color")], vec![factor("device")]).unwrap()
    }

    fn plan(space: &Space) -> Plan<'_> {
        Plan {
            space,
            optimization_id: "opt",
            reward_name: "signup",
            reward: RewardType::Numeric,
            outcomes: None,
            guardrails: None,
            attribution: crate::Attribution::LastTouch,
            window_hours: 1,
            immature: crate::Immature::Include,
            allow_no_rewards: false,
            threads: 1,
            now: 0,
            limits: crate::Limits::default(),
        }
    }

    fn names(role: Role, names: &[&str]) -> Result<Vec<(Field, usize)>, String> {
        let names: Vec<String> = names.iter().map(|n| (*n).into()).collect();
        resolve(&wanted(role, &plan(&space())), &names)
    }

    #[test]
    fn exact_names_go_before_other_case() {
        let columns = names(Role::Rewards, &["VALUE", "Timestamp", "value", "ANONYMOUS_ID", "timestamp_utc"]).unwrap();
        assert_eq!(columns, [(Field::Id, 3), (Field::Time, 1), (Field::Value, 2)]);
        let columns = names(Role::Rewards, &["value", "anonymous_id", "TIMESTAMP_UTC"]).unwrap();
        assert_eq!(columns[1], (Field::Time, 2));
    }

    #[test]
    fn variants_in_either_form() {
        let columns =
            names(Role::Cells, &["variant", "color", "headline", "n", "reward_sum", "reward_sum_sq"]).unwrap();
        assert_eq!(columns[3], (Field::Variant, 0));
        assert_eq!(columns.len(), 4);
        let columns = names(Role::Cells, &["color", "HEADLINE", "device", "n", "reward_sum", "reward_sum_sq"]).unwrap();
        assert_eq!(
            columns[3..],
            [(Field::DesignFactor(0), 1), (Field::DesignFactor(1), 0), (Field::ContextFactor(0), 2)]
        );
    }

    #[test]
    fn a_column_has_one_meaning() {
        let factor = |name: &str| Factor::new(name, Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
        let space = Space::new(vec![factor("sticky"), factor("Sticky")], vec![factor("reward")]).unwrap();
        let found = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| (*n).into()).collect();
            resolve(&wanted(Role::Observations, &plan(&space)), &names)
        };
        let [value, first, second] = [Field::Value, Field::DesignFactor(0), Field::DesignFactor(1)];
        assert_eq!(found(&["Sticky", "reward", "sticky"]).unwrap(), [(value, 1), (first, 2), (second, 0)]);
        assert_eq!(found(&["Sticky", "reward", "STICKY"]).unwrap(), [(value, 1), (first, 2), (second, 0)]);
        assert_eq!(found(&["STICKY", "reward"]), Err("variant".into()));
        assert_eq!(found(&["Sticky", "reward"]), Err("variant".into()));
    }

    #[test]
    fn missing_columns() {
        assert_eq!(names(Role::Cells, &["color", "n", "reward_sum", "reward_sum_sq"]), Err("variant".into()));
        assert_eq!(names(Role::Cells, &["variant", "n", "reward_sum"]), Err("reward_sum_sq".into()));
        assert_eq!(names(Role::Exposures, &["variant", "anonymous_id"]), Err("timestamp".into()));
        assert_eq!(names(Role::Rewards, &["timestamp", "anonymous_id"]), Err("value".into()));
        assert_eq!(names(Role::Observations, &["variant"]), Err("reward".into()));
        assert_eq!(names(Role::Times, &["anything"]), Ok(vec![]));
    }
}
