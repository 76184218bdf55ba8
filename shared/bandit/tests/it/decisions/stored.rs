//! The stored object: what goes in comes out, the same bytes every time, and errors for anything else.

use std::collections::BTreeMap;

use super::hand::{from_draws, random_arms, random_cells, random_columns, space};
use bandit::stored::{Header, RESERVED_KEYS, StoredError, decode, decode_report, encode};
use bandit::{Link, Policy, Predictor, ScalePoint, Space, Training, TrainingOptions};
use proptest::prelude::*;
use safetensors::SafeTensors;

fn cmab(draws: usize, seed: u64) -> (Space, Training) {
    let space = space(&[3, 2], &[2]);
    let mut posterior = random_columns(&space, Link::Identity { center: 0.1, scale: 1.0 / 3.0 }, draws, 0.3, 0.3, seed);
    let columns = posterior.columns;
    posterior.precision_cholesky = (0..columns * columns)
        .map(|i| if i % columns <= i / columns { (i as f64 + 0.1).sqrt() } else { 0.0 })
        .collect();
    posterior.diagnostics.scales =
        vec![ScalePoint { main: 0.1, pair: 0.2, weight: 0.7 }, ScalePoint { main: 0.3, pair: 1.0 / 7.0, weight: 0.3 }];
    posterior.diagnostics.pareto_k = Some(0.1 + 0.2);
    let cells = random_cells(&space, &[0, 2], seed);
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    (space, training)
}

fn mab(draws: usize) -> (Space, Training) {
    let space = space(&[2, 2], &[]);
    let mut posterior = random_arms(&space, Link::Logit, draws, 4);
    posterior.arms = vec![1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    posterior.diagnostics.kappa = Some(17.3);
    let cells = random_cells(&space, &[0], 4);
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    (space, training)
}

fn metadata() -> BTreeMap<String, String> {
    (0..20).map(|i| (format!("key{}", i * 7 % 20), format!("value \"{i}\" ß"))).collect()
}

#[test]
fn what_goes_in_comes_out() {
    for (space, training) in [cmab(50, 3), mab(20)] {
        let bytes = encode(&space, &training, &metadata()).unwrap();
        let stored = decode(&bytes).unwrap();
        assert_eq!(stored.posterior, training.posterior);
        assert_eq!(stored.policy, training.policy);
        assert_eq!(stored.metrics, training.metrics);
        assert_eq!(stored.report, training.report);
        assert_eq!(stored.metadata, metadata());
        assert_eq!(stored.draws_stride, 1);
        assert_eq!(encode(&space, &training, &metadata()).unwrap(), bytes);
    }
}

#[test]
fn another_reader_reads_it() {
    let (space, training) = cmab(50, 3);
    let bytes = encode(&space, &training, &metadata()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let described = header.metadata().clone().unwrap();
    assert_eq!(described["key3"], metadata()["key3"]);
    let columns: Vec<BTreeMap<String, Option<String>>> = serde_json::from_str(&described["columns"]).unwrap();
    let names = |i: usize| {
        columns[i]
            .iter()
            .map(|(f, l)| format!("{f}={}", l.as_deref().unwrap_or("unknown")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        [names(0), names(1), names(3), names(4), names(9)],
        ["", "c0=0", "c0=unknown", "d0=0", "d0=0 d1=0"].map(str::to_owned)
    );
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, ["draws", "location", "mean", "policy", "precision_cholesky", "scales", "state"]);
    let draws = tensors.tensor("draws").unwrap();
    assert_eq!(draws.shape(), [50, training.posterior.columns]);
    let first: Vec<f32> = draws.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    assert_eq!(first, training.posterior.draws);
    assert_eq!(tensors.tensor("scales").unwrap().shape(), [2, 3]);
    // Doubles are aligned in the object.
    assert_eq!(Header::parse(&bytes).unwrap().range("mean").unwrap().start % 8, 0);
}

#[test]
fn one_tensor_is_read_by_its_range() {
    let (space, training) = cmab(50, 3);
    let bytes = encode(&space, &training, &metadata()).unwrap();
    let length = Header::length(&bytes[..8]).unwrap() as usize;
    let header = Header::parse(&bytes[..length]).unwrap();
    assert_eq!(header.object_length(), bytes.len() as u64);
    let part = |name| {
        let range = header.range(name).unwrap();
        &bytes[range.start as usize..range.end as usize]
    };
    assert_eq!(decode_report(part("state")).unwrap(), training.report);
    assert_eq!(Policy::from_bytes(part("policy")).unwrap(), training.policy);
    assert!(matches!(header.range("arms"), Err(StoredError::MissingTensor { .. })));
    assert!(matches!(Header::parse(&bytes[..length - 1]), Err(StoredError::Short { .. })));
    assert!(matches!(Header::length(&bytes[..7]), Err(StoredError::Short { needed: 8, found: 7 })));
}

#[test]
fn reserved_keys_are_refused() {
    let (space, training) = mab(5);
    for key in RESERVED_KEYS {
        let metadata = BTreeMap::from([(key.to_owned(), String::new())]);
        assert!(matches!(encode(&space, &training, &metadata), Err(StoredError::ReservedKey { .. })), "{key}");
    }
}

#[test]
fn a_large_object_keeps_every_kth_draw() {
    // 1,000 variants × 10,000 draws are 40 MB.
    let space = space(&[10, 10, 10], &[]);
    let posterior = random_arms(&space, Link::Logit, 10_000, 4);
    let cells = random_cells(&space, &[0], 4);
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    let bytes = encode(&space, &training, &BTreeMap::new()).unwrap();
    assert!(bytes.len() <= 32_000_000);
    let stored = decode(&bytes).unwrap();
    assert_eq!((stored.draws_stride, stored.posterior.len()), (2, 5_000));
    assert_eq!(stored.posterior.draw(7), training.posterior.draw(14));
    assert_eq!(stored.policy.total(), 10_000);
}

/// The bound is of the whole object: metadata, tensors and draws.
#[test]
fn an_object_is_filled_up_to_the_bound_and_not_above() {
    const MOST: usize = 32_000_000;
    // 1,000 variants × 7,900 draws are 31.6 MB; the caller's metadata fill up the rest.
    let space = space(&[10, 10, 10], &[]);
    let posterior = from_draws(Predictor::Arms, Link::Logit, 1_000, vec![0.0; 7_900 * 1_000]);
    let cells = random_cells(&space, &[0], 4);
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    let with = |filler: usize| {
        encode(&space, &training, &BTreeMap::from([("filler".to_owned(), "x".repeat(filler))])).unwrap()
    };
    let draws = |object: &[u8]| {
        let range = Header::parse(object).unwrap().range("draws").unwrap();
        (range.end - range.start) / 4_000
    };
    let room = MOST - with(0).len();
    let full = with(room - 64);
    assert!((MOST - 80..=MOST).contains(&full.len()), "{}", full.len());
    assert_eq!(draws(&full), 7_900);
    let above = with(room + 64);
    assert!(above.len() < MOST, "{}", above.len());
    assert_eq!(draws(&above), 3_950);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_objects_are_errors_or_harmless(at in any::<prop::sample::Index>(), value: u8, in_header: bool) {
        let (space, training) = mab(5);
        let bytes = encode(&space, &training, &metadata()).unwrap();
        let place = at.index(bytes.len());
        prop_assert!(decode(&bytes[..place]).is_err());
        let place = if in_header { at.index(Header::length(&bytes).unwrap() as usize) } else { place };
        let mut altered = bytes.clone();
        altered[place] = value;
        if let Ok(stored) = decode(&altered) {
            prop_assert_eq!(stored.posterior.draws.len(), training.posterior.draws.len());
        }
        let mut longer = bytes;
        longer.push(value);
        prop_assert!(decode(&longer).is_err());
    }

    #[test]
    fn any_bytes_are_an_error(noise in prop::collection::vec(any::<u8>(), 0..300), json: bool) {
        let mut bytes = noise;
        if json {
            let header = String::from_utf8_lossy(&bytes).into_owned();
            let header = format!(r#"{{"__metadata__":{{"format":"{}"}},"a":{{}}}}"#, header.escape_default());
            bytes = (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).collect();
        }
        prop_assert!(decode(&bytes).is_err());
    }
}
