//! Who gets what: shares, holdout, exclusions, and how few users a new policy moves.

use fulcrum_core::usecases::Decision;
use serde_json::{Value, json};
use uuid::Uuid;

use super::made::{fixed_id, policy, serving, space};
use super::stage::{Stage, config, mab};

const LEVELS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// What a χ² of 7 degrees of freedom exceeds once in a thousand.
const CHI_7: f64 = 24.322;

fn bytes(counts: [u32; 8]) -> Vec<u8> {
    let (_, _, space) = space(&mab(&LEVELS)["training_data_config"]);
    policy(&space, &[(None, counts.to_vec())]).to_bytes()
}

/// An optimization whose id, and with it every user's hash, is the seed's: a test that holds once holds for ever.
async fn optimization(stage: &Stage, seed: u128, holdout: f64, counts: [u32; 8]) -> Uuid {
    stage.put_serving(&serving(seed, holdout, &mab(&LEVELS)["training_data_config"], 1, bytes(counts))).await;
    fixed_id(seed)
}

async fn serve_many(stage: &Stage, id: Uuid, users: u32) -> Vec<Decision> {
    let mut all = Vec::new();
    for user in 0..users {
        all.push(stage.serve(id, &format!("visitor-{user}"), json!({})).await.unwrap());
    }
    all
}

#[tokio::test]
async fn served_users_follow_their_propensities() {
    let stage = Stage::new().await;
    let counts = [1_000, 2_500, 10, 300, 4_000, 190, 1_500, 500];
    for (seed, holdout) in [(0x101, 0.0), (0x102, 0.0), (0x103, 0.0), (0x104, 20.0)] {
        let id = optimization(&stage, seed, holdout, counts).await;
        let served = serve_many(&stage, id, 200_000).await;
        let mut seen = [0_u32; 8];
        let mut told = [None; 8];
        for decision in &served {
            let v = decision.variant_index;
            seen[v] += 1;
            let first: f64 = *told[v].get_or_insert(decision.propensity);
            assert_eq!(first.to_bits(), decision.propensity.to_bits());
        }
        let told = told.map(Option::unwrap);
        assert!((told.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (v, (&count, told)) in counts.iter().zip(told).enumerate() {
            let baseline = if v == 0 { holdout / 100.0 } else { 0.0 };
            let exact = baseline + (1.0 - holdout / 100.0) * f64::from(count) / 10_000.0;
            assert!((told - exact).abs() < 1e-15, "variant {v}: {told} for {exact}");
        }
        let expected = told.map(|p| p * 200_000.0);
        let chi: f64 = seen.iter().zip(expected).map(|(&n, e)| (f64::from(n) - e).powi(2) / e).sum();
        println!("seed {seed:#x}, optimization {id}, holdout {holdout}: χ² {chi:.2}");
        assert!(chi < CHI_7, "seed {seed:#x}, holdout {holdout}: χ² {chi}, {seen:?}");
    }
}

#[tokio::test]
async fn the_holdout_is_its_share_and_the_same_users_for_ever() {
    let stage = Stage::new().await;
    let id = optimization(&stage, 0x105, 10.0, [0, 10_000, 0, 0, 0, 0, 0, 0]).await;
    let first = serve_many(&stage, id, 20_000).await;
    let held = first.iter().filter(|d| d.holdout).count();
    // Five standard errors, √(20,000 · 0.1 · 0.9) = 42.4 each.
    assert!((1_788..=2_212).contains(&held), "{held}");
    assert!(first.iter().all(|d| d.variant_index == usize::from(!d.holdout)));
    let propensity = |d: &Decision| if d.holdout { 0.1 } else { 0.9 };
    assert!(first.iter().all(|d| d.propensity.to_bits() == f64::to_bits(propensity(d))));
    stage.put_version(id, 2, bytes([0, 0, 0, 0, 5_000, 0, 0, 5_000])).await;
    stage.wait();
    let second = serve_many(&stage, id, 20_000).await;
    assert!(second.iter().all(|d| d.posterior_version == 2));
    assert!(first.iter().zip(&second).all(|(a, b)| a.holdout == b.holdout));
}

#[tokio::test]
async fn a_new_version_moves_at_most_twice_the_total_variation() {
    let stage = Stage::new().await;
    let versions = [
        [1_250, 1_250, 1_250, 1_250, 1_250, 1_250, 1_250, 1_250],
        [1_250, 1_250, 1_250, 1_250, 2_500, 0, 1_250, 1_250],
        [900, 100, 2_000, 2_000, 4_000, 0, 500, 500],
        [0, 0, 0, 10, 9_985, 5, 0, 0],
    ];
    let id = optimization(&stage, 0x106, 0.0, versions[0]).await;
    let mut before = serve_many(&stage, id, 20_000).await;
    for (version, pair) in (2..).zip(versions.windows(2)) {
        stage.put_version(id, version, bytes(pair[1])).await;
        stage.wait();
        let after = serve_many(&stage, id, 20_000).await;
        let moved = before.iter().zip(&after).filter(|(a, b)| a.variant_index != b.variant_index).count();
        #[expect(clippy::cast_precision_loss, reason = "20,000 at most")]
        let moved = moved as f64 / 20_000.0;
        let variation: f64 =
            pair[0].iter().zip(pair[1]).map(|(&a, b)| f64::from(a.abs_diff(b))).sum::<f64>() / 20_000.0;
        let error = 5.0 * (moved * (1.0 - moved) / 20_000.0).sqrt();
        assert!(moved >= variation - error, "version {version}: {moved} moved, at least {variation} must");
        assert!(moved <= 2.0 * variation + error, "version {version}: {moved} moved of twice {variation}");
        before = after;
    }
}

#[tokio::test]
async fn an_untrained_model_serves_every_allowed_variant_alike() {
    let stage = Stage::new().await;
    let mut config = config(&json!([["a", ["x", "y", "z"]], ["b", [false, true]]]), &json!([["c", ["m", "n"]]]));
    config["excluded_combinations"] = json!([{"a": "y", "b": true}, {"a": "z", "b": false}]);
    let body = json!({"name": "n", "model_type": "cmab", "training_data_config": config});
    let id = stage.create(body).await.optimization.id;
    let mut seen = [0_u32; 6];
    for user in 0..20_000 {
        let level = ["m", "n", "o"][user % 3];
        let decision = stage.serve(id, &format!("{user}"), json!({"c": level})).await.unwrap();
        assert_eq!((decision.posterior_version, decision.propensity), (0, 0.25));
        let levels: Vec<&Value> = decision.variant.values().collect();
        assert_eq!(["x", "y", "z"][decision.variant_index / 2], levels[0]);
        assert_eq!(decision.variant_index % 2 == 1, *levels[1]);
        seen[decision.variant_index] += 1;
    }
    // The excluded ones never; each of the others within five standard errors, √(20,000 · ¼ · ¾) = 61.2 each.
    assert_eq!((seen[3], seen[4]), (0, 0));
    assert!([0, 1, 2, 5].iter().all(|&v: &usize| (4_694..=5_306).contains(&seen[v])), "{seen:?}");
}
