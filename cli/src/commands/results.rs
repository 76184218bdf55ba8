//! `fulcrum results`: what happened in an optimization.

use std::fmt::Write as _;

use lambda_http::http::Method;
use serde_json::Value;

use super::models::call;
use super::off_policy;
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
    let tables = [
        ("By context", by_context(screen, results)),
        ("Variants", variants(screen, results)),
        ("Pairs of levels beside the sum of their levels", interactions(results)),
    ];
    for (title, table) in tables {
        if let Some(table) = table {
            let _ = write!(shown, "\n{}\n{}", screen.heading(title), table.render(screen));
        }
    }
    shown + &others(screen, results)
}

/// What other policies would have earned.
fn others(screen: Screen, results: &Value) -> String {
    let Some(found) = results.get("off_policy") else { return String::new() };
    let heading = screen.heading("What other policies would have earned, per exposure");
    match off_policy::table(off_policy::policies(found)) {
        Some(table) => format!("\n{heading}\n{}", table.render(screen)),
        None => format!("\n{heading}\nNot known: {}.\n", off_policy::unavailable(found)),
    }
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
            ("assignment", assignment_check(results)),
            ("baseline", baseline(results)),
        ],
    )
}

/// How many of the logged exposures show what serving decides.
fn assignment_check(results: &Value) -> String {
    let Some(found) = results.pointer("/quality/assignment").filter(|found| !found.is_null()) else {
        return "not checked: no exposure of the last 7 days could be decided again".to_owned();
    };
    let verdict = if found["suspect"] == Value::Bool(true) { "SUSPECT" } else { "as decided" };
    let reasons = ["holdout_saw_other", "older_version", "excluded_variant", "other"].map(|reason| {
        let exposures = number(found, &format!("/mismatches/{reason}"));
        (exposures > 0.0).then(|| format!("{exposures} {}", reason.replace('_', " ")))
    });
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let exposures = text(found, "/exposures");
    format!("{:.2} % of {exposures} exposures match: {verdict}{reasons}", 100.0 * number(found, "/match"))
}

/// What the model believes of the baseline beside what the holdout did.
fn baseline(results: &Value) -> String {
    let Some(check) = results.get("baseline_check").filter(|check| !check.is_null()) else {
        return String::new();
    };
    let verdict = if check["ok"] == Value::Bool(true) { "they agree" } else { "THEY DISAGREE" };
    let of = |name: &str| rate(number(check, &format!("/{name}")));
    format!("modelled {}, measured {}: {verdict} (z = {:+.1})", of("modelled"), of("measured"), number(check, "/z"))
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

/// A row for each pair of design factors: the test, and the pair of levels that stands out the most.
fn interactions(results: &Value) -> Option<Table> {
    let pairs = list(results, "/interactions");
    let mut table = Table::new(&["factors", ">p", "stands out", ">z"]);
    for pair in pairs {
        let p = number(pair, "/test/p_value");
        let level = |factor: usize, level: usize| text(pair, &format!("/levels/{factor}/{level}"));
        let cells = list(pair, "/cells").iter().enumerate();
        let cells = cells.flat_map(|(i, row)| list(row, "").iter().enumerate().map(move |(j, cell)| (i, j, cell)));
        let known = cells.filter(|(_, _, cell)| number(cell, "/z").is_finite());
        let most = known.max_by(|(.., a), (.., b)| number(a, "/z").abs().total_cmp(&number(b, "/z").abs()));
        table.row(vec![
            format!("{} × {}", text(pair, "/factors/0"), text(pair, "/factors/1")),
            if p.is_finite() { format!("{p:.3}") } else { "not enough".to_owned() },
            most.map_or_else(String::new, |(i, j, _)| format!("{} with {}", level(0, i), level(1, j))),
            most.map_or_else(String::new, |(.., cell)| format!("{:+.1}", number(cell, "/z"))),
        ]);
    }
    (!pairs.is_empty()).then_some(table)
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
