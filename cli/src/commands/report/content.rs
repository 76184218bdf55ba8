//! What a report says, in order: the answer, progress, impact as measured and then as modelled, variants and factors, interactions,
//! guardrails, data quality, what to do next, and how it was made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Sources;
use super::document::{Block, Document, Table};
use super::figures::{count, ends, interval, levels, plain, reward, share, signed, words};
use super::svg::{Point, Row, bands, intervals, stack};
use crate::answers::{list, number};

/// Variants that are drawn; the table has as many.
const MOST_VARIANTS: usize = 20;
/// Variants that have a colour of their own; what is left is drawn as one.
const MOST_SHARES: usize = 7;
/// Nothing is said of a level or a variant that fewer users have seen.
const LEAST_USERS: f64 = 1_000.0;

/// The report.
pub(super) fn document(sources: &Sources) -> Document {
    let title = plain(&sources.optimization, "/name");
    let numeric =
        sources.optimization.pointer("/training_data_config/reward/type").and_then(Value::as_str) == Some("numeric");
    let results = &sources.results;
    let mut blocks = Vec::new();
    if results.is_null() {
        blocks.push(Block::Lead("Nothing is measured yet: no training run has finished.".to_owned()));
        blocks.extend(failure(sources));
        return Document { title, blocks };
    }
    summary(results, &mut blocks);
    blocks.extend(failure(sources));
    progress(sources, &mut blocks);
    measured(results, numeric, &mut blocks);
    modelled(results, numeric, &mut blocks);
    variants(results, numeric, &mut blocks);
    factors(sources, numeric, &mut blocks);
    interactions(results, &mut blocks);
    guardrails(results, &mut blocks);
    quality(sources, &mut blocks);
    next(results, &mut blocks);
    method(results, &mut blocks);
    Document { title, blocks }
}

fn heading(text: &str) -> Block {
    Block::Heading(text.to_owned())
}

fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

/// The answer in one sentence, and what the model adds to it where it may.
fn summary(results: &Value, blocks: &mut Vec<Block>) {
    let sentence = plain(results, "/findings/sentence");
    if sentence.is_empty() {
        blocks.push(text("This service does not say what follows from its numbers: it is older than this command."));
        return;
    }
    blocks.push(Block::Lead(sentence));
    let modelled = plain(results, "/findings/modelled");
    if !modelled.is_empty() {
        blocks.push(Block::Modelled(modelled));
    }
}

fn failure(sources: &Sources) -> Option<Block> {
    let message = plain(&sources.model, "/last_error/message");
    let at = plain(&sources.model, "/last_error/at");
    (!message.is_empty()).then(|| Block::Text(format!("The last training run failed at {at}: {message}")))
}

fn progress(sources: &Sources, blocks: &mut Vec<Block>) {
    let (results, optimization) = (&sources.results, &sources.optimization);
    blocks.push(heading("Progress"));
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let users = "/primary_metric_vs_holdout";
    blocks.push(Block::Facts(vec![
        fact("Status", plain(optimization, "/status")),
        fact(
            "Users first seen",
            format!("{} to {} (UTC)", plain(results, "/findings/window/from"), plain(results, "/findings/window/to")),
        ),
        fact("Optimized users", count(results, &format!("{users}/optimization_users"))),
        fact("Held-out users", count(results, &format!("{users}/holdout_users"))),
        fact("Versions of the model", list(&sources.posteriors, "/posteriors").len().to_string()),
        fact("Version in force", plain(&sources.model, "/posterior_version")),
        fact(
            "Of what the best policy by context would earn above the baseline",
            share(number(results, "/stats/estimated_progress")),
        ),
    ]));
    let days: Vec<&Value> =
        list(results, "/time_series").iter().filter(|day| !list(day, "/variants").is_empty()).collect();
    if !days.is_empty() {
        blocks.push(shown_by_day(results, &days));
    }
}

/// Shares of exposures by day: the most shown of the last three days, and the others as one.
fn shown_by_day(results: &Value, days: &[&Value]) -> Block {
    let of_day = |day: &Value| -> BTreeMap<u64, f64> {
        let shown =
            list(day, "/variants").iter().filter_map(|v| Some((v["number"].as_u64()?, number(v, "/exposures"))));
        let shown: BTreeMap<u64, f64> = shown.collect();
        let all: f64 = shown.values().sum();
        shown.into_iter().map(|(variant, n)| (variant, if all > 0.0 { n / all } else { 0.0 })).collect()
    };
    let shares: Vec<BTreeMap<u64, f64>> = days.iter().map(|day| of_day(day)).collect();
    let mut recent: BTreeMap<u64, f64> = BTreeMap::new();
    for (place, day) in shares.iter().enumerate() {
        for (&variant, share) in day {
            *recent.entry(variant).or_default() += if place + 3 >= shares.len() { *share } else { 0.0 };
        }
    }
    let mut order: Vec<u64> = recent.keys().copied().collect();
    order.sort_by(|a, b| recent[b].total_cmp(&recent[a]).then(a.cmp(b)));
    let kept = if order.len() > MOST_SHARES + 1 { MOST_SHARES } else { order.len() };
    let name = |variant: u64| {
        let found = list(results, "/variants").iter().find(|v| v["number"].as_u64() == Some(variant));
        found.map_or_else(|| format!("variant {variant}"), |v| levels(&v["variant"]))
    };
    let mut names: Vec<String> = order[..kept].iter().map(|&variant| name(variant)).collect();
    let of = |variant: u64| shares.iter().map(|day| day.get(&variant).copied().unwrap_or(0.0)).collect::<Vec<f64>>();
    let mut series: Vec<Vec<f64>> = order[..kept].iter().map(|&variant| of(variant)).collect();
    if kept < order.len() {
        names.push(format!("{} others", order.len() - kept));
        let rest = |day: usize| (1.0 - series.iter().map(|one| one[day]).sum::<f64>()).max(0.0);
        series.push((0..shares.len()).map(rest).collect());
    }
    let last: Vec<String> = names
        .iter()
        .zip(&series)
        .map(|(name, of)| format!("{name} {}", share(of.last().copied().unwrap_or(0.0))))
        .collect();
    let alt = format!("on the last day {}", last.join(", "));
    let dates: Vec<String> = days.iter().map(|day| short(&plain(day, "/date"))).collect();
    Block::Figure {
        title: "What was shown: share of exposures by day, as logged, holdout included".to_owned(),
        svg: stack(&dates, &names, &series, &alt),
        alt,
    }
}

/// `14 Nov` of 2026-11-14.
fn short(date: &str) -> String {
    date.parse::<chrono::NaiveDate>().map_or_else(|_| date.to_owned(), |date| date.format("%-d %b").to_string())
}

fn measured(results: &Value, numeric: bool, blocks: &mut Vec<Block>) {
    blocks.push(heading("Impact, measured"));
    let primary = &results["primary_metric_vs_holdout"];
    let lift = number(primary, "/lift_percent");
    if !lift.is_finite() {
        blocks.push(Block::Text(plain(results, "/findings/sentence")));
        return;
    }
    let mut table = Table::new(
        "Per user, against the holdout",
        &["", ">optimized", ">holdout", ">lift", ">95 % at one look", ">95 % at every look"],
    );
    table.rows.push(vec![
        plain(primary, "/metric_name"),
        reward(number(primary, "/optimization_rate"), numeric),
        reward(number(primary, "/holdout_rate"), numeric),
        signed(lift),
        interval(ends(primary, "/lift_ci"), signed),
        interval(ends(primary, "/lift_ci_anytime"), signed),
    ]);
    blocks.push(Block::Table(table));
    let days: Vec<&Value> =
        list(results, "/time_series").iter().filter(|day| number(day, "/lift_percent").is_finite()).collect();
    let points: Vec<Point> = days
        .iter()
        .map(|day| Point {
            name: short(&plain(day, "/date")),
            value: number(day, "/lift_percent"),
            narrow: ends(day, "/lift_ci"),
            wide: ends(day, "/lift_ci_anytime"),
        })
        .collect();
    if points.len() > 1 {
        let alt = format!(
            "{} after {} days, 95 % at every look {}",
            signed(lift),
            points.len(),
            interval(ends(primary, "/lift_ci_anytime"), signed)
        );
        blocks.push(Block::Figure {
            title: "Measured lift of all users so far; dark: 95 % at one look, light: 95 % at every look".to_owned(),
            svg: bands(&points, &alt, signed),
            alt,
        });
        let mut table = Table::new(
            "Measured lift by day",
            &["day (UTC)", ">optimized users", ">held-out users", ">lift so far", ">95 % at every look"],
        );
        table.rows.extend(days.iter().map(|day| {
            vec![
                plain(day, "/date"),
                count(day, "/optimized/users"),
                count(day, "/holdout/users"),
                signed(number(day, "/lift_percent")),
                interval(ends(day, "/lift_ci_anytime"), signed),
            ]
        }));
        blocks.push(Block::Table(table));
    }
    by_context(results, blocks);
}

/// The lift at each level that enough users have seen.
fn by_context(results: &Value, blocks: &mut Vec<Block>) {
    let mut table = Table::new(
        "Measured lift by context, of levels with 1,000 users and more",
        &["factor", "level", ">users", ">lift", ">95 % at every look", "levels differ"],
    );
    let mut rows = Vec::new();
    for factor in list(results, "/by_context") {
        let p = number(factor, "/heterogeneity/p_value");
        for level in list(factor, "/levels") {
            let users = number(level, "/optimization_users") + number(level, "/holdout_users");
            let lift = number(level, "/lift_percent");
            if users < LEAST_USERS || !lift.is_finite() {
                continue;
            }
            let name = if level["level"].is_null() { "(unknown)".to_owned() } else { plain(level, "/level") };
            let anytime = ends(level, "/lift_ci_anytime");
            rows.push(Row {
                name: format!("{} {name}", plain(factor, "/factor")),
                value: lift,
                narrow: ends(level, "/lift_ci"),
                wide: anytime,
                note: signed(lift),
                hollow: false,
            });
            table.rows.push(vec![
                plain(factor, "/factor"),
                name,
                format!("{users}"),
                signed(lift),
                interval(anytime, signed),
                if p.is_finite() { format!("p = {p:.3}") } else { String::new() },
            ]);
        }
    }
    if !rows.is_empty() {
        let alt = rows.iter().map(|row| format!("{} {}", row.name, row.note)).collect::<Vec<_>>().join(", ");
        blocks.push(Block::Figure {
            title: "Measured lift by context".to_owned(),
            svg: intervals(&rows, &alt, true, signed),
            alt,
        });
        blocks.push(Block::Table(table));
    }
}

fn modelled(results: &Value, numeric: bool, blocks: &mut Vec<Block>) {
    blocks.push(heading("Impact, modelled"));
    let check = results.pointer("/baseline_check").filter(|check| !check.is_null());
    if let Some(check) = check.filter(|check| check["ok"] == Value::Bool(false)) {
        let rates = [reward(number(check, "/modelled"), numeric), reward(number(check, "/measured"), numeric)];
        blocks.push(Block::Text(format!(
            "Left out: the model believes {} of the baseline where the holdout measured {}, so that its improvements are over something that is not so.",
            rates[0], rates[1]
        )));
        return;
    }
    let stats = &results["stats"];
    let checked = if check.is_some() {
        "The holdout agrees with the model on the baseline."
    } else {
        "No holdout has checked the model's idea of the baseline."
    };
    blocks.push(Block::Modelled(format!("What the model expects per exposure; nothing of it is measured. {checked}")));
    let row = |name: &str, field: &str| {
        vec![
            name.to_owned(),
            signed(number(stats, &format!("/{field}_percent"))),
            interval(ends(stats, &format!("/{field}_interval")), signed),
        ]
    };
    let mut table = Table::new("By the model, per exposure", &["", ">expected", ">95 %"]);
    table.rows.push(row("policy in force, compared with what was earned", "estimated_improvement"));
    table.rows.push(row("best variant on average, compared with the baseline", "best_vs_baseline"));
    blocks.push(Block::Table(table));
}

fn variants(results: &Value, numeric: bool, blocks: &mut Vec<Block>) {
    blocks.push(heading("Variants"));
    let mut all: Vec<&Value> = list(results, "/variants").iter().collect();
    all.sort_by(|a, b| number(b, "/expected_reward_mean").total_cmp(&number(a, "/expected_reward_mean")));
    let is_baseline = |variant: &Value| number(variant, "/number") == 0.0;
    let drawn: Vec<&Value> =
        all.iter().enumerate().filter(|(place, v)| *place < MOST_VARIANTS || is_baseline(v)).map(|(_, v)| *v).collect();
    let rows: Vec<Row> = drawn
        .iter()
        .map(|v| Row {
            name: format!("{}{}", levels(&v["variant"]), if is_baseline(v) { " (baseline)" } else { "" }),
            value: number(v, "/expected_reward_mean"),
            narrow: Some([number(v, "/expected_reward_lo"), number(v, "/expected_reward_hi")])
                .filter(|e| e.iter().all(|x| x.is_finite())),
            wide: None,
            note: share(number(v, "/weight")),
            hollow: is_baseline(v),
        })
        .collect();
    let each = |value: f64| reward(value, numeric);
    let alt = drawn
        .first()
        .map(|v| format!("greatest: {} with {}", levels(&v["variant"]), each(number(v, "/expected_reward_mean"))))
        .unwrap_or_default();
    blocks.push(Block::Figure {
        title: "Expected reward per exposure by the model, with 95 % intervals; on the right what is served now"
            .to_owned(),
        svg: intervals(&rows, &alt, false, each),
        alt,
    });
    let caption = if drawn.len() < all.len() {
        format!("The {} most promising of {} variants, with the baseline", drawn.len(), all.len())
    } else {
        "All variants".to_owned()
    };
    let mut table = Table::new(
        &caption,
        &[
            "variant",
            ">users",
            ">measured per user",
            ">exposures",
            ">measured per exposure",
            ">expected, by the model",
            ">P(best), by the model",
            ">served",
        ],
    );
    table.rows.extend(drawn.iter().map(|v| {
        // A rate of fewer users would be read as if it said something.
        let few = number(v, "/users") < LEAST_USERS;
        vec![
            levels(&v["variant"]),
            count(v, "/users"),
            if few { "too few users".to_owned() } else { each(number(v, "/user_rate")) },
            count(v, "/exposures"),
            if few { String::new() } else { each(number(v, "/rate")) },
            each(number(v, "/expected_reward_mean")),
            share(number(v, "/prob_best")),
            share(number(v, "/weight")),
        ]
    }));
    blocks.push(Block::Table(table));
}

fn factors(sources: &Sources, numeric: bool, blocks: &mut Vec<Block>) {
    let design: Vec<&Value> = list(&sources.state, "/factors").iter().filter(|f| f["role"] == "design").collect();
    if design.is_empty() {
        return;
    }
    blocks.push(heading("Factors"));
    let seen = users_by_level(&sources.results);
    let each = |value: f64| {
        if numeric { reward(value, true) } else { format!("{} points", signed(100.0 * value).trim_end_matches(" %")) }
    };
    let mut table = Table::new(
        "By the model: what a level adds per exposure, averaged over everything else; levels with 1,000 users and more",
        &["factor", "level", ">effect", ">95 %"],
    );
    let mut rows = Vec::new();
    for factor in design {
        for (place, level) in list(factor, "/levels").iter().enumerate() {
            let (name, level_name) = (plain(factor, "/name"), plain(level, "/level"));
            if seen.get(&(name.clone(), level["level"].to_string())).is_none_or(|users| *users < LEAST_USERS) {
                continue;
            }
            let effect = number(level, "/effect_mean");
            let both = Some([number(level, "/effect_lo"), number(level, "/effect_hi")])
                .filter(|e| e.iter().all(|x| x.is_finite()));
            rows.push(Row {
                name: format!("{name}: {level_name}"),
                value: effect,
                narrow: both,
                wide: None,
                note: each(effect),
                hollow: place == 0,
            });
            table.rows.push(vec![name, level_name, each(effect), interval(both, each)]);
        }
    }
    if rows.is_empty() {
        blocks.push(text("No level has been seen by 1,000 users yet: nothing is said of any."));
        return;
    }
    let alt = rows.iter().map(|row| format!("{} {}", row.name, row.note)).collect::<Vec<_>>().join(", ");
    blocks.push(Block::Figure {
        title: "Effects of the levels, by the model".to_owned(),
        svg: intervals(&rows, &alt, true, each),
        alt,
    });
    blocks.push(Block::Table(table));
}

/// Users by factor and level (as JSON) of the variant first seen.
fn users_by_level(results: &Value) -> BTreeMap<(String, String), f64> {
    let mut seen = BTreeMap::new();
    for variant in list(results, "/variants") {
        for (factor, level) in variant["variant"].as_object().into_iter().flatten() {
            *seen.entry((factor.clone(), level.to_string())).or_insert(0.0) += number(variant, "/users");
        }
    }
    seen
}

fn interactions(results: &Value, blocks: &mut Vec<Block>) {
    let pairs = list(results, "/interactions");
    if pairs.is_empty() {
        return;
    }
    blocks.push(heading("Interactions"));
    blocks.push(text("Whether pairs of levels do more, or less, than their sum: the likelihood-ratio test of all pairs of two factors. The matrices are in the console and in the JSON."));
    let mut table = Table::new("Pairs of factors", &["pair", ">p"]);
    table.rows.extend(pairs.iter().map(|pair| {
        let p = number(pair, "/test/p_value");
        let names = [plain(pair, "/factors/0"), plain(pair, "/factors/1")].join(" × ");
        vec![names, if p.is_finite() { format!("{p:.3}") } else { "not enough users".to_owned() }]
    }));
    blocks.push(Block::Table(table));
}

fn guardrails(results: &Value, blocks: &mut Vec<Block>) {
    let found = list(results, "/guardrails");
    if found.is_empty() {
        return;
    }
    blocks.push(heading("Guardrails"));
    let mut table = Table::new(
        "Per user, against the holdout, by the interval that holds at every look",
        &["guardrail", "status", ">lift", ">95 % at every look", "worse when"],
    );
    table.rows.extend(found.iter().map(|g| {
        let worse = format!("{} by more than {} %", plain(g, "/worse_when"), plain(g, "/margin_percent"));
        vec![
            plain(g, "/name"),
            plain(g, "/status"),
            signed(number(g, "/lift_percent")),
            interval(ends(g, "/lift_ci_anytime"), signed),
            worse,
        ]
    }));
    blocks.push(Block::Table(table));
}

fn quality(sources: &Sources, blocks: &mut Vec<Block>) {
    blocks.push(heading("Data quality"));
    let (results, model) = (&sources.results, &sources.model);
    let problems = list(results, "/findings/problems");
    if problems.is_empty() {
        blocks.push(text("No check of the data fails."));
    } else {
        blocks.push(Block::List(problems.iter().map(|problem| plain(problem, "/message")).collect()));
    }
    let quality = &results["quality"];
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let ratio = &quality["sample_ratio"];
    let held_out = format!("{} of {} users", count(ratio, "/held_out"), count(ratio, "/users"));
    let mut facts = vec![
        fact("Held out", format!("{held_out}; {} is right", share(number(ratio, "/expected")))),
        fact("Users with several variants", share(number(quality, "/multiple_variants/share"))),
        fact(
            "Rewards of ids never exposed",
            format!(
                "{} of {}",
                count(quality, "/unattributed_rewards/without_exposure"),
                count(quality, "/unattributed_rewards/rewards")
            ),
        ),
    ];
    if let Some(assignment) = quality.get("assignment").filter(|found| !found.is_null()) {
        facts.push(fact("Exposures as decided", share(number(assignment, "/match"))));
    }
    let skipped = model.pointer("/observations/skipped").and_then(Value::as_object);
    let skipped: Vec<String> =
        skipped.into_iter().flatten().map(|(reason, n)| format!("{} {n}", words(reason))).collect();
    facts.push(fact("Skipped rows", if skipped.is_empty() { "none".to_owned() } else { skipped.join(", ") }));
    blocks.push(Block::Facts(facts));
    let warnings = list(model, "/warnings");
    if !warnings.is_empty() {
        blocks.push(Block::List(warnings.iter().map(|warning| plain(warning, "/message")).collect()));
    }
}

/// What the rules support, and why.
fn next(results: &Value, blocks: &mut Vec<Block>) {
    let title = plain(results, "/findings/verdict/title");
    if title.is_empty() {
        return;
    }
    blocks.push(heading("What to do next"));
    blocks.push(Block::Verdict(title, plain(results, "/findings/verdict/why")));
    let notes = list(results, "/findings/notes");
    if !notes.is_empty() {
        blocks.push(Block::List(notes.iter().filter_map(Value::as_str).map(str::to_owned).collect()));
    }
}

fn method(results: &Value, blocks: &mut Vec<Block>) {
    blocks.push(heading("How this was made"));
    let of_what = [("/computed_at", "at"), ("/snapshot_id", "on snapshot"), ("/posterior_version", "for version")];
    let run = of_what.map(|(pointer, name)| format!("{name} {}", plain(results, pointer))).join(" ");
    blocks.push(Block::List(vec![
        format!("Measured by the training run {run}."),
        "Lift is the optimized users' mean over the holdout's, less one. Who is held out is a hash of the user's id, so that seasons and traffic fall on both alike.".to_owned(),
        "The interval at one look covers the truth in 95 % of cases at a look that was decided beforehand; the interval at every look (an asymptotic confidence sequence) does so at all looks together. Decide by the latter.".to_owned(),
        "What is called modelled is the belief of a Bayesian model, per exposure. It is left out where the holdout contradicts it.".to_owned(),
        "A verdict follows from rules, not from judgement: data that fail a check come first, then guardrails, then the interval at every look.".to_owned(),
    ]));
}
