//! What the demonstration found, beside the truth.

use std::path::Path;

use serde_json::Value;

use super::truth;
use crate::answers::{decimal, list, number, scale, text};
use crate::screen::{Screen, Table, percent};
use crate::shell::quoted;

const WIDTH: u32 = 24;

/// The number of the variant that the model expects the most of.
pub(super) fn learned_best(state: &Value) -> Option<usize> {
    let expected = |variant: &&Value| number(variant, "/expected_reward_mean");
    let best = list(state, "/variants").iter().max_by(|a, b| expected(a).total_cmp(&expected(b)))?;
    index(best, "/index")
}

fn index(value: &Value, pointer: &str) -> Option<usize> {
    usize::try_from(value.pointer(pointer)?.as_u64()?).ok()
}

/// The levels of a variant or context, in the order of the factors.
fn levels(factors: &[truth::Levels], value: &Value) -> String {
    let level = |(name, _): &truth::Levels| text(&value[*name], "");
    factors.iter().map(level).collect::<Vec<_>>().join(" · ")
}

fn names(factors: &[truth::Levels]) -> String {
    factors.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" · ")
}

fn variant_name(variant: usize) -> String {
    levels(&truth::DESIGN, &truth::variant(variant))
}

/// What the run read.
pub(super) fn training(trained: &Value) -> String {
    let of = |name: &str| text(trained, &format!("/observations/{name}"));
    let skipped = trained.pointer("/observations/skipped").and_then(Value::as_object);
    let mut parts = vec![
        format!("{} exposures", of("exposures")),
        format!("{} of {} rewards credited", of("attributed_rewards"), of("rewards")),
    ];
    parts.extend(skipped.into_iter().flatten().map(|(reason, n)| format!("{n} {reason}")));
    format!("Trained in {} ms: {}.", text(trained, "/duration_ms"), parts.join(", "))
}

/// The variants, best first, each with what the model believes of it and its true rate.
pub(super) fn variants(screen: Screen, state: &Value) -> String {
    let mut variants: Vec<&Value> = list(state, "/variants").iter().collect();
    let expected = |variant: &Value| number(variant, "/expected_reward_mean");
    variants.sort_by(|a, b| expected(b).total_cmp(&expected(a)));
    let (min, max) = scale(variants.iter().copied(), "/expected_reward_lo", "/expected_reward_hi");
    let at = |value: f64| (value - min) / (max - min);
    let best = truth::best_overall();
    let header = names(&truth::DESIGN);
    let mut table = Table::new(&[
        header.as_str(),
        ">n",
        ">rate",
        ">expected",
        "95 % interval",
        "",
        ">P(best)",
        "",
        ">true rate",
        "",
    ]);
    for variant in variants {
        let of = |name: &str| number(variant, &format!("/{name}"));
        let (mean, lo, hi) = (of("expected_reward_mean"), of("expected_reward_lo"), of("expected_reward_hi"));
        let truth = index(variant, "/index");
        table.row(vec![
            levels(&truth::DESIGN, &variant["variant"]),
            text(variant, "/n"),
            share(of("rate")),
            share(mean),
            format!("{} … {}", share(lo), share(hi)),
            screen.interval(at(lo), at(mean), at(hi), WIDTH),
            decimal(of("prob_best")),
            screen.bar(of("prob_best"), 10),
            truth.map(|v| percent(truth::overall(v))).unwrap_or_default(),
            if truth == Some(best) { "true best".into() } else { String::new() },
        ]);
    }
    format!("\n{}\n{}", screen.heading("Variants, by expected reward"), table.render(screen))
}

fn share(value: f64) -> String {
    if value.is_finite() { percent(value) } else { String::new() }
}

/// The best variant of every context, and whether it is.
pub(super) fn contexts(screen: Screen, state: &Value) -> String {
    let header = names(&truth::CONTEXT);
    let mut table = Table::new(&[header.as_str(), ">n", "learned best", ">P(best)", "true best"]);
    for context in list(state, "/contexts") {
        let same = |c: &usize| truth::context(*c) == context["context"];
        let Some(truth) = (0..truth::contexts()).find(same).map(truth::best_in) else { continue };
        let learned = index(context, "/best_variant_index");
        table.row(vec![
            levels(&truth::CONTEXT, &context["context"]),
            text(context, "/n"),
            learned.map(variant_name).unwrap_or_default(),
            decimal(number(context, "/prob_best")),
            if learned == Some(truth) { "the same".into() } else { variant_name(truth) },
        ]);
    }
    format!("\n{}\n{}", screen.heading("The best variant by context"), table.render(screen))
}

/// The in-sample metrics of the training answer.
pub(super) fn metrics(screen: Screen, trained: &Value) -> String {
    let of = |name: &str| percent(number(trained, &format!("/in_sample_metrics/{name}")));
    format!(
        "\n{}\nhistoric reward  {}\nexpected reward  {}  (95 %: {} to {})\n",
        screen.heading("In-sample metrics"),
        of("historic_reward"),
        of("expected_reward/mean"),
        of("expected_reward/ci_lower"),
        of("expected_reward/ci_upper")
    )
}

/// Whether the model found what there was to find.
pub(super) fn verdict(screen: Screen, state: &Value) -> String {
    let best = truth::best_overall();
    let lift = (truth::overall(best) / truth::overall(0) - 1.0) * 100.0;
    let verdict = match learned_best(state) {
        Some(learned) if learned == best => format!(
            "The model's best variant is the true best: {} ({lift:+.0} % against the page as it was).",
            variant_name(best)
        ),
        Some(learned) => {
            format!("The model's best variant is {}; the true best is {}.", variant_name(learned), variant_name(best))
        }
        None => "The model has no variants to compare.".to_owned(),
    };
    format!("\n{}\n", screen.heading(&verdict))
}

/// The lines to go on by hand, with the file of variables and the command.
pub(super) fn by_hand(screen: Screen, service: &str, paths: [&Path; 2], model: &str) -> String {
    let [env_file, command] = paths.map(|path| quoted(&path.display().to_string()));
    let url = format!("{service}/api/v2/models");
    let auth = "-H \"Authorization: Bearer $FULCRUM_API_KEY\"";
    format!(
        "\n{}\nset -a; . {env_file}; set +a\n\
         {command} models state {model}\n\
         curl -s {auth} {url}\n\
         curl -s {auth} {url}/{model}\n\
         curl -s {auth} {url}/{model}/state\n\
         curl -s {auth} -X POST -d '{{\"bias\": {{\"headline\": 0.1}}}}' -H 'content-type: application/json' {url}/{model}/train\n\
         curl -s {auth} -X DELETE {url}/{model}\n",
        screen.heading("By hand, in another terminal")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_go_on_are_a_shells() {
        let plain = Screen { bars: false, colour: false };
        let paths = ["/tmp/it's here/local.env", "/opt/fulcrum"].map(Path::new);
        let lines = by_hand(plain, "http://127.0.0.1:3000", paths, "4754cae0-9a5d-4691-91af-6d15ccc1f82e");
        let lines: Vec<&str> = lines.trim().lines().collect();
        assert_eq!(lines[1], r"set -a; . '/tmp/it'\''s here/local.env'; set +a");
        assert!(lines[2].starts_with("/opt/fulcrum models state "), "{lines:?}");
        assert!(lines.last().unwrap().contains("-X DELETE"), "nothing can be asked of a deleted model");
    }
}
