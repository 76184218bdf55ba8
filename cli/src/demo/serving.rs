//! Visitors get their variants: what each is served beside the model's weights, and what that earns.

use std::time::Instant;

use fulcrum_core::App;
use fulcrum_core::domain::Visitor;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use uuid::Uuid;

use super::evaluation::{Estimate, Evaluation};
use super::{events, truth};
use crate::answers::{assignment, list, number};
use crate::error::CliError;
use crate::screen::{Screen, Table, percent};

/// How many visitors are served.
const VISITORS: u32 = 10_000;

/// How often each variant was served, and what its visitors will earn.
pub(super) struct Served {
    counts: Vec<u32>,
    /// Mean of the true rates of what was served.
    rate: f64,
    microseconds: f64,
}

/// Serves visitors by the function's own code in this process.
pub(super) async fn serve(app: &App, optimization: Uuid, seed: u64) -> Result<Served, CliError> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let shares: Vec<f64> = (0..truth::contexts()).map(truth::share).collect();
    let mut counts = vec![0; truth::variants()];
    let mut sum = 0.0;
    let started = Instant::now();
    for visitor in 0..VISITORS {
        let context = events::pick(&shares, rng.random());
        let Value::Object(known) = truth::context(context) else { continue };
        let visitor = Visitor { anonymous_id: format!("visitor-{visitor}"), context: known, dry_run: false };
        let decision = app.serve(optimization, &visitor).await?;
        counts[decision.variant_index] += 1;
        sum += truth::rate(decision.variant_index, context);
    }
    let microseconds = started.elapsed().as_secs_f64() * 1e6 / f64::from(VISITORS);
    Ok(Served { counts, rate: sum / f64::from(VISITORS), microseconds })
}

/// The shares that were served beside the weights that the model tells.
pub(super) fn shares(screen: Screen, state: &Value, served: &Served) -> String {
    let mut table = Table::new(&["variant", ">weight", ">served", "", ">true rate"]);
    let weight = |variant: &&Value| number(variant, "/weight");
    let mut variants: Vec<&Value> = list(state, "/variants").iter().collect();
    variants.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    for variant in variants {
        let index = variant["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let Some((index, &count)) = index.and_then(|index| Some((index, served.counts.get(index)?))) else { continue };
        let share = f64::from(count) / f64::from(VISITORS);
        table.row(vec![
            assignment(variant, "/variant"),
            percent(weight(&variant)),
            percent(share),
            screen.bar(share, 20),
            percent(truth::overall(index)),
        ]);
    }
    let title = format!("Served to {VISITORS} visitors, {:.0} µs each", served.microseconds);
    format!("\n{}\n{}", screen.heading(&title), table.render(screen))
}

/// What the policy earns against uniform, in truth and as it is estimated from events alone.
pub(super) fn earnings(screen: Screen, served: &Served, found: &Evaluation) -> String {
    let estimate = |e: Estimate| format!("{} ± {}", percent(e.value), percent(1.96 * e.error));
    let mut table = Table::new(&["", ">true", ">estimated from events (95 %)", "by"]);
    let mut row = |name: &str, truth: f64, estimated: String, by: &str| {
        table.row(vec![name.to_owned(), percent(truth), estimated, by.to_owned()]);
    };
    row("every variant alike", found.true_uniform, estimate(found.uniform), "mean");
    row("the policy", found.true_policy, estimate(found.ips), "IPS");
    row("", found.true_policy, estimate(found.snips), "SNIPS");
    row(&format!("its {VISITORS} visitors"), served.rate, String::new(), "");
    row("the best in every context", found.true_best, String::new(), "");
    let title = format!(
        "The policy earns {:+.1} % against uniform; from {} events that it has not seen: {:+.1} %",
        (found.true_policy / found.true_uniform - 1.0) * 100.0,
        found.events,
        (found.snips.value / found.uniform.value - 1.0) * 100.0
    );
    format!(
        "\n{}\n{}effective events {:.0}, greatest weight {:.1}\n",
        screen.heading(&title),
        table.render(screen),
        found.effective,
        found.greatest
    )
}
