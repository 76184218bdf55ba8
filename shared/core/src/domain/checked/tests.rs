use serde_json::{Value, json};

use super::*;

fn base() -> Value {
    json!({
        "design_factors": [
            {"name": "headline", "dtype": "str", "levels": ["a", "b", "c"]},
            {"name": "sticky", "dtype": "bool"}
        ],
        "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24}
    })
}

fn check(model_type: ModelType, config: Value) -> Result<Checked, ApiError> {
    Checked::new(model_type, serde_json::from_value(config).unwrap())
}

/// The places and messages of the faults of the base configuration with one part replaced.
fn faults(model_type: ModelType, pointer: &str, value: Value) -> Vec<(String, String)> {
    let mut config = base();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(key.to_owned(), value)),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no parts"),
    }
    match check(model_type, config) {
        Err(ApiError::InvalidRequest { details, .. }) => details.into_iter().map(|d| (d.field, d.message)).collect(),
        other => panic!("{pointer} was accepted: {other:?}"),
    }
}

#[test]
fn a_right_configuration_passes_and_bool_levels_are_written_out() {
    let checked = check(ModelType::Cmab, base()).unwrap();
    assert_eq!(checked.space.variants(), 6);
    assert_eq!(checked.space.contexts(), 3);
    assert_eq!(checked.config.design_factors[1].levels, Some(vec![json!(false), json!(true)]));
    assert!((checked.settings.exploration - 1.0).abs() < f64::EPSILON);
    assert_eq!(checked.settings.prior, Prior::default());
}

#[test]
fn levels_are_kept_as_they_were_given_and_know_what_they_were() {
    let mut config = base();
    let named = json!({"id": "l1", "value": "b", "previous_values": ["B", "bee"]});
    config["design_factors"][0]["levels"] = json!(["a", named, {"id": "l2", "value": "c"}]);
    config["design_factors"][1]["levels"] =
        json!([false, {"id": "on", "value": true, "previous_values": ["on", "yes"]}]);
    config["excluded_combinations"] = json!([{"headline": "bee", "sticky": true}]);
    let checked = check(ModelType::Cmab, config.clone()).unwrap();
    assert_eq!(serde_json::to_value(&checked.config).unwrap()["design_factors"], config["design_factors"]);
    let headline = &checked.space.design()[0];
    assert_eq!(headline.levels(), ["a", "b", "c"]);
    assert_eq!(
        ["a", "bee", "B", "c", "Bee"].map(|text| headline.level(text)),
        [Some(0), Some(1), Some(1), Some(2), None]
    );
    assert_eq!(checked.space.design()[1].level("yes"), Some(1));
    assert!(!checked.space.is_allowed(checked.space.encode_variant(&[1, 1])), "excluded under its old name");
}

#[test]
fn every_rule_names_its_place_and_the_value() {
    let long = "x".repeat(257);
    let many: Vec<String> = (0..51).map(|i| i.to_string()).collect();
    let eleven: Vec<Value> = (0..11).map(|i| json!({"name": format!("f{i}"), "dtype": "bool"})).collect();
    let cases = [
        ("/design_factors", json!([]), "design_factors", "there are 0; 1 to 10"),
        ("/design_factors", json!(eleven), "design_factors", "there are 11; 1 to 10"),
        ("/context_factors", json!(eleven), "context_factors", "there are 11; 0 to 10"),
        ("/design_factors/0/name", json!("1st"), "design_factors[0].name", "\"1st\" does not match"),
        ("/design_factors/0/name", json!(""), "design_factors[0].name", "\"\" does not match"),
        ("/design_factors/0/name", json!("a".repeat(65)), "design_factors[0].name", "does not match"),
        ("/design_factors/0/name", json!("device"), "context_factors[0].name", "\"device\" is taken"),
        ("/design_factors/0/name", json!("Sticky"), "design_factors[1].name", "\"sticky\" is taken by \"Sticky\""),
        ("/design_factors/0/name", json!("DEVICE"), "context_factors[0].name", "\"device\" is taken by \"DEVICE\""),
        ("/design_factors/0/levels", json!(["a"]), "design_factors[0].levels", "there are 1; 2 to 50"),
        ("/design_factors/0/levels", json!(many), "design_factors[0].levels", "there are 51; 2 to 50"),
        ("/design_factors/0/levels", json!(["a", "a"]), "design_factors[0].levels", "\"a\" twice"),
        ("/design_factors/0/levels", json!(["a", ""]), "design_factors[0].levels[1]", "it has 0 characters"),
        ("/design_factors/0/levels", json!(["a", long]), "design_factors[0].levels[1]", "it has 257 characters"),
        ("/design_factors/0/levels", json!(["a", 2]), "design_factors[0].levels[1]", "2 is not a string"),
        ("/design_factors/0/levels", Value::Null, "design_factors[0].levels", "only a bool factor"),
        ("/design_factors/1/levels", json!([true, "no"]), "design_factors[1].levels[1]", "\"no\" is not true or false"),
        ("/design_factors/1/levels", json!([true, true]), "design_factors[1].levels", "\"true\" twice"),
        ("/design_factors/0/levels", json!(["a", {"value": "b"}]), "design_factors[0].levels[1].id", "it is missing"),
        ("/design_factors/0/levels", json!(["a", {"id": "1"}]), "design_factors[0].levels[1].value", "it is missing"),
        (
            "/design_factors/0/levels",
            json!(["a", {"id": "1", "value": "b", "text": "B"}]),
            "design_factors[0].levels[1].text",
            "a level has id, value and previous_values",
        ),
        (
            "/design_factors/0/levels",
            json!([{"id": "1", "value": "a"}, {"id": "1", "value": "b"}]),
            "design_factors[0].levels[1].id",
            "\"1\" is the id of two levels",
        ),
        (
            "/design_factors/0/levels",
            json!(["a", {"id": "1", "value": "b", "previous_values": ["c", 2]}]),
            "design_factors[0].levels[1].previous_values[1]",
            "2 is not a string",
        ),
        (
            "/design_factors/0/levels",
            json!(["a", {"id": "1", "value": "b", "previous_values": ["a"]}]),
            "design_factors[0].levels",
            "\"a\" twice",
        ),
        ("/reward/name", json!(""), "reward.name", "\"\" is not a string"),
        (
            "/attribution/conversion_window_hours",
            json!(0),
            "attribution.conversion_window_hours",
            "0 is not between 1 and 2160",
        ),
        (
            "/attribution/conversion_window_hours",
            json!(2161),
            "attribution.conversion_window_hours",
            "2161 is not between",
        ),
        ("/exploration", json!(0.2), "exploration", "0.2 is not between 0.25 and 2"),
        ("/exploration", json!(2.1), "exploration", "2.1 is not between 0.25 and 2"),
        ("/prior", json!({"main_scale": 0.0}), "prior.main_scale", "0 is not between"),
        ("/prior", json!({"pair_scale": 11.0}), "prior.pair_scale", "11 is not between"),
        ("/excluded_combinations", json!([{}]), "excluded_combinations[0]", "would exclude every variant"),
        (
            "/excluded_combinations",
            json!([{"device": "mobile"}]),
            "excluded_combinations[0].device",
            "no design factor",
        ),
        (
            "/excluded_combinations",
            json!([{"headline": "z"}]),
            "excluded_combinations[0].headline",
            "\"z\" is not a level",
        ),
        ("/excluded_combinations", json!([{"headline": "a"}]), "excluded_combinations", "exclude the baseline"),
        (
            "/excluded_combinations",
            json!([{"headline": "b"}, {"headline": "c"}, {"sticky": true}]),
            "excluded_combinations",
            "leave only the baseline",
        ),
        (
            "/excluded_combinations",
            json!(vec![json!({"headline": "b"}); 1001]),
            "excluded_combinations",
            "there are 1001",
        ),
    ];
    for (pointer, value, place, message) in cases {
        let shown = value.to_string();
        let found = faults(ModelType::Cmab, pointer, value);
        let place = format!("training_data_config.{place}");
        let hit = found.iter().any(|(field, text)| *field == place && text.contains(message));
        assert!(hit, "{pointer} = {shown}: wanted {place}: {message}, found {found:?}");
    }
}

#[test]
fn how_models_learn_names_its_place_and_the_value() {
    for (pointer, value, place, message) in [
        ("/reward/distribution", json!("normal"), "reward.distribution", "this one is bool"),
        ("/reward/cap", json!({"value": 5}), "reward.cap", "this one is bool"),
        ("/time", json!({"half_life_days": 0}), "time.half_life_days", "0 is not between 0.1 and 3650"),
        ("/time", json!({"half_life_days": 4000}), "time.half_life_days", "4000 is not between"),
        ("/minimum_share", json!(-0.01), "minimum_share", "-0.01 is not between 0 and 0.05"),
        ("/minimum_share", json!(0.06), "minimum_share", "0.06 is not between 0 and 0.05"),
        ("/burn_in", json!({"exposures": 0}), "burn_in.exposures", "0 is not between 1 and"),
        (
            "/burn_in",
            json!({"exposures": 9_007_199_254_740_992_u64}),
            "burn_in.exposures",
            "9007199254740992 is not between 1 and 9007199254740991",
        ),
        ("/burn_in", json!({"hours": 0}), "burn_in.hours", "0 is not above 0 and at most 8760"),
        ("/burn_in", json!({"hours": 9000}), "burn_in.hours", "9000 is not above 0"),
    ] {
        let found = faults(ModelType::Cmab, pointer, value);
        let hit = found
            .iter()
            .any(|(field, text)| *field == format!("training_data_config.{place}") && text.contains(message));
        assert!(hit, "{pointer}: wanted {place}: {message}, found {found:?}");
    }
}

#[test]
fn a_cap_is_of_numeric_rewards_and_within_reason() {
    for (cap, place, message) in [
        (json!({"quantile": 0.4}), "reward.cap.quantile", "0.4 is not at least 0.5 and below 1"),
        (json!({"quantile": 1}), "reward.cap.quantile", "1 is not at least 0.5 and below 1"),
        (json!({"value": 0}), "reward.cap.value", "0 is not a number above 0"),
        (json!({"value": -3}), "reward.cap.value", "-3 is not a number above 0"),
    ] {
        let found = faults(ModelType::Cmab, "/reward", json!({"name": "n", "type": "numeric", "cap": cap}));
        assert_eq!(found, [(format!("training_data_config.{place}"), message.to_owned())]);
    }
    let mut config = base();
    config["reward"] = json!({"name": "n", "type": "numeric", "cap": {"quantile": 0.999}, "distribution": "two_part"});
    assert_eq!(check(ModelType::Cmab, config).unwrap().settings.distribution, bandit::Distribution::TwoPart);
}

#[test]
fn a_minimum_share_is_one_that_all_variants_can_have() {
    let mut config = base();
    let levels: Vec<String> = (0..11).map(|i| i.to_string()).collect();
    config["design_factors"][0]["levels"] = json!(levels);
    config["minimum_share"] = json!(0.05);
    let Err(ApiError::InvalidRequest { details, .. }) = check(ModelType::Cmab, config.clone()) else {
        panic!("accepted")
    };
    assert_eq!(details[0].field, "training_data_config.minimum_share");
    assert!(details[0].message.starts_with("0.05 for each of 22 allowed variants is 1.1 in all"), "{details:?}");
    config["minimum_share"] = json!(0.045);
    assert!(check(ModelType::Cmab, config).is_ok());
}

#[test]
fn a_cmab_may_be_a_factorial_test_without_context() {
    let mut config = base();
    config["context_factors"] = json!([]);
    let checked = check(ModelType::Cmab, config).unwrap();
    assert_eq!((checked.space.contexts(), checked.space.variants()), (1, 6));
}

#[test]
fn a_mab_has_no_context_and_no_scales() {
    let found = faults(ModelType::Mab, "/prior", json!({"fixed": true}));
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["training_data_config.context_factors", "training_data_config.prior"]);
}

#[test]
fn too_many_variants_and_coefficients_are_counted() {
    let factor = |name: &str, levels: usize| json!({"name": name, "dtype": "str", "levels": (0..levels).map(|i| format!("l{i}")).collect::<Vec<_>>()});
    let three = json!([factor("a", 11), factor("b", 10), factor("c", 10)]);
    let found = faults(ModelType::Cmab, "/design_factors", three);
    assert!(found[0].1.contains("1100 variants; at most 1000"), "{found:?}");

    let mut config = base();
    config["design_factors"] = json!([factor("a", 20), factor("b", 50)]);
    config["context_factors"] = json!([factor("k", 50)]);
    let Err(ApiError::InvalidRequest { details, .. }) = check(ModelType::Cmab, config) else { panic!("accepted") };
    // 1 + 70 + 51 + 20·50 + 70·51: unknown is a level of k
    assert!(details[0].message.contains("4692 coefficients; at most 2000"), "{details:?}");
}

#[test]
fn a_configuration_that_no_record_holds_is_refused() {
    let wide: Vec<String> = (10..60).map(|i| format!("{i}{}", "é".repeat(254))).collect();
    let factors: Vec<Value> =
        (0..10).map(|i| json!({"name": format!("k{i}"), "dtype": "str", "levels": wide})).collect();
    let mut config = base();
    config["context_factors"] = json!(factors);
    let Err(ApiError::InvalidRequest { details, .. }) = check(ModelType::Cmab, config) else { panic!("accepted") };
    assert!(details[0].message.contains("at most 150000 are kept"), "{details:?}");
}

#[test]
fn biases_are_of_known_factors_and_in_range() {
    let checked = check(ModelType::Cmab, base()).unwrap();
    let bias = |name: &str, value: f64| checked.check_bias(&BTreeMap::from([(name.to_owned(), value)]));
    assert!(bias("headline", 0.1).is_ok());
    assert!(bias("device", 10.0).is_ok());
    for (name, value, message) in [
        ("color", 0.1, "bias.color: there is no factor \"color\"; the factors are headline, sticky, device"),
        ("headline", -0.1, "bias.headline: -0.1 is not between 0 and 10"),
        ("headline", 10.5, "bias.headline: 10.5 is not between 0 and 10"),
        ("headline", f64::NAN, "bias.headline: NaN is not between 0 and 10"),
    ] {
        assert_eq!(bias(name, value).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_cmab_may_have_no_context() {
    let mut config = base();
    config["context_factors"] = json!([]);
    let checked = check(ModelType::Cmab, config).unwrap();
    // 1 + 5 + 3·2
    assert_eq!((checked.space.contexts(), checked.space.columns()), (1, 12));
}

#[test]
fn weighted_outcomes_make_a_numeric_model_and_name_what_is_wrong_with_them() {
    let outcome = |key: &str, weight: f64, by: &str, value: Value| json!({"key": key, "weight": weight, "match": {"by": by, "value": value}});
    let yearly = outcome("yearly", 12.0, "value", json!(2));
    let trial = outcome("trial", -1.5, "name", json!("trial"));
    let reward = |outcomes: Value| json!({"name": "signup", "type": "bool", "outcomes": outcomes});
    let mut config = base();
    config["reward"] = reward(json!([yearly, outcome("paid", 1.0, "value", json!(true)), trial]));
    let checked = check(ModelType::Cmab, config.clone()).unwrap();
    assert_eq!(checked.settings.reward, bandit::RewardType::Numeric);
    assert_eq!(serde_json::to_value(&checked.config).unwrap()["reward"]["outcomes"][2]["key"], "trial");
    assert_eq!(checked.config.reward.names(), ["signup", "trial"]);

    let numeric = json!({"name": "signup", "type": "numeric", "outcomes": [yearly, trial]});
    let found = faults(ModelType::Cmab, "/reward", numeric);
    assert_eq!(found[0].0, "training_data_config.reward.type", "{found:?}");
    let many: Vec<Value> = (0..21).map(|i| outcome(&format!("o{i}"), 1.0, "value", json!(i))).collect();
    for (second, place, message) in [
        (outcome("yearly", 1.0, "value", json!(1)), "[1].key", "\"yearly\" is the key of two outcomes"),
        (outcome("failure", 1.0, "value", json!(1)), "[1].key", "\"failure\" is what exposures without an outcome"),
        (outcome("", 1.0, "value", json!(1)), "[1].key", "\"\" is not a string of 1 to 256"),
        (outcome("x", 2e9, "value", json!(1)), "[1].weight", "2000000000 is not between"),
        (outcome("x", 1.0, "value", json!(2.0)), "[1].match", "it is that of outcomes[0] already"),
        (outcome("x", 1.0, "value", json!("2")), "[1].match.value", "\"2\" is neither a number nor a bool"),
        (outcome("x", 1.0, "name", json!(2)), "[1].match.value", "2 is not a string"),
        (outcome("x", 1.0, "name", json!("")), "[1].match.value", "\"\" is not a string"),
    ] {
        let found = faults(ModelType::Cmab, "/reward", reward(json!([yearly, second])));
        assert_eq!(found[0].0, format!("training_data_config.reward.outcomes{place}"), "{found:?}");
        assert!(found[0].1.contains(message), "{found:?}");
    }
    for (outcomes, there) in [(json!([yearly]), "there are 1;"), (json!(many), "there are 21;")] {
        let found = faults(ModelType::Cmab, "/reward", reward(outcomes));
        assert!(found[0].1.starts_with(there), "{found:?}");
    }
}

#[test]
fn guardrails_are_other_rewards_with_a_margin_that_can_be_passed() {
    let guardrail = |name: &str, worse: &str, margin: f64| json!({"name": name, "type": "bool", "worse_when": worse, "margin_percent": margin});
    let mut config = base();
    config["guardrails"] = json!([guardrail("refund", "up", 1_000.0), guardrail("visit", "down", 0.0)]);
    let checked = check(ModelType::Cmab, config.clone()).unwrap();
    assert_eq!(checked.config.reward_names(), [config["reward"]["name"].as_str().unwrap(), "refund", "visit"]);
    assert_eq!(checked.guardrails.unwrap().list().len(), 2);
    assert_eq!(serde_json::to_value(&checked.config).unwrap()["guardrails"], config["guardrails"], "kept as sent");
    let own = config["reward"]["name"].as_str().unwrap().to_owned();
    let long = "x".repeat(257);
    for (second, place, message) in [
        (guardrail(&own, "up", 1.0), "name", "is what the model learns from; a guardrail is another reward"),
        (guardrail("refund", "down", 1.0), "name", "\"refund\" is the name of two guardrails"),
        (guardrail("", "up", 1.0), "name", "\"\" is not a string of 1 to 256 characters"),
        (guardrail(&long, "up", 1.0), "name", "is not a string of 1 to 256 characters"),
        (guardrail("x", "up", -0.5), "margin_percent", "-0.5 is not between 0 and 1000 per cent"),
        (guardrail("x", "up", 1_001.0), "margin_percent", "1001 is not between 0 and 1000 per cent"),
        (guardrail("x", "down", 100.0), "margin_percent", "100 is not below 100 per cent"),
    ] {
        let found = faults(ModelType::Cmab, "/guardrails", json!([guardrail("refund", "up", 1.0), second]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("training_data_config.guardrails[1].{place}"));
        assert!(found[0].1.contains(message), "{found:?}");
    }
    let many: Vec<Value> = (0..11).map(|i| guardrail(&format!("g{i}"), "up", 1.0)).collect();
    let found = faults(ModelType::Cmab, "/guardrails", json!(many));
    assert_eq!(
        found[0],
        ("training_data_config.guardrails".to_owned(), "there are 11; at most 10 are allowed".to_owned())
    );
}
