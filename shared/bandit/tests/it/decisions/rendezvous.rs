//! Serving by hash: shares, stickiness, holdout, and the vectors that other languages share.

use std::collections::BTreeMap;

use bandit::{
    DecisionError, Dtype, Factor, FactorError, Row, Space, UserHasher, VariantKeys, choose, choose_for, hold_out,
    propensity, unit_ln, user_hash, variant_uniform,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

fn row(counts: &[u32]) -> Row {
    Row::from_counts(counts).unwrap()
}

/// The space of design factors whose levels have the given ordinals; the levels' texts are their ordinals.
fn space(ordinals: &[&[u32]]) -> Space {
    let factor = |(d, ordinals): (usize, &&[u32])| {
        let levels = ordinals.iter().map(|o| o.to_string()).collect();
        Factor::new(format!("d{d}"), Dtype::Str, levels).unwrap().with_ordinals(ordinals.to_vec()).unwrap()
    };
    Space::new(ordinals.iter().enumerate().map(factor).collect(), vec![]).unwrap()
}

/// Keys of variants that are levels of one factor.
fn keys(variants: usize) -> VariantKeys {
    let ordinals: Vec<u32> = (0..variants.max(2) as u32).collect();
    VariantKeys::of(&space(&[&ordinals])).unwrap()
}

#[test]
fn users_follow_the_policy() {
    // 200,000 users, 6 variants of which one is never served: χ² with 4 degrees of freedom exceeds 33.4 once in a million.
    let row = row(&[5_000, 0, 2_500, 1_500, 900, 100]);
    let keys = VariantKeys::of(&space(&[&[0, 1], &[0, 1, 2]])).unwrap();
    for optimization in ["a", "b", "9e1c0a2e-2f34-4a8f-9d7d-2a0e2c0f9b11"] {
        for holdout in [0.0, 30.0] {
            let mut counts = [0_u32; 6];
            let mut users = 0;
            for user in 0..200_000 {
                let id = format!("user-{user}");
                // Whoever is in the holdout is as any other: the two hashes are independent.
                if holdout == 0.0 || hold_out(optimization, &id, holdout) {
                    counts[choose(optimization, &id, row.as_ref(), &keys)] += 1;
                    users += 1;
                }
            }
            assert_eq!(counts[1], 0);
            let chi: f64 = (0..6)
                .filter(|&v| v != 1)
                .map(|v| {
                    let expected = f64::from(users) * row.as_ref().probability(v);
                    (f64::from(counts[v]) - expected).powi(2) / expected
                })
                .sum();
            assert!(chi < 33.4, "{optimization}, holdout {holdout}: χ² {chi}, {counts:?}");
        }
    }
}

#[test]
fn the_bound_before_the_logarithm_changes_nothing() {
    let counts: Vec<u32> = (0..60).map(|v| (v * v) % 37).collect();
    let (row, keys) = (row(&counts), keys(60));
    for user in 0..20_000 {
        let id = user.to_string();
        let hash = user_hash("o", &id);
        let slow = row.as_ref().iter().fold((f64::INFINITY, 0), |best, (v, n)| {
            let time = -unit_ln(variant_uniform(hash, keys.key(v))) / f64::from(n);
            if time < best.0 { (time, v) } else { best }
        });
        assert_eq!(choose("o", &id, row.as_ref(), &keys), slow.1);
    }
}

#[test]
fn the_holdout_is_a_share_that_only_grows() {
    for percentage in [1.0, 10.0, 50.0] {
        let held = (0..100_000).filter(|u| hold_out("o", &format!("u{u}"), percentage)).count() as f64;
        let p = percentage / 100.0;
        // Five standard errors: false alarm once in 1.7 million.
        assert!((held - 1e5 * p).abs() < 5.0 * (1e5 * p * (1.0 - p)).sqrt(), "{percentage}: {held}");
    }
    for user in 0..20_000 {
        let id = format!("u{user}");
        assert!(!hold_out("o", &id, 0.0) && hold_out("o", &id, 100.0));
        assert!(!hold_out("o", &id, 10.0) || hold_out("o", &id, 20.0));
    }
}

#[test]
fn what_is_hashed_once_for_many_users_decides_as_it_does_for_one() {
    let counts: Vec<u32> = (0..12).collect();
    let row = Row::from_counts(&counts).unwrap();
    let keys = keys(12);
    for optimization in ["", "o", "6f0d6b0e-6a57-4b6c-9c11-3d6a5a3f7a10"] {
        let hasher = UserHasher::new(optimization);
        for id in ["", "a", "visitor-1", "é 🙂", &"x".repeat(1_000)] {
            assert_eq!(hasher.user_hash(id), user_hash(optimization, id));
            assert_eq!(hasher.hold_out(id, 30.0), hold_out(optimization, id, 30.0));
            let chosen = choose_for(hasher.user_hash(id), row.as_ref(), &keys);
            assert_eq!(chosen, choose(optimization, id, row.as_ref(), &keys));
        }
    }
}

#[test]
fn propensities_are_those_of_the_served() {
    let row = row(&[1, 3, 0]);
    let all: Vec<f64> = (0..3).map(|v| propensity(row.as_ref(), v, 0.2)).collect();
    assert!((all[0] - 0.4).abs() < 1e-15 && (all[1] - 0.6).abs() < 1e-15 && all[2] == 0.0);
    let (mut counts, keys) = ([0_u32; 3], keys(3));
    for user in 0..100_000 {
        let id = user.to_string();
        counts[if hold_out("p", &id, 20.0) { 0 } else { choose("p", &id, row.as_ref(), &keys) }] += 1;
    }
    for v in 0..3 {
        let (p, found) = (all[v], f64::from(counts[v]) / 1e5);
        assert!((found - p).abs() <= 5.0 * (p * (1.0 - p) / 1e5).sqrt(), "variant {v}: {found} against {p}");
    }
}

/// Share of users that keep their variant when weights go from x to y, exactly: `Σ_v 1 / Σ_w max(x_w/x_v, y_w/y_v)`.
///
/// Variant v wins both times where `E_w ≥ E_v max(x_w/x_v, y_w/y_v)` for all w, with independent standard exponential
/// numbers E = −ln u; the least of exponentials of rates r is the v-th with probability `r_v / Σ r`.
fn kept(x: &[f64], y: &[f64]) -> f64 {
    (0..x.len())
        .filter(|&v| x[v] > 0.0 && y[v] > 0.0)
        .map(|v| 1.0 / (0..x.len()).map(|w| (x[w] / x[v]).max(y[w] / y[v])).sum::<f64>())
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_new_policy_moves_few(pairs in prop::collection::vec((0..500_u32, 0..500_u32), 1..8), name in "[a-z]{0,6}") {
        let (before, after): (Vec<u32>, Vec<u32>) = pairs.into_iter().map(|(a, b)| (a + 1, b)).unzip();
        prop_assume!(after.iter().any(|&n| n > 0));
        let (x, y) = (row(&before), row(&after));
        let shares = |row: &Row| (0..before.len()).map(|v| row.as_ref().probability(v)).collect::<Vec<f64>>();
        let (px, py) = (shares(&x), shares(&y));
        let variation: f64 = px.iter().zip(&py).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
        let moving = 1.0 - kept(&px, &py);
        prop_assert!(moving <= 2.0 * variation / (1.0 + variation) + 1e-12, "{moving} with distance {variation}");
        let users = 4_000;
        let keys = keys(before.len());
        let moved = (0..users)
            .map(|u| format!("{name}{u}"))
            .filter(|id| choose("o", id, x.as_ref(), &keys) != choose("o", id, y.as_ref(), &keys))
            .count();
        let found = moved as f64 / f64::from(users);
        // Six standard errors and a step: a false alarm once in 10⁸ cases.
        let error = 6.0 * (moving * (1.0 - moving) / f64::from(users)).max(0.0).sqrt() + 2.0 / f64::from(users);
        prop_assert!((found - moving).abs() <= error, "{found} of the users moved, {moving} expected");
    }

    #[test]
    fn nothing_without_a_count_is_served(counts in prop::collection::vec(0..3_u32, 1..30), id in ".{0,12}") {
        prop_assume!(counts.iter().any(|&n| n > 0));
        let (row, keys) = (row(&counts), keys(counts.len()));
        let v = choose("o", &id, row.as_ref(), &keys);
        prop_assert!(counts[v] > 0);
        prop_assert_eq!(v, choose("o", &id, row.as_ref(), &keys));
        // Twice the counts are the same policy.
        let double: Vec<u32> = counts.iter().map(|n| n * 2).collect();
        prop_assert_eq!(v, choose("o", &id, self::row(&double).as_ref(), &keys));
    }

    #[test]
    fn a_level_that_comes_or_goes_moves_nobody(
        ordinals in prop::collection::vec(prop::collection::btree_set(0..64_u32, 2..5), 1..4),
        gone in (0..4_usize, 0..64_u32),
        seed: u32,
        name in "[a-z]{0,6}",
    ) {
        // The same factors without one level, in whose place nothing is served before or after.
        let all: Vec<Vec<u32>> = ordinals.iter().map(|o| o.iter().copied().collect()).collect();
        let (d, place) = (gone.0 % all.len(), gone.1 as usize % all[gone.0 % all.len()].len());
        prop_assume!(all[d].len() > 2);
        let mut fewer = all.clone();
        fewer[d].remove(place);
        let (wide, narrow) = (
            space(&all.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            space(&fewer.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        );
        let count = |variant: &[usize]| {
            let mix = variant.iter().fold(u64::from(seed), |h, &l| h.wrapping_mul(31).wrapping_add(l as u64 + 7));
            (mix % 97) as u32 + 1
        };
        let widened = |levels: &[usize]| -> Vec<usize> {
            let moved = |(f, &l): (usize, &usize)| if f == d && l >= place { l + 1 } else { l };
            levels.iter().enumerate().map(moved).collect()
        };
        let narrow_counts: Vec<u32> = (0..narrow.variants()).map(|v| count(&widened(&narrow.decode_variant(v)))).collect();
        let wide_counts: Vec<u32> = (0..wide.variants())
            .map(|v| wide.decode_variant(v))
            .map(|levels| if levels[d] == place { 0 } else { count(&levels) })
            .collect();
        let (a, b) = (VariantKeys::of(&narrow).unwrap(), VariantKeys::of(&wide).unwrap());
        for user in 0..200 {
            let id = format!("{name}{user}");
            let before = choose("o", &id, row(&narrow_counts).as_ref(), &a);
            let after = choose("o", &id, row(&wide_counts).as_ref(), &b);
            prop_assert_eq!(widened(&narrow.decode_variant(before)), wide.decode_variant(after));
        }
        // No two variants share a key.
        let mut keys: Vec<u64> = (0..wide.variants()).map(|v| b.key(v)).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), wide.variants());
    }
}

#[test]
fn a_key_is_the_sum_of_its_ordinals_places() {
    let keys = VariantKeys::of(&space(&[&[3, 5], &[0, 1, 63]])).unwrap();
    let expected = [3, 3 + 64, 3 + 63 * 64, 5, 5 + 64, 5 + 63 * 64];
    assert_eq!([0, 1, 2, 3, 4, 5].map(|v| keys.key(v)), expected);
    // Where nothing is said, the ordinal is the place in the list.
    let plain = Factor::new("f", Dtype::Str, vec!["a".into(), "b".into(), "c".into()]).unwrap();
    assert_eq!(plain.ordinals(), [0, 1, 2]);
    let wrong = plain.clone().with_ordinals(vec![0, 1, 1]).unwrap_err();
    assert_eq!(wrong, FactorError::BadOrdinals { name: "f".into(), levels: 3, ordinals: vec![0, 1, 1] });
    assert!(plain.with_ordinals(vec![0, 1]).is_err());
    let late = VariantKeys::of(&space(&[&[0, 64]])).unwrap_err();
    assert_eq!(late, DecisionError::NoKey { factor: "d0".into(), ordinal: 64 });
    let many: Vec<&[u32]> = vec![&[0, 1]; 11];
    assert!(matches!(VariantKeys::of(&space(&many)), Err(DecisionError::NoKey { .. })));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    optimization_id: String,
    anonymous_id: String,
    user_hash: String,
    /// u of the file's keys.
    uniform: Vec<f64>,
    /// ln of them, by the portable logarithm.
    ln: Vec<f64>,
    /// Served variant for each of the file's rows.
    served: Vec<usize>,
    /// Whether held out, at each of the file's percentages.
    held_out: Vec<bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct VectorRow {
    ordinals: Vec<Vec<u32>>,
    counts: Vec<u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vectors {
    description: String,
    keys: Vec<String>,
    rows: BTreeMap<String, VectorRow>,
    percentages: Vec<f64>,
    #[serde(rename = "vectors")]
    users: Vec<Vector>,
}

#[test]
fn the_published_vectors_hold() {
    let published: Vectors = serde_json::from_str(include_str!("../../data/rendezvous.json")).unwrap();
    assert!(published.users.len() >= 20);
    let rows: Vec<(Row, VariantKeys)> = published
        .rows
        .values()
        .map(|of| {
            let ordinals: Vec<&[u32]> = of.ordinals.iter().map(Vec::as_slice).collect();
            (row(&of.counts), VariantKeys::of(&space(&ordinals)).unwrap())
        })
        .collect();
    for vector in &published.users {
        let (o, a) = (vector.optimization_id.as_str(), vector.anonymous_id.as_str());
        let hash = user_hash(o, a);
        let uniform: Vec<f64> = published.keys.iter().map(|key| variant_uniform(hash, key.parse().unwrap())).collect();
        let found = Vector {
            optimization_id: o.to_owned(),
            anonymous_id: a.to_owned(),
            user_hash: format!("{hash:016x}"),
            ln: uniform.iter().copied().map(unit_ln).collect(),
            uniform,
            served: rows.iter().map(|(row, keys)| choose(o, a, row.as_ref(), keys)).collect(),
            held_out: published.percentages.iter().map(|&p| hold_out(o, a, p)).collect(),
        };
        assert_eq!(&found, vector);
    }
}
