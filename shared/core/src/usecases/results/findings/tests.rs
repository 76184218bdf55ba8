//! Every sentence, from the numbers that make it.

use serde_json::{Value, json};

use super::findings;

/// Sound results with a lift.
fn results(percent: f64, anytime: [f64; 2]) -> Value {
    let variant = |number: u64, level: &str, users: u64, weight: f64| json!({"number": number, "variant": {"headline": level}, "users": users, "weight": weight});
    json!({
        "basis": "users",
        "primary_metric_vs_holdout": {
            "metric_name": "signup", "lift_percent": percent, "lift_ci_anytime": anytime,
            "optimization_users": 84_022, "holdout_users": 9_310,
        },
        "stats": {"estimated_improvement_percent": 40.776, "estimated_improvement_interval": [33.1, 48.6]},
        "variants": [variant(0, "A", 40_000, 0.1), variant(1, "B", 30_000, 0.9)],
        "by_context": [{"factor": "device", "heterogeneity": {"p_value": 0.4}}],
        "time_series": [{"date": "2026-11-14"}, {"date": "2026-11-27"}],
        "quality": {
            "sample_ratio": {"users": 93_332, "held_out": 9_310, "expected": 0.1, "p_value": 0.8, "suspect": false},
            "holdout_saw_other": {"exposures": 11_000, "of_other_variants": 0},
            "unattributed_rewards": {"rewards": 5_663, "without_exposure": 0},
        },
    })
}

fn of(results: &Value) -> Value {
    findings(results.as_object().unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

const USERS: &str = "84,022 optimized and 9,310 held-out users first seen 2026-11-14 to 2026-11-27 UTC";

#[test]
fn an_interval_above_zero_is_a_lift_and_ships() {
    let found = of(&results(12.34, [4.06, 21.0]));
    let sentence = format!(
        "The optimization lifts signup by +12.3 % per user over the holdout (95 % at every look: +4.1 % to +21.0 %; {USERS})."
    );
    assert_eq!(text(&found["sentence"]), sentence);
    assert_eq!(found["verdict"]["kind"], "ship", "{found}");
    assert!(
        text(&found["verdict"]["why"])
            .starts_with("The interval that holds at every look lies wholly above zero (from +4.1 %)")
    );
    assert_eq!(found["window"], json!({"from": "2026-11-14", "to": "2026-11-27"}));
    assert_eq!((&found["basis"], &found["problems"], &found["notes"]), (&json!("per user"), &json!([]), &json!([])));
}

#[test]
fn an_interval_with_zero_is_no_detectable_change_and_names_the_loss_that_may_be() {
    let found = of(&results(2.1, [-5.04, 10.0]));
    let sentence = format!(
        "No detectable change of signup so far: the measured lift is +2.1 % per user over the holdout, and with 95 % at every look \
         from −5.0 % to +10.0 % a loss of 5.0 % is not excluded ({USERS})."
    );
    assert_eq!(text(&found["sentence"]), sentence);
    assert_eq!(found["verdict"]["kind"], "keep_running", "{found}");
    assert_eq!(
        found["notes"][0],
        "The model expects an improvement that the holdout does not show yet: decide by the holdout."
    );
}

#[test]
fn no_sentence_says_that_there_is_no_effect() {
    for (percent, interval) in [(0.0, [-9.0, 9.0]), (0.0, [-0.1, 0.1]), (-3.0, [-9.0, 3.0]), (3.0, [0.0, 6.0])] {
        let found = of(&results(percent, interval));
        assert!(text(&found["sentence"]).starts_with("No detectable change of signup so far:"), "{found}");
        assert!(!found.to_string().contains("no effect"), "{found}");
    }
}

#[test]
fn an_interval_below_zero_does_not_ship() {
    let found = of(&results(-8.0, [-14.0, -2.0]));
    assert!(
        text(&found["sentence"]).starts_with("The optimization lowers signup by 8.0 % per user under the holdout"),
        "{found}"
    );
    assert_eq!(found["verdict"]["kind"], "do_not_ship");
    assert!(text(&found["verdict"]["why"]).contains("(up to −2.0 %)"), "{found}");
}

/// The interval at as many users as are asked for leaves zero out, and at fewer it does not.
#[test]
fn more_users_are_as_many_as_the_interval_needs() {
    use bandit::evaluation::anytime_multiple;
    let found = of(&results(6.0, [-2.0, 14.7]));
    let more = found["verdict"]["more_users"].as_u64().unwrap();
    let users = 84_022.0 + 9_310.0;
    let log = |percent: f64| (percent / 100.0_f64).ln_1p();
    let error = (log(14.7) - log(-2.0)) / 2.0 / anytime_multiple(93_332);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some 100,000 users"
    )]
    let told = |share: f64| {
        let n = users + share * more as f64;
        log(6.0) > error * (users / n).sqrt() * anytime_multiple(n as u64)
    };
    assert!(told(1.0) && !told(0.9), "{more}");
    assert!(text(&found["verdict"]["why"]).contains("more users are needed to tell it from none"), "{found}");
    // At two digits, no more.
    assert_eq!(more % 10_u64.pow(more.ilog10() - 1), 0, "{more}");
}

#[test]
fn a_lift_next_to_zero_is_not_waited_for() {
    let found = of(&results(0.2, [-9.0, 10.3]));
    assert_eq!(found["verdict"]["more_users"], Value::Null);
    assert!(text(&found["verdict"]["why"]).contains("more than 20 times as many users"), "{found}");
}

#[test]
fn without_users_a_holdout_or_a_number_nothing_is_claimed() {
    let mut without_users = results(1.0, [0.5, 2.0]);
    without_users["primary_metric_vs_holdout"] = Value::Null;
    without_users["basis"] = json!("exposures");
    let found = of(&without_users);
    assert!(
        text(&found["sentence"]).starts_with("No lift is measured: the snapshot does not tell users apart"),
        "{found}"
    );
    assert_eq!((&found["verdict"]["kind"], &found["basis"]), (&json!("measure_first"), &json!("per exposure")));

    let mut nobody = results(1.0, [0.5, 2.0]);
    nobody["primary_metric_vs_holdout"] = json!({"metric_name": "signup", "lift_percent": null, "lift_ci_anytime": null, "optimization_users": 84_022, "holdout_users": 0});
    nobody["quality"]["sample_ratio"] =
        json!({"users": 84_022, "held_out": 0, "expected": 0.0, "p_value": 1.0, "suspect": false});
    let found = of(&nobody);
    assert_eq!(
        found["sentence"],
        "No lift is measured: nobody is held out, so that there is nobody to compare 84,022 users with."
    );
    assert_eq!(found["verdict"]["kind"], "measure_first");
    assert!(text(&found["modelled"]).contains("no holdout checks it"), "{found}");
    assert_eq!(found["notes"], json!([]), "there is no holdout to decide by");

    let mut early = nobody;
    early["primary_metric_vs_holdout"]["holdout_users"] = json!(40);
    early["quality"]["sample_ratio"]["expected"] = json!(0.1);
    let found = of(&early);
    assert!(
        text(&found["sentence"])
            .starts_with("No lift is measured yet: there are 84,022 optimized and 40 held-out users"),
        "{found}"
    );
    assert_eq!((&found["verdict"]["kind"], &found["verdict"]["more_users"]), (&json!("keep_running"), &json!(60)));
    assert_eq!(found["modelled"], Value::Null, "there will be a holdout to ask");
}

#[test]
fn what_is_wrong_with_the_assignment_is_told_by_reason_and_place() {
    let mut results = results(12.0, [4.0, 21.0]);
    results["quality"]["assignment"] = json!({
        "suspect": true, "match": 0.953, "age_seconds": 4_500,
        "mismatches": {"holdout_saw_other": 12, "older_version": 2_345, "excluded_variant": 0, "other": 7},
        "concentrates_in": {"factor": "device", "level": null, "match": 0.6, "elsewhere": 1.0},
    });
    let found = of(&results);
    let message = text(&found["problems"][0]["message"]);
    let reasons = "Of those that do not: 12 of held-out users who saw another variant than the baseline; 2,345 of an older version, as \
                   from a cache that is kept for too long; 7 that no version explains: other ids than those that are served, another \
                   context when logging, or another service. The older versions had ended 75 min before, in the median. They concentrate in \
                   device = (unknown).";
    assert!(message.ends_with(reasons), "{message}");
    results["quality"]["assignment"]["concentrates_in"]["level"] = json!("mobile");
    let found = of(&results);
    assert!(text(&found["problems"][0]["message"]).ends_with("They concentrate in device = mobile."), "{found}");
}

#[test]
fn variants_in_other_shares_than_the_policy_has_are_a_problem() {
    let mut results = results(12.0, [4.0, 21.0]);
    for (p, says) in [(0.000_4, Some("(p = 0.000400 over 17 versions and contexts)")), (0.002, None)] {
        results["quality"]["balance_test"] = json!({"p_value": p, "contexts": 17});
        let found = of(&results);
        let message = found["problems"][0]["message"].as_str();
        assert_eq!(message.is_some(), says.is_some(), "{found}");
        assert!(message.zip(says).is_none_or(|(message, says)| message.contains(says)), "{found}");
    }
}

#[test]
fn every_problem_of_the_data_comes_before_any_claim() {
    let broken = [
        (
            "sample_ratio",
            "/quality/sample_ratio/suspect",
            json!(true),
            "9.98 % of 93,332 users are held out where 10.00 % is right",
        ),
        ("assignment", "/quality/assignment", json!({"suspect": true, "match": 0.953}), "(95.30 % match)"),
        (
            "holdout_saw_other",
            "/quality/holdout_saw_other/of_other_variants",
            json!(2_000),
            "2,000 of 11,000 exposures of held-out users",
        ),
        (
            "unattributed_rewards",
            "/quality/unattributed_rewards/without_exposure",
            json!(5_000),
            "5,000 of 5,663 are of ids",
        ),
    ];
    for (code, pointer, value, says) in broken {
        let mut results = results(12.0, [4.0, 21.0]);
        match results.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => results["quality"]["assignment"] = value,
        }
        let found = of(&results);
        assert_eq!((&found["problems"][0]["code"], &found["problems"][1]), (&json!(code), &Value::Null), "{found}");
        assert!(text(&found["problems"][0]["message"]).contains(says), "{found}");
        assert_eq!(found["verdict"]["kind"], "fix_data", "{code}");
        assert!(
            text(&found["sentence"]).starts_with("The data are suspect, so that no lift of signup is claimed"),
            "{found}"
        );
        assert_eq!(found["modelled"], Value::Null, "{code}");
    }
}

#[test]
fn few_rows_are_no_problem() {
    let mut few = results(12.0, [4.0, 21.0]);
    few["quality"]["holdout_saw_other"] = json!({"exposures": 99, "of_other_variants": 99});
    few["quality"]["unattributed_rewards"] = json!({"rewards": 99, "without_exposure": 99});
    assert_eq!(of(&few)["problems"], json!([]));
}

/// The base rate moved while traffic did: the model's improvement is large, the holdout shows nothing.
#[test]
fn a_drift_that_only_the_model_takes_for_an_improvement_is_not_claimed() {
    let mut drifted = results(0.8, [-6.0, 8.1]);
    drifted["baseline_check"] =
        json!({"modelled": 0.041, "measured": 0.06, "difference": -0.019, "z": -7.0, "ok": false});
    let found = of(&drifted);
    assert!(text(&found["sentence"]).starts_with("No detectable change"), "{found}");
    assert_eq!(found["modelled"], Value::Null);
    assert!(!found.to_string().contains("40.8"), "{found}");
    assert_eq!(
        found["notes"][0],
        "Modelled improvements are left out: the holdout contradicts what the model believes of the baseline (modelled 0.0410, measured 0.0600)."
    );
    drifted["baseline_check"]["ok"] = json!(true);
    let modelled = of(&drifted);
    assert!(
        text(&modelled["modelled"])
            .starts_with("By the model, not measured: the policy in force is expected to earn +40.8 %")
    );
    // Unchecked, it is not said either, where there is a holdout that could check it.
    drifted["baseline_check"] = Value::Null;
    assert_eq!(of(&drifted)["modelled"], Value::Null);
}

#[test]
fn guardrails_decide_before_the_lift() {
    let mut guarded = results(12.0, [4.0, 21.0]);
    guarded["guardrails"] =
        json!([{"name": "refund", "status": "violated"}, {"name": "unsubscribe", "status": "pending"}]);
    let found = of(&guarded);
    assert_eq!(found["verdict"]["kind"], "do_not_ship");
    assert!(text(&found["verdict"]["why"]).contains("violated: refund."), "{found}");
    guarded["guardrails"][0]["status"] = json!("ok");
    let found = of(&guarded);
    assert_eq!(found["verdict"]["kind"], "keep_running");
    assert!(text(&found["verdict"]["why"]).contains("not every guardrail is decided yet: unsubscribe"), "{found}");
}

#[test]
fn a_level_that_nobody_is_served_may_go_and_one_with_few_users_is_not_spoken_of() {
    let mut results = results(2.0, [-5.0, 10.0]);
    let variant = |number: u64, level: &str, users: u64, weight: f64| json!({"number": number, "variant": {"headline": level}, "users": users, "weight": weight});
    results["variants"] = json!([
        variant(0, "A", 40_000, 0.0),
        variant(1, "B", 30_000, 0.996),
        variant(2, "C", 1_000, 0.004),
        variant(3, "D", 999, 0.0),
    ]);
    let found = of(&results);
    assert_eq!(found["verdict"]["kind"], "drop_level", "{found}");
    let why = text(&found["verdict"]["why"]);
    assert!(
        why.contains("headline = C may go: by the model it is best for next to nobody, 0.40 % of visitors"),
        "{why}"
    );
    assert!(!found.to_string().contains("headline = D"), "999 users: {found}");
    assert!(!found.to_string().contains("headline = A"), "the baseline stays: {found}");
    // Two levels stay.
    results["variants"] = json!([variant(0, "A", 40_000, 0.999), variant(1, "B", 30_000, 0.001)]);
    assert_eq!(of(&results)["verdict"]["kind"], "keep_running");
    // Where the lift is decided, it is a note.
    results["variants"] =
        json!([variant(0, "A", 40_000, 0.0), variant(1, "B", 30_000, 1.0), variant(2, "C", 2_000, 0.0)]);
    results["primary_metric_vs_holdout"]["lift_ci_anytime"] = json!([1.0, 3.0]);
    let found = of(&results);
    assert_eq!(found["verdict"]["kind"], "ship");
    assert!(text(&found["notes"][0]).starts_with("headline = C may go"), "{found}");
}

#[test]
fn contexts_that_differ_are_noted() {
    let mut results = results(12.0, [4.0, 21.0]);
    results["by_context"][0]["heterogeneity"]["p_value"] = json!(0.0123);
    assert_eq!(
        of(&results)["notes"][0],
        "The lift differs between the levels of device by more than chance (p = 0.012)."
    );
}
