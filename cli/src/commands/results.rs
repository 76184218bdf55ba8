//! `fulcrum results`: what happened in an optimization.

use std::fmt::Write as _;

use lambda_http::http::Method;
use serde_json::Value;

use super::models::call;
use crate::answers::{assignment, facts, list, number, text};
use crate::args::ResultsArgs;
use crate::error::CliError;
use crate::screen::{Screen, Table, percent};

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
    shown += &lift(screen, results);
    for (title, table) in [("By context", by_context(results)), ("Variants", variants(results))] {
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

fn by_context(results: &Value) -> Option<Table> {
    let factors = list(results, "/by_context");
    let mut table =
        Table::new(&["factor", "level", ">users", ">lift", "95 % at one look", "95 % at every look", "differ"]);
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
                first(if p.is_finite() { format!("p = {p:.3}") } else { String::new() }),
            ]);
        }
    }
    (!factors.is_empty()).then_some(table)
}

fn variants(results: &Value) -> Option<Table> {
    let variants = list(results, "/variants");
    let mut table = Table::new(&[
        ">#",
        "variant",
        ">users",
        ">per user",
        ">exposures",
        ">per exposure",
        ">expected",
        ">P(best)",
        ">served",
    ]);
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
            of("prob_best"),
            of("weight"),
        ]);
    }
    (!variants.is_empty()).then_some(table)
}
