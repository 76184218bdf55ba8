//! What a run warns of: rows that were left out, each reason with one of them.

use crate::guardrails::Guardrails;
use crate::place::Skipped;
use crate::plan::Plan;
use crate::report::{Example, SkipReason, Warning, cut};
use crate::rewards::Rewards;
use crate::scan::Reading;
use crate::unknown::UnknownLevel;

/// Levels that one warning lists.
const LISTED: usize = 5;

/// The warnings of rows of one kind that were skipped, or kept with a remark.
pub(crate) fn of_skipped(what: &str, skipped: &Skipped, reading: &Reading<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (reason, rows) in skipped.skips.reasons().filter(|(reason, rows)| *rows > 0 && !reason.is_chosen()) {
        let levels = |counts| listed(&reading.unknowns.levels(counts, reading.plan.space));
        let message = match reason {
            SkipReason::UnknownVariant => {
                format!("{rows} {what} skipped, as their variant is not of the design: {}", levels(&skipped.variants))
            }
            SkipReason::UnknownContextLevel => {
                format!(
                    "{rows} {what} count under the unknown level of a context factor: {}",
                    levels(&skipped.contexts)
                )
            }
            SkipReason::NullReward => format!("{rows} {what} have no reward (null) and count with the reward 0"),
            SkipReason::NullId => format!("{rows} {what} skipped, as they have no anonymous_id"),
            SkipReason::NullTimestamp => format!("{rows} {what} skipped, as they have no timestamp"),
            SkipReason::BadJson => {
                format!("{rows} {what} skipped, as the record, its variant or its context is not JSON")
            }
            SkipReason::BadValue => format!("{rows} {what} skipped, as a value is not what its column should hold"),
            SkipReason::ImplausibleTime => {
                format!("{rows} {what} skipped, as their time is before 2000, after 2099 or more than a day ahead")
            }
            SkipReason::OtherOptimization
            | SkipReason::OtherReward
            | SkipReason::ZeroValue
            | SkipReason::Immature
            | SkipReason::Filtered => continue,
        };
        warnings.push(Warning::new(reason.name(), message, skipped.skips.example(reason)));
    }
    warnings
}

/// `device "mobile " 31 times: did you mean "mobile"? …`, those that are nearly a level first.
fn listed(levels: &[UnknownLevel]) -> String {
    let (near, others): (Vec<_>, Vec<_>) = levels.iter().partition(|level| level.near.is_some());
    let first: Vec<String> = near.into_iter().chain(others).take(LISTED).map(UnknownLevel::describe).collect();
    match levels.len().saturating_sub(LISTED) {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}

/// The warnings of rewards that were read and none of which, or of whose files some, are the model's; `has_files`: the folder has files.
pub(crate) fn of_rewards(rewards: &Rewards, plan: &Plan<'_>, has_files: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let other = || rewards.skipped.skips.example(SkipReason::OtherReward);
    if rewards.rows > 0 && rewards.counted.is_empty() && rewards.skipped.skips.of(SkipReason::ZeroValue) == 0 {
        let message =
            format!("rewards/ has {} rows, and none of the name {:?} that counts", rewards.rows, cut(plan.reward_name));
        warnings.push(Warning::new("no_rewards", message, other()));
    } else if has_files && rewards.rows == 0 {
        let message = "the files of rewards/ have no rows".to_owned();
        let first = rewards.files.first().map(|(object, _)| Example { object: object.clone(), ..Example::default() });
        warnings.push(Warning::new("no_rewards", message, first));
    }
    let guardrails = plan.guardrails.map_or(&[][..], Guardrails::list);
    for (guardrail, _) in guardrails.iter().zip(&rewards.guardrails).filter(|(_, counted)| counted.is_empty()) {
        let message = format!("rewards/ has none of the name {:?}, which is a guardrail's", cut(&guardrail.name));
        warnings.push(Warning::new("no_guardrail_rewards", message, None));
    }
    if let Some((rows, first)) = &rewards.unnamed {
        let message = format!(
            "{rows} rewards have no name (it is null, or the column is not there) where others have one, and count as other_reward"
        );
        warnings.push(Warning::new("unnamed_rewards", message, Some(first.clone())));
    }
    if let Some((rows, first)) = &rewards.near {
        let ours = cut(&plan.reward_names().joined());
        let message = format!("{rows} rewards count as other_reward, although their name is nearly {ours:?}");
        warnings.push(Warning::new("reward_name", message, Some(first.clone())));
    }
    warnings
}

/// Warns of files of rewards of which not one was attributed, where so many would have been, were they like those of the other files,
/// that this is no chance: one in a million.
pub(crate) fn of_reward_files(files: &[(String, u64, u64)]) -> Option<Warning> {
    const CHANCE: f64 = 1e-6;
    let (rewards, attributed) = files.iter().fold((0, 0), |(rows, credited), of| (rows + of.1, credited + of.2));
    #[expect(clippy::cast_precision_loss, reason = "a chance")]
    let is_odd = |(_, own, credited): &&(String, u64, u64)| {
        let others = (rewards - own) as f64;
        *credited == 0 && others > 0.0 && (1.0 - attributed as f64 / others).powf(*own as f64) < CHANCE
    };
    let odd: Vec<&(String, u64, u64)> = files.iter().filter(is_odd).collect();
    let (first, own, _) = odd.first()?;
    let more = match odd.len() {
        1 => String::new(),
        many => format!(" (and of {} more files)", many - 1),
    };
    let others = rewards - own;
    let message = format!(
        "not one of the {own} rewards of {}{more} belongs to an exposure, where {attributed} of {others} in the other files do: \
         are its ids or times written otherwise?",
        cut(first)
    );
    Some(Warning::new("unattributed_file", message, Some(Example { object: first.clone(), ..Example::default() })))
}
