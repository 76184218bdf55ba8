//! A model's state as tables and bars.

use std::fmt::Write as _;

use serde_json::Value;

use crate::answers::{assignment, decimal, facts, list, number, scale, skipped, text, warnings};
use crate::screen::{Screen, Table};

const WIDTH: u32 = 28;

/// The whole state.
pub(crate) fn shown(screen: Screen, state: &Value) -> String {
    let observations = match state.pointer("/observations") {
        Some(Value::Object(counts)) => counts.get("exposures").map(Value::to_string).unwrap_or_default(),
        _ => text(state, "/observations"),
    };
    let improvement = |pointer: &str| match number(state, pointer) {
        percent if percent.is_finite() => format!("{percent:+.1} %"),
        _ => String::new(),
    };
    let mut pairs = vec![
        ("model", text(state, "/model_id")),
        ("type", text(state, "/model_type")),
        ("version", text(state, "/posterior_version")),
        ("trained", text(state, "/trained_at")),
        ("exposures", observations),
        ("estimated improvement", improvement("/estimated_improvement_percent")),
        ("best against baseline", improvement("/best_vs_baseline_percent")),
        ("strata", strata(list(state, "/strata"))),
        ("design effect", decimal(number(state, "/diagnostics/design_effect"))),
        ("cut off", capped(state)),
        ("skipped", skipped(state, "/skipped")),
    ];
    pairs.extend(warnings(state));
    let mut shown = facts(screen, &pairs);
    for (title, table) in [
        ("Variants", variants(screen, list(state, "/variants"))),
        ("Best in context", contexts(screen, state)),
        ("Factors", factors(screen, list(state, "/factors"))),
        ("Interactions", interactions(screen, list(state, "/interactions"))),
    ] {
        if let Some(table) = table {
            let _ = write!(shown, "\n{}\n{}", screen.heading(title), table.render(screen));
        }
    }
    shown
}

/// How many strata there are, and from when to when.
fn strata(strata: &[Value]) -> String {
    let date = |stratum: Option<&Value>, end: &str| {
        let second = stratum.and_then(|stratum| stratum.get(end)).and_then(Value::as_i64);
        let time = second.and_then(|second| chrono::DateTime::from_timestamp(second, 0));
        time.map(|time| time.format("%Y-%m-%d").to_string()).unwrap_or_default()
    };
    match strata.len() {
        0 => String::new(),
        count => format!("{count}, {} to {}", date(strata.first(), "from"), date(strata.last(), "to")),
    }
}

/// What the cap of rewards cut off.
fn capped(state: &Value) -> String {
    let of = |name: &str| number(state, &format!("/diagnostics/cap/{name}"));
    if !of("at").is_finite() {
        return String::new();
    }
    format!(
        "{} rewards at {}, {:.2} % of their sum",
        text(state, "/diagnostics/cap/observations"),
        decimal(of("at")),
        100.0 * of("share_of_sum")
    )
}

fn variants(screen: Screen, variants: &[Value]) -> Option<Table> {
    let (min, max) = scale(variants.iter(), "/expected_reward_lo", "/expected_reward_hi");
    let at = |value: f64| (value - min) / (max - min);
    let mut table =
        Table::new(&[">#", "variant", ">n", ">rate", ">expected", "95 % interval", "", ">P(best)", "", ">served"]);
    for variant in variants {
        let of = |name: &str| number(variant, &format!("/{name}"));
        let (mean, lo, hi) = (of("expected_reward_mean"), of("expected_reward_lo"), of("expected_reward_hi"));
        table.row(vec![
            text(variant, "/index"),
            assignment(variant, "/variant"),
            text(variant, "/n"),
            decimal(of("rate")),
            decimal(mean),
            format!("{} … {}", decimal(lo), decimal(hi)),
            screen.interval(at(lo), at(mean), at(hi), WIDTH),
            decimal(of("prob_best")),
            screen.bar(of("prob_best"), 10),
            decimal(of("weight")),
        ]);
    }
    (!variants.is_empty()).then_some(table)
}

fn contexts(screen: Screen, state: &Value) -> Option<Table> {
    let contexts = list(state, "/contexts");
    let variants = list(state, "/variants");
    let mut table = Table::new(&["context", ">n", ">#", "best variant", ">P(best)", ""]);
    for context in contexts {
        let best = text(context, "/best_variant_index");
        let variant = variants.iter().find(|v| text(v, "/index") == best);
        table.row(vec![
            assignment(context, "/context"),
            text(context, "/n"),
            best,
            variant.map(|v| assignment(v, "/variant")).unwrap_or_default(),
            decimal(number(context, "/prob_best")),
            screen.bar(number(context, "/prob_best"), 10),
        ]);
    }
    (!contexts.is_empty()).then_some(table)
}

fn factors(screen: Screen, factors: &[Value]) -> Option<Table> {
    let levels = || factors.iter().flat_map(|factor| list(factor, "/levels"));
    let (min, max) = scale(levels(), "/effect_lo", "/effect_hi");
    let at = |value: f64| (value - min) / (max - min);
    let mut table = Table::new(&["factor", "role", ">importance", "level", ">effect", "95 % interval", ""]);
    for factor in factors {
        for (i, level) in list(factor, "/levels").iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            let of = |name: &str| number(level, &format!("/{name}"));
            let (mean, lo, hi) = (of("effect_mean"), of("effect_lo"), of("effect_hi"));
            table.row(vec![
                first(text(factor, "/name")),
                first(text(factor, "/role")),
                first(decimal(number(factor, "/importance"))),
                text(level, "/level"),
                signed(mean),
                format!("{} … {}", signed(lo), signed(hi)),
                screen.interval(at(lo), at(mean), at(hi), WIDTH),
            ]);
        }
    }
    (!factors.is_empty()).then_some(table)
}

fn interactions(screen: Screen, interactions: &[Value]) -> Option<Table> {
    let greatest = interactions.iter().map(|i| number(i, "/scale")).fold(0.0, f64::max);
    let mut table = Table::new(&["factors", ">scale", ""]);
    for interaction in interactions {
        let names = list(interaction, "/factors").iter().map(|name| text(name, ""));
        let scale = number(interaction, "/scale");
        table.row(vec![names.collect::<Vec<_>>().join(" × "), decimal(scale), screen.bar(scale / greatest, 20)]);
    }
    (!interactions.is_empty()).then_some(table)
}

fn signed(value: f64) -> String {
    if value.is_finite() { format!("{value:+.4}") } else { String::new() }
}
