//! What is seen of the site while it runs.

use std::time::Duration;

use serde_json::Value;

use super::site;
use super::tally::Tally;
use crate::answers::{assignment, list, number};
use crate::screen::{Redrawn, Screen, Table, percent};

/// Cells of a bar.
const WIDTH: u32 = 24;

/// The picture, which is drawn again and again.
pub(super) struct Picture {
    screen: Screen,
    drawn: Redrawn,
}

impl Picture {
    pub(super) const fn new(screen: Screen, drawn: Redrawn) -> Self {
        Self { screen, drawn }
    }

    /// Whether a picture takes the place of the one before.
    pub(super) const fn goes_back(&self) -> bool {
        self.drawn.goes_back()
    }

    /// Shows what there is now.
    pub(super) fn show(&mut self, tally: &Tally, state: &Value, elapsed: Duration, last: bool) {
        let text = drawn(self.screen, tally, state, elapsed, last);
        self.drawn.draw(&text);
    }
}

fn drawn(screen: Screen, tally: &Tally, state: &Value, elapsed: Duration, last: bool) -> String {
    let mut table = Table::new(&["variant", ">weight", "", ">served", ">rate", ">true rate"]);
    for variant in 0..site::variants() {
        let of_model = list(state, "/variants").iter().find(|v| v["index"].as_u64() == u64::try_from(variant).ok());
        let count = tally.variants[variant];
        // Before the first training every variant is as likely as any other.
        let even = 1.0 / f64::from(u8::try_from(site::variants()).unwrap_or(1));
        let weight = of_model.map_or(even, |v| number(v, "/weight"));
        table.row(vec![
            name(variant),
            share(weight),
            screen.bar(weight, WIDTH),
            count.visitors.to_string(),
            share(count.rate()),
            if variant == site::best() {
                format!("{}  best", percent(site::rate(variant)))
            } else {
                percent(site::rate(variant))
            },
        ]);
    }
    let (optimized, holdout) = (tally.optimized, tally.holdout);
    let lift = (optimized.rate() / holdout.rate() - 1.0) * 100.0;
    let lift = if lift.is_finite() { format!(", {lift:+.0} %") } else { String::new() };
    let visitors = optimized.visitors + holdout.visitors;
    let title = format!(
        "{}{:>3} s  {visitors} visitors, posterior {}",
        if last { "In the end " } else { "" },
        elapsed.as_secs(),
        state["posterior_version"].as_u64().unwrap_or(0)
    );
    format!(
        "{}\n{}\nsign-ups per visitor  served by the model {} ± {}, holdout {} ± {}{lift}\n\
         regret against best   {} of a visitor now; {:.0} sign-ups so far, {:.0} had each variant been served alike\n",
        screen.heading(&title),
        table.render(screen),
        share(optimized.rate()),
        share(1.96 * optimized.error()),
        share(holdout.rate()),
        share(1.96 * holdout.error()),
        share(tally.regret_now()),
        tally.regret,
        tally.regret_of_uniform()
    )
}

/// A share, or a dash where there is none yet.
fn share(value: f64) -> String {
    if value.is_finite() { percent(value) } else { "–".to_owned() }
}

/// The levels of a variant.
fn name(variant: usize) -> String {
    let mut rest = variant;
    let mut levels = Vec::new();
    for (_, names) in site::DESIGN.iter().rev() {
        levels.push(names[rest % names.len()]);
        rest /= names.len();
    }
    levels.reverse();
    levels.join(" · ")
}

/// The variant that the model expects the most of.
pub(super) fn learned_best(state: &Value) -> Option<usize> {
    let expected = |variant: &&Value| number(variant, "/expected_reward_mean");
    let best = list(state, "/variants").iter().max_by(|a, b| expected(a).total_cmp(&expected(b)))?;
    usize::try_from(best["index"].as_u64()?).ok()
}

/// Whether the model found what there was to find.
pub(super) fn verdict(screen: Screen, state: &Value) -> String {
    let found = list(state, "/variants")
        .iter()
        .find(|v| v["index"].as_u64().is_some_and(|i| learned_best(state) == usize::try_from(i).ok()));
    let verdict = match found {
        Some(variant) if learned_best(state) == Some(site::best()) => {
            format!(
                "The model found the best variant: {} (P(best) {:.4}).",
                assignment(variant, "/variant"),
                number(variant, "/prob_best")
            )
        }
        Some(variant) => {
            format!(
                "The model takes {} for the best variant; it is {}.",
                assignment(variant, "/variant"),
                name(site::best())
            )
        }
        None => "The model has no variants to compare.".to_owned(),
    };
    format!("\n{}\n", screen.heading(&verdict))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: Screen = Screen { bars: false, colour: false };

    fn state(best: usize) -> Value {
        let variant = |index: usize| {
            json!({
                "index": index, "variant": {"headline": index.to_string()}, "weight": if index == best { 0.9 } else { 0.02 },
                "prob_best": 0.5, "expected_reward_mean": if index == best { 0.1 } else { 0.05 },
            })
        };
        json!({"posterior_version": 3, "variants": (0..site::variants()).map(variant).collect::<Vec<_>>()})
    }

    #[test]
    fn the_verdict_is_by_the_expected_reward() {
        assert_eq!(learned_best(&Value::Null), None);
        assert!(verdict(PLAIN, &state(site::best())).contains("found the best variant"));
        assert!(verdict(PLAIN, &state(0)).contains("The model takes headline=0 for the best variant; it is Join"));
        assert!(verdict(PLAIN, &Value::Null).contains("no variants"));
    }

    #[test]
    fn a_picture_has_something_for_everything_from_the_first_moment_on() {
        let first = drawn(PLAIN, &Tally::default(), &Value::Null, Duration::ZERO, false);
        assert!(
            first.contains("0 visitors, posterior 0") && !first.contains("NaN") && !first.contains("inf"),
            "{first}"
        );
        let later = drawn(PLAIN, &Tally::default(), &state(5), Duration::from_secs(7), true);
        assert!(later.starts_with("In the end   7 s") && later.contains("90.00 %"), "{later}");
    }
}
