//! `fulcrum results`: what happened in an optimization.

use std::fmt::Write as _;

use lambda_http::http::Method;
use serde_json::Value;

use super::models::call;
use crate::answers::{assignment, facts, list, number, scale, text};
use crate::args::ResultsArgs;
use crate::error::CliError;
use crate::screen::{Screen, Table, percent};

/// Cells of a bar.
const BAR: u32 = 24;

pub(crate) async fn run(args: ResultsArgs) -> Result<(), CliError> {
    let screen = Screen::stdout();
    let ends = [("from", args.from), ("to", args.to)];
    let query: Vec<String> = ends.into_iter().filter_map(|(name, date)| Some(format!("{name}={}", date?))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let path = format!("/api/v2/optimizations/{}/results{mark}{}", args.id, query.join("&"));
    call(&args.service, Method::GET, &path, None, |results| shown(screen, results)).await
}

/// The whole answer.
fn shown(screen: Screen, results: &Value) -> String {
    let mut shown = facts(
        screen,
        &[
            ("snapshot", text(results, "/snapshot_id")),
            ("computed", text(results, "/computed_at")),
            ("basis", format!("per {}", text(results, "/basis").trim_end_matches('s'))),
        ],
    );
    for pointer in ["/findings/sentence", "/findings/modelled"] {
        let sentence = text(results, pointer);
        if !sentence.is_empty() {
            let _ = write!(shown, "\n{sentence}\n");
        }
    }
    let _ = writeln!(shown, "{}", verdict(screen, results));
    shown += &lift(screen, results);
    if let Some(line) = by_day(screen, results) {
        let _ = write!(shown, "\n{}\n{line}", screen.heading("Lift by day, of all users so far"));
    }
    for (title, table) in [("By context", by_context(screen, results)), ("Variants", variants(screen, results))] {
        if let Some(table) = table {
            let _ = write!(shown, "\n{}\n{}", screen.heading(title), table.render(screen));
        }
    }
    shown
}

/// The measured lift with both intervals, and whether the holdout is as large as it should be.
pub(crate) fn lift(screen: Screen, results: &Value) -> String {
    let Some(primary) = results.get("primary_metric_vs_holdout").filter(|primary| !primary.is_null()) else {
        return "There is no measured lift: the snapshot does not tell users apart.\n".to_owned();
    };
    let arm = |name: &str| {
        let users = text(primary, &format!("/{name}_users"));
        format!("{} of {users} users", rate(number(primary, &format!("/{name}_rate"))))
    };
    let measured = match number(primary, "/lift_percent") {
        lift if lift.is_finite() => format!("{lift:+.1} %"),
        _ => text(primary, "/status"),
    };
    facts(
        screen,
        &[
            ("measured lift", measured),
            ("95 % at one look", interval(primary, "/lift_ci")),
            ("95 % at every look", interval(primary, "/lift_ci_anytime")),
            ("optimized", arm("optimization")),
            ("holdout", arm("holdout")),
            ("sample ratio", sample_ratio(results)),
        ],
    )
}

/// What to do next, and why.
fn verdict(screen: Screen, results: &Value) -> String {
    let title = text(results, "/findings/verdict/title");
    if title.is_empty() {
        return String::new();
    }
    let problems =
        list(results, "/findings/problems").iter().map(|problem| format!("- {}\n", text(problem, "/message")));
    let notes = list(results, "/findings/notes").iter().map(|note| format!("- {}\n", text(note, "")));
    let rest: String = problems.chain(notes).collect();
    format!("\n{}. {}\n{rest}", screen.heading(&title), text(results, "/findings/verdict/why"))
}

/// A row a day, at most the last 14, with the interval at every look on the scale of the later ones.
fn by_day(screen: Screen, results: &Value) -> Option<String> {
    let known: Vec<&Value> =
        list(results, "/time_series").iter().filter(|day| number(day, "/lift_percent").is_finite()).collect();
    let last = &known[known.len().saturating_sub(14)..];
    let (lo, hi) = ("/lift_ci_anytime/0", "/lift_ci_anytime/1");
    let (min, max) = scale(last.iter().skip(last.len() / 4).copied(), lo, hi);
    let at = |value: f64| (value - min) / (max - min);
    let mut table = Table::new(&["day", ">users", ">lift", "95 % at every look", ""]);
    for day in last {
        let users = number(day, "/optimized/users") + number(day, "/holdout/users");
        table.row(vec![
            text(day, "/date"),
            format!("{users}"),
            format!("{:+.1} %", number(day, "/lift_percent")),
            interval(day, "/lift_ci_anytime"),
            screen.interval(at(number(day, lo)), at(number(day, "/lift_percent")), at(number(day, hi)), BAR),
        ]);
    }
    (!last.is_empty()).then(|| table.render(screen))
}

fn sample_ratio(results: &Value) -> String {
    let Some(found) = results.pointer("/quality/sample_ratio").filter(|found| !found.is_null()) else {
        return String::new();
    };
    let (held_out, users) = (number(found, "/held_out"), number(found, "/users"));
    let verdict = if found["suspect"] == Value::Bool(true) { "SUSPECT" } else { "as it should be" };
    let expected = percent(number(found, "/expected"));
    format!(
        "{} held out, {expected} expected: {verdict} (p = {:.3})",
        percent(held_out / users),
        number(found, "/p_value")
    )
}

/// `+1.0 % … +9.5 %`; nothing where there is none.
fn interval(value: &Value, pointer: &str) -> String {
    let end = |end: usize| number(value, &format!("{pointer}/{end}"));
    if end(0).is_finite() && end(1).is_finite() {
        return format!("{:+.1} % … {:+.1} %", end(0), end(1));
    }
    String::new()
}

fn rate(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "none".to_owned() }
}

fn by_context(screen: Screen, results: &Value) -> Option<Table> {
    let factors = list(results, "/by_context");
    let mut table =
        Table::new(&["factor", "level", ">users", ">lift", "95 % at one look", "95 % at every look", "", "differ"]);
    let levels = factors.iter().flat_map(|factor| list(factor, "/levels"));
    let (min, max) = scale(levels, "/lift_ci_anytime/0", "/lift_ci_anytime/1");
    let at = |level: &Value, pointer: &str| (number(level, pointer) - min) / (max - min);
    for factor in factors {
        let p = number(factor, "/heterogeneity/p_value");
        for (place, level) in list(factor, "/levels").iter().enumerate() {
            let first = |text: String| if place == 0 { text } else { String::new() };
            let users = number(level, "/optimization_users") + number(level, "/holdout_users");
            let lift = number(level, "/lift_percent");
            table.row(vec![
                first(text(factor, "/factor")),
                if level["level"].is_null() { "(unknown)".to_owned() } else { text(level, "/level") },
                format!("{users}"),
                if lift.is_finite() { format!("{lift:+.1} %") } else { text(level, "/status") },
                interval(level, "/lift_ci"),
                interval(level, "/lift_ci_anytime"),
                screen.interval(
                    at(level, "/lift_ci_anytime/0"),
                    at(level, "/lift_percent"),
                    at(level, "/lift_ci_anytime/1"),
                    BAR,
                ),
                first(if p.is_finite() { format!("p = {p:.3}") } else { String::new() }),
            ]);
        }
    }
    (!factors.is_empty()).then_some(table)
}

fn variants(screen: Screen, results: &Value) -> Option<Table> {
    let variants = list(results, "/variants");
    let mut table = Table::new(&[
        ">#",
        "variant",
        ">users",
        ">per user",
        ">exposures",
        ">per exposure",
        ">expected",
        "",
        ">P(best)",
        ">served",
        "",
    ]);
    let (lo, hi) = ("/expected_reward_lo", "/expected_reward_hi");
    let (min, max) = scale(variants.iter(), lo, hi);
    let at = |variant: &Value, pointer: &str| (number(variant, pointer) - min) / (max - min);
    for variant in variants {
        let of = |name: &str| {
            let value = number(variant, &format!("/{name}"));
            if value.is_finite() { format!("{value:.4}") } else { String::new() }
        };
        table.row(vec![
            text(variant, "/number"),
            assignment(variant, "/variant"),
            text(variant, "/users"),
            of("user_rate"),
            text(variant, "/exposures"),
            of("rate"),
            of("expected_reward_mean"),
            screen.interval(at(variant, lo), at(variant, "/expected_reward_mean"), at(variant, hi), BAR),
            of("prob_best"),
            of("weight"),
            screen.bar(number(variant, "/weight"), 10),
        ]);
    }
    (!variants.is_empty()).then_some(table)
}
