//! Off-policy values.

use bandit::evaluation::{Estimate, EvaluationError, EventSums, LoggedContext, OffPolicy, Withheld, off_policy};

use super::close;
use super::figures::{figures, list, number, numbers};
use super::random::Random;

/// One version in one context, owned.
struct Entry {
    policy: Vec<f64>,
    logged: Vec<f64>,
    expected: Option<Vec<f64>>,
    events: Vec<EventSums>,
}

fn value(log: &[Entry], design_effect: f64) -> Result<OffPolicy, EvaluationError> {
    let log = log.iter().map(|l| LoggedContext {
        policy: &l.policy,
        logged: &l.logged,
        expected: l.expected.as_deref(),
        events: &l.events,
    });
    off_policy(log, design_effect)
}

fn bools(n: u64, converted: u64) -> EventSums {
    EventSums { n, nonzero: converted, sum: converted as f64, sum_sq: converted as f64 }
}

#[test]
fn the_estimates_are_those_of_the_open_bandit_pipeline() {
    for case in list(&figures("off_policy")) {
        let mut log = Vec::new();
        for (version, contexts) in list(&case["cells"]).iter().enumerate() {
            for (context, variants) in list(contexts).iter().enumerate() {
                let events = list(variants)
                    .iter()
                    .map(|cell| {
                        let x = numbers(cell);
                        EventSums { n: x[0] as u64, nonzero: x[1] as u64, sum: x[2], sum_sq: x[3] }
                    })
                    .collect();
                log.push(Entry {
                    policy: numbers(&case["policy"][context]),
                    logged: numbers(&case["logged"][version][context]),
                    expected: Some(numbers(&case["model"][context])),
                    events,
                });
            }
        }
        let found = value(&log, 1.0).unwrap();
        let errors = numbers(&case["errors"]);
        for (what, found, error) in
            [("ips", found.ips, errors[0]), ("snips", found.snips, errors[1]), ("dr", found.dr, errors[2])]
        {
            let found = found.unwrap();
            close(found.value, number(case, what), 1e-9, what);
            close(found.error, error, 1e-9, what);
            assert_eq!(found.ci, Some([found.value - 1.96 * found.error, found.value + 1.96 * found.error]));
        }
        close(found.effective_events, number(case, "effective"), 1e-9, "effective events");
        close(found.largest_weight, number(case, "largest"), 1e-9, "largest weight");
        assert_eq!((found.events, found.impossible_events, found.withheld), (3_000, 0, None));
        // Users who come often widen the interval and move nothing.
        let wide = value(&log, 4.0).unwrap();
        close(wide.dr.unwrap().error, 2.0 * found.dr.unwrap().error, 1e-12, "design effect");
        close(wide.dr.unwrap().value, found.dr.unwrap().value, 1e-15, "design effect");
    }
}

fn simple(policy: [f64; 2], logged: [f64; 2], events: [EventSums; 2]) -> Entry {
    Entry { policy: policy.to_vec(), logged: logged.to_vec(), expected: None, events: events.to_vec() }
}

#[test]
fn a_policy_is_worth_what_it_earned() {
    let log = [simple([0.7, 0.3], [0.7, 0.3], [bools(700, 70), bools(300, 60)])];
    let found = value(&log, 1.0).unwrap();
    for estimate in [found.ips.unwrap(), found.snips.unwrap()] {
        close(estimate.value, 0.13, 1e-12, "its own value");
    }
    assert_eq!((found.dr, found.largest_weight, found.unsupported), (None, 1.0, 0.0));
    assert_eq!(found.modelled_events, 0);
    close(found.effective_events, 1_000.0, 1e-12, "effective");
    close(found.effective_rewards, 130.0, 1e-12, "effective rewards");
}

#[test]
fn what_was_never_shown_is_not_estimated() {
    let log = [simple([0.5, 0.5], [1.0, 0.0], [bools(1_000, 100), bools(0, 0)])];
    let found = value(&log, 1.0).unwrap();
    assert_eq!((found.ips, found.snips, found.dr), (None, None, None));
    assert_eq!(found.withheld, Some(Withheld::Unsupported { share: 0.5 }));
    // Up to 1 % is let pass.
    let log = [simple([0.995, 0.005], [1.0, 0.0], [bools(1_000, 100), bools(0, 0)])];
    assert!(value(&log, 1.0).unwrap().ips.is_some());
    assert_eq!(value(&[], 1.0).unwrap().withheld, Some(Withheld::NoEvents));
}

#[test]
fn a_policy_without_rewards_has_no_interval() {
    let log = [simple([1.0, 0.0], [0.1, 0.9], [bools(100, 0), bools(900, 90)])];
    let found = value(&log, 1.0).unwrap();
    assert_eq!(found.ips, Some(Estimate { value: 0.0, error: 0.0, ci: None }));
    assert_eq!(found.withheld, Some(Withheld::FewRewards { effective: 0.0 }));
}

#[test]
fn exposures_without_a_model_are_weighted_as_ips_weighs_them() {
    let mut log = [
        simple([0.2, 0.8], [0.5, 0.5], [bools(400, 40), bools(600, 90)]),
        simple([0.2, 0.8], [0.9, 0.1], [bools(900, 80), bools(100, 20)]),
    ];
    log[1].expected = Some(vec![0.1, 0.2]);
    let found = value(&log, 1.0).unwrap();
    assert_eq!((found.events, found.modelled_events), (2_000, 1_000));
    // By hand: w = 0.4 and 1.6, then 2/9 and 8; q(π) = 0.18.
    let first = 0.4 * 40.0 + 1.6 * 90.0;
    let second = 1_000.0 * 0.18 + 2.0 / 9.0 * (80.0 - 900.0 * 0.1) + 8.0 * (20.0 - 100.0 * 0.2);
    close(found.dr.unwrap().value, (first + second) / 2_000.0, 1e-12, "half modelled");
    log[1].expected = None;
    let none = value(&log, 1.0).unwrap();
    assert_eq!((none.dr, none.ips), (None, found.ips));
    log[1].expected = Some(vec![0.0, 0.0]);
    assert_eq!(value(&log, 1.0).unwrap().dr, none.ips);
}

#[test]
fn exposures_that_no_version_decides_are_counted_and_left_out() {
    let clean = [
        simple([0.4, 0.6], [1.0, 0.0], [bools(1_000, 100), bools(0, 0)]),
        simple([0.4, 0.6], [0.5, 0.5], [bools(90_000, 5_000), bools(90_000, 9_000)]),
    ];
    let mut mixed = [
        simple([0.4, 0.6], [1.0, 0.0], [bools(1_000, 100), bools(17, 16)]),
        simple([0.4, 0.6], [0.5, 0.5], [bools(90_000, 5_000), bools(90_000, 9_000)]),
    ];
    let (a, b) = (value(&clean, 1.0).unwrap(), value(&mixed, 1.0).unwrap());
    assert_eq!((b.impossible_events, b.events), (17, 181_000));
    assert_eq!((a.ips, a.snips), (b.ips, b.snips));
    mixed[0].logged = vec![0.5, 0.6];
    assert!(matches!(value(&mixed, 1.0), Err(EvaluationError::NotProbabilities { context: 0, what: "logged", .. })));
    mixed[0].logged = vec![1.0];
    assert!(matches!(value(&mixed, 1.0), Err(EvaluationError::Length { found: 1, .. })));
    assert!(matches!(value(&clean, 0.9), Err(EvaluationError::BadNumber { .. })));
    let wrong = [simple([1.0, 0.0], [1.0, 0.0], [EventSums { n: 1, nonzero: 2, sum: 1.0, sum_sq: 1.0 }, bools(0, 0)])];
    assert!(matches!(value(&wrong, 1.0), Err(EvaluationError::ImpossibleSums { .. })));
}

/// 500 logs of 14 days whose policy changes every day as it learns (each day's shares lean to what has converted best so far,
/// no variant below 4 %): the 95 % intervals of IPS and DR for another policy cover 93–97 %. At a coverage of 95 % either fails
/// by chance for one seed in 25; the seeds are fixed.
#[test]
fn intervals_cover_under_a_policy_that_changes_daily() {
    let logs = 500;
    let variants = 4;
    let truth = [[0.05, 0.06, 0.04, 0.07], [0.08, 0.05, 0.05, 0.03], [0.03, 0.03, 0.06, 0.05]];
    let target = [[0.1, 0.2, 0.1, 0.6], [0.7, 0.1, 0.1, 0.1], [0.05, 0.05, 0.6, 0.3]];
    let mix = [0.5, 0.3, 0.2];
    let worth: f64 = (0..3).map(|c| mix[c] * (0..variants).map(|v| target[c][v] * truth[c][v]).sum::<f64>()).sum();
    let mut covered = [0; 3];
    let mut ratio = [0.0; 3];
    for seed in 0..logs {
        let mut random = Random::new(1_000 + seed);
        let (mut shown, mut converted) = (vec![vec![20.0; variants]; 3], vec![vec![1.0; variants]; 3]);
        let mut log = Vec::new();
        for _ in 0..14 {
            // Yesterday's means are today's model, which has not seen today.
            let model: Vec<Vec<f64>> =
                (0..3).map(|c| (0..variants).map(|v| converted[c][v] / shown[c][v]).collect()).collect();
            let counts = random.multinomial(3_000, &mix);
            for c in 0..3 {
                let best = model[c].iter().copied().fold(0.0, f64::max);
                let weights: Vec<f64> = model[c].iter().map(|m| (60.0 * (m - best)).exp()).collect();
                let sum: f64 = weights.iter().sum();
                let logged: Vec<f64> = weights.iter().map(|w| 0.04 + 0.84 * w / sum).collect();
                let seen = random.multinomial(counts[c], &logged);
                let mut events = Vec::new();
                for v in 0..variants {
                    let rewards = random.binomial(seen[v], truth[c][v]);
                    shown[c][v] += seen[v] as f64;
                    converted[c][v] += rewards as f64;
                    events.push(bools(seen[v], rewards));
                }
                log.push(Entry { policy: target[c].to_vec(), logged, expected: Some(model[c].clone()), events });
            }
        }
        let found = value(&log, 1.0).unwrap();
        for (i, estimate) in [found.ips, found.snips, found.dr].into_iter().enumerate() {
            let estimate = estimate.unwrap();
            let [lo, hi] = estimate.ci.unwrap();
            covered[i] += u32::from((lo..=hi).contains(&worth));
            ratio[i] += estimate.error / f64::from(logs as u32);
        }
    }
    let share = covered.map(|n| f64::from(n) / logs as f64);
    println!("coverage of IPS, SNIPS, DR: {share:?}; mean errors {ratio:?}");
    for (what, share) in ["IPS", "SNIPS", "DR"].into_iter().zip(share) {
        assert!((0.93..=0.97).contains(&share), "{what} covers {share}");
    }
    // The model makes the estimate no worse.
    assert!(ratio[2] < ratio[0]);
}
