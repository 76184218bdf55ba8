//! The truth behind the demonstration: a landing page whose every rate is known.

use serde_json::{Map, Value, json};

/// A factor and its levels.
pub(super) type Levels = (&'static str, &'static [&'static str]);

/// What is varied; the first levels are the page as it was.
pub(super) const DESIGN: [Levels; 3] = [
    ("headline", &["Save time", "Save money", "Join 10,000 teams"]),
    ("cta_text", &["Sign up", "Start free trial"]),
    ("hero_image", &["product", "people"]),
];
/// The name of the reward.
pub(super) const REWARD: &str = "signup";
/// What is known of a visitor.
pub(super) const CONTEXT: [Levels; 2] = [("device", &["desktop", "mobile"]), ("country", &["US", "DE", "BR"])];
/// The share of visitors at each level of a context factor; the factors are independent.
const SHARES: [&[f64]; 2] = [&[0.45, 0.55], &[0.5, 0.3, 0.2]];

/// Conversion within a day on the log-odds scale: the page as it was, seen on a desktop in the US.
const INTERCEPT: f64 = -3.05;
/// Main effects of the design.
const MAIN: [&[f64]; 3] = [&[0.0, 0.08, 0.24], &[0.0, 0.18], &[0.0, 0.02]];
/// Main effects of the context.
const VISITOR: [&[f64]; 2] = [&[0.0, -0.2], &[0.0, 0.12, -0.25]];
/// Pairs of design levels that do more together, or less, than their sum: factor, level, factor, level, effect.
const TOGETHER: [(usize, usize, usize, usize, f64); 2] = [(0, 2, 1, 1, 0.1), (0, 1, 2, 1, -0.1)];
/// Design levels that do more, or less, for some visitors: design factor, level, context factor, level, effect. People sell on
/// mobile and not on the desktop, and in Germany a company of 10,000 teams convinces nobody.
const FOR_SOME: [(usize, usize, usize, usize, f64); 4] =
    [(2, 1, 0, 1, 0.28), (2, 1, 0, 0, -0.1), (0, 2, 1, 1, -0.3), (0, 1, 1, 1, 0.2)];

/// A space of levels, numbered in row-major order: the last factor runs fastest.
fn levels_of(factors: &[Levels], mut index: usize) -> Vec<usize> {
    let mut levels = vec![0; factors.len()];
    for (level, (_, names)) in levels.iter_mut().zip(factors).rev() {
        *level = index % names.len();
        index /= names.len();
    }
    levels
}

fn size(factors: &[Levels]) -> usize {
    factors.iter().map(|(_, names)| names.len()).product()
}

/// The number of variants.
pub(super) fn variants() -> usize {
    size(&DESIGN)
}

/// The number of contexts.
pub(super) fn contexts() -> usize {
    size(&CONTEXT)
}

fn named(factors: &[Levels], index: usize) -> Value {
    let levels = levels_of(factors, index);
    let pairs = factors.iter().zip(levels).map(|((name, names), level)| ((*name).to_owned(), json!(names[level])));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A variant as it is recorded.
pub(super) fn variant(index: usize) -> Value {
    named(&DESIGN, index)
}

/// A context as it is recorded.
pub(super) fn context(index: usize) -> Value {
    named(&CONTEXT, index)
}

/// The number of a context in the service's own numbering, where every factor has one level more: `unknown`.
pub(super) fn context_number(index: usize) -> usize {
    let levels = levels_of(&CONTEXT, index);
    CONTEXT.iter().zip(levels).fold(0, |number, ((_, names), level)| number * (names.len() + 1) + level)
}

/// The share of visitors who are in a context.
pub(super) fn share(context: usize) -> f64 {
    levels_of(&CONTEXT, context).iter().zip(SHARES).map(|(&level, shares)| shares[level]).product()
}

/// The probability that an exposure converts within a day.
pub(super) fn rate(variant: usize, context: usize) -> f64 {
    let (v, c) = (levels_of(&DESIGN, variant), levels_of(&CONTEXT, context));
    let mut eta = INTERCEPT;
    eta += v.iter().zip(MAIN).map(|(&level, effects)| effects[level]).sum::<f64>();
    eta += c.iter().zip(VISITOR).map(|(&level, effects)| effects[level]).sum::<f64>();
    let holds = |on: &[usize], factor: usize, level: usize| on[factor] == level;
    eta += TOGETHER.iter().filter(|t| holds(&v, t.0, t.1) && holds(&v, t.2, t.3)).map(|t| t.4).sum::<f64>();
    eta += FOR_SOME.iter().filter(|t| holds(&v, t.0, t.1) && holds(&c, t.2, t.3)).map(|t| t.4).sum::<f64>();
    1.0 / (1.0 + (-eta).exp())
}

/// The rate of a variant over all visitors.
pub(super) fn overall(variant: usize) -> f64 {
    (0..contexts()).map(|context| share(context) * rate(variant, context)).sum()
}

fn best(of: impl Fn(usize) -> f64) -> usize {
    (0..variants()).max_by(|&a, &b| of(a).total_cmp(&of(b))).unwrap_or(0)
}

/// The variant that is best over all visitors.
pub(super) fn best_overall() -> usize {
    best(overall)
}

/// The variant that is best in a context.
pub(super) fn best_in(context: usize) -> usize {
    best(|variant| rate(variant, context))
}

/// The `training_data_config` that describes it.
pub(super) fn config() -> Value {
    let factors = |list: &[Levels]| -> Value {
        list.iter().map(|(name, levels)| json!({"name": name, "dtype": "str", "levels": levels})).collect()
    };
    json!({
        "design_factors": factors(&DESIGN),
        "context_factors": factors(&CONTEXT),
        "reward": {"name": REWARD, "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_a_landing_page_and_one_variant_is_clearly_best() {
        let mut rates: Vec<f64> = (0..variants()).map(overall).collect();
        assert_eq!(rates.len(), 12);
        rates.sort_by(|a, b| b.total_cmp(a));
        assert!(rates[0] < 0.08 && rates[11] > 0.03, "{rates:?}");
        assert!(rates[0] - rates[1] > 0.004, "{rates:?}");
    }

    #[test]
    fn the_best_variant_is_not_the_best_for_everybody() {
        let best: Vec<usize> = (0..contexts()).map(best_in).collect();
        assert!(best.iter().any(|&v| v != best_overall()), "{best:?}");
        let agreeing: f64 = (0..contexts()).filter(|&c| best[c] == best_overall()).map(share).sum();
        assert!(agreeing > 0.3, "{best:?}: {agreeing}");
    }

    #[test]
    fn shares_add_up_to_everybody() {
        assert!(((0..contexts()).map(share).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
