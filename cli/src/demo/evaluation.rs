//! Off-policy evaluation: what a policy would have earned, from events that another one logged. `docs/serving.md` has the formulas.

use std::collections::HashMap;

use serde_json::Value;

use super::events::{DAY_MILLIS, Traffic};
use super::truth;
use crate::answers::list;

/// A rate with its standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) error: f64,
}

/// What a policy earns, in truth and as estimated.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) events: usize,
    pub(super) true_uniform: f64,
    pub(super) true_policy: f64,
    pub(super) true_best: f64,
    pub(super) uniform: Estimate,
    pub(super) ips: Estimate,
    pub(super) snips: Estimate,
    /// (Σw)² / Σw².
    pub(super) effective: f64,
    pub(super) greatest: f64,
}

/// π(v|c) from the published policy, contexts × variants. A context without a row has none.
fn probabilities(policy: &Value) -> Vec<Vec<f64>> {
    let mut table = vec![vec![0.0; truth::variants()]; truth::contexts()];
    let total = policy["total"].as_f64().unwrap_or(f64::NAN);
    for (context, probabilities) in table.iter_mut().enumerate() {
        let number = truth::context_number(context).to_string();
        let Some(row) = list(policy, "/rows").iter().find(|row| row["context"] == number.as_str()) else { continue };
        for (variant, count) in list(row, "/variants").iter().zip(list(row, "/counts")) {
            let variant = variant.as_u64().and_then(|v| usize::try_from(v).ok());
            if let Some(place) = variant.and_then(|v| probabilities.get_mut(v)) {
                *place = count.as_f64().unwrap_or(f64::NAN) / total;
            }
        }
    }
    table
}

/// Whether each exposure converted within a day. A visitor's exposures are more than a day apart.
fn converted(traffic: &Traffic) -> Vec<bool> {
    let mut rewards: HashMap<u32, Vec<u32>> = HashMap::new();
    for reward in &traffic.rewards {
        rewards.entry(reward.visitor).or_default().push(reward.at);
    }
    let within = |from: u32, at: u32| at >= from && at - from <= DAY_MILLIS;
    let one =
        |e: &super::events::Exposure| rewards.get(&e.visitor).is_some_and(|r| r.iter().any(|&at| within(e.at, at)));
    traffic.exposures.iter().map(one).collect()
}

/// A mean with its standard error.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^53")]
fn mean(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - value).powi(2)).sum::<f64>() / n;
    Estimate { value, error: (variance / n).sqrt() }
}

/// Evaluates the published policy on traffic that was logged with every variant alike.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^53")]
pub(super) fn evaluate(policy: &Value, traffic: &Traffic) -> Evaluation {
    let table = probabilities(policy);
    let logged = 1.0 / truth::variants() as f64;
    let rewards: Vec<f64> = converted(traffic).into_iter().map(|c| f64::from(u8::from(c))).collect();
    let weights: Vec<f64> =
        traffic.exposures.iter().map(|e| table[usize::from(e.context)][usize::from(e.variant)] / logged).collect();
    let earned: Vec<f64> = weights.iter().zip(&rewards).map(|(w, r)| w * r).collect();
    let sum: f64 = weights.iter().sum();
    let value = earned.iter().sum::<f64>() / sum;
    let spread: f64 = weights.iter().zip(&rewards).map(|(w, r)| (w * (r - value)).powi(2)).sum();
    let of_truth = |earns: &dyn Fn(usize) -> f64| (0..truth::contexts()).map(|c| truth::share(c) * earns(c)).sum();
    let rates = |c: usize| (0..truth::variants()).map(move |v| truth::rate(v, c));
    Evaluation {
        events: rewards.len(),
        true_uniform: of_truth(&|c| rates(c).sum::<f64>() * logged),
        true_policy: of_truth(&|c| rates(c).zip(&table[c]).map(|(rate, p)| rate * p).sum()),
        true_best: of_truth(&|c| truth::rate(truth::best_in(c), c)),
        uniform: mean(&rewards),
        ips: mean(&earned),
        snips: Estimate { value, error: spread.sqrt() / sum },
        effective: sum * sum / weights.iter().map(|w| w * w).sum::<f64>(),
        greatest: weights.iter().fold(0.0, |most: f64, &w| most.max(w)),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    /// The policy document that serves the best variant of every context with probability ½, and each of the others alike.
    fn document() -> Value {
        let others = u32::try_from(truth::variants() - 1).unwrap();
        let row = |c: usize| {
            let count = |v: usize| if v == truth::best_in(c) { others } else { 1 };
            let counts: Vec<u32> = (0..truth::variants()).map(count).collect();
            let variants: Vec<usize> = (0..truth::variants()).collect();
            json!({"context": truth::context_number(c).to_string(), "variants": variants, "counts": counts})
        };
        json!({"total": 2 * others, "rows": (0..truth::contexts()).map(row).collect::<Vec<_>>()})
    }

    #[test]
    fn both_estimates_find_the_true_value() {
        let traffic = Traffic::draw(DateTime::UNIX_EPOCH, 200_000, 7);
        let found = evaluate(&document(), &traffic);
        assert!(found.true_uniform < found.true_policy && found.true_policy < found.true_best, "{found:?}");
        // Four standard errors, and a hundredth of the rate for conversions that the end of the log cuts off.
        let near = |e: Estimate, truth: f64| (e.value - truth).abs() < 4.0 * e.error + 0.01 * truth;
        assert!(near(found.uniform, found.true_uniform), "{found:?}");
        assert!(near(found.ips, found.true_policy) && near(found.snips, found.true_policy), "{found:?}");
        // Weights are 6 with probability 1/12 and 6/11 otherwise, so that their mean square is 3 + 3/11.
        assert!((found.greatest - 6.0).abs() < 1e-9, "{found:?}");
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let share = found.effective / found.events as f64;
        assert!((share - 11.0 / 36.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn the_policy_that_logged_is_worth_what_was_logged() {
        let traffic = Traffic::draw(DateTime::UNIX_EPOCH, 20_000, 8);
        let variants: Vec<usize> = (0..truth::variants()).collect();
        let row = |c: usize| {
            let number = truth::context_number(c).to_string();
            json!({"context": number, "variants": variants, "counts": vec![1; variants.len()]})
        };
        let rows: Vec<Value> = (0..truth::contexts()).map(row).collect();
        let found = evaluate(&json!({"total": variants.len(), "rows": rows}), &traffic);
        for estimate in [found.ips, found.snips] {
            assert!((estimate.value - found.uniform.value).abs() < 1e-12, "{found:?}");
        }
        assert!((found.true_policy - found.true_uniform).abs() < 1e-12);
    }
}
