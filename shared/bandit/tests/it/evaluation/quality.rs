//! Sample ratio, balance, design effect, the baseline's check.

use bandit::RewardType;
use bandit::evaluation::{Arm, EvaluationError, UserSums, balance, check_baseline, sample_ratio};
use proptest::prelude::*;

use super::close;
use super::figures::{count, figures, list, number, numbers};
use super::random::Random;

#[test]
fn the_binomial_test_is_that_of_scipy() {
    for case in list(&figures("binomial")) {
        let found = sample_ratio(count(case, "n"), count(case, "k"), number(case, "share")).unwrap();
        close(found.p_value, number(case, "p"), 1e-9, &case.to_string());
        assert_eq!(found.suspect, number(case, "p") < 0.001);
    }
}

#[test]
fn a_share_of_nobody_or_everybody_leaves_no_chance() {
    assert_eq!(sample_ratio(10, 0, 0.0).unwrap().p_value, 1.0);
    assert_eq!(sample_ratio(10, 1, 0.0).unwrap().p_value, 0.0);
    assert_eq!(sample_ratio(10, 10, 1.0).unwrap().p_value, 1.0);
    assert_eq!(sample_ratio(0, 0, 0.1).unwrap().p_value, 1.0);
    assert!(matches!(sample_ratio(10, 11, 0.1), Err(EvaluationError::MoreThanAll { .. })));
    assert!(matches!(sample_ratio(10, 1, 10.0), Err(EvaluationError::BadNumber { .. })));
}

proptest! {
    #[test]
    fn a_binomial_test_is_the_sum_of_what_is_no_more_probable(n in 1..60_u64, k in 0..60_u64, p in 0.01..0.99_f64) {
        let k = k.min(n);
        let choose = |k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        let probability = |k: u64| choose(k) * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32);
        let sum: f64 = (0..=n).map(probability).filter(|&other| other <= probability(k) * (1.0 + 1e-7)).sum();
        let found = sample_ratio(n, k, p).unwrap().p_value;
        prop_assert!((found - sum).abs() < 1e-10, "{found} against {sum}");
        // Counting the others instead is the same test.
        let others = sample_ratio(n, n - k, 1.0 - p).unwrap().p_value;
        prop_assert!((found - others).abs() < 1e-9, "{found} against {others}");
    }
}

/// 10,000 honest holdouts: p-values below 5 % in at most 5 %, but for chance (four standard errors: once in 30,000 seeds). Logging
/// that drops 10 % of the holdout is suspect with 50,000 users in all but one of 10⁴.
#[test]
fn honest_holdouts_are_not_suspect_and_dropped_ones_are() {
    let mut random = Random::new(4);
    let mut below = 0;
    for _ in 0..10_000 {
        let held = random.binomial(5_000, 0.1);
        below += u32::from(sample_ratio(5_000, held, 0.1).unwrap().p_value < 0.05);
    }
    assert!(f64::from(below) < 500.0 + 4.0 * 22.0, "{below}");
    assert!(below > 350, "{below}");
    for _ in 0..100 {
        let held = random.binomial(50_000, 0.1);
        let kept = random.binomial(held, 0.9);
        assert!(sample_ratio(50_000 - (held - kept), kept, 0.1).unwrap().suspect);
    }
}

#[test]
fn balance_is_the_chi_squared_of_scipy() {
    let figures = figures("balance");
    let counts: Vec<u64> = numbers(&figures["counts"]).into_iter().map(|n| n as u64).collect();
    let shares = numbers(&figures["shares"]);
    let found = balance([(&counts[..], &shares[..])]).unwrap();
    close(found.chi_squared, number(&figures, "chi_squared"), 1e-12, "χ²");
    close(found.p_value, number(&figures, "p"), 1e-12, "p");
    assert_eq!(found.degrees_of_freedom, 3);
    // What is served to nobody is told apart.
    let odd = balance([(&[50_u64, 50, 3][..], &[0.5, 0.5, 0.0][..])]).unwrap();
    assert_eq!((odd.impossible, odd.degrees_of_freedom, odd.chi_squared), (3.0, 1, 0.0));
    // Too few to say anything.
    let few = balance([(&[2_u64, 3][..], &[0.5, 0.5][..])]).unwrap();
    assert_eq!((few.contexts[0], few.p_value), (None, 1.0));
    assert!(matches!(balance([(&[1_u64][..], &[0.5][..])]), Err(EvaluationError::NotProbabilities { .. })));
    assert!(matches!(balance([(&[1_u64][..], &[][..])]), Err(EvaluationError::Length { .. })));
}

/// p-values of honest logs are even: of 2,000, those below 5 % and above 95 % are 100 each, but for chance (five standard errors).
#[test]
fn honest_logs_are_in_balance() {
    let mut random = Random::new(11);
    let (mut low, mut high) = (0, 0);
    for _ in 0..2_000 {
        let shares: Vec<Vec<f64>> = (0..3).map(|_| random.probabilities(6, 0.7)).collect();
        let counts: Vec<Vec<u64>> = shares.iter().map(|p| random.multinomial(3_000, p)).collect();
        let p = balance(counts.iter().zip(&shares).map(|(n, p)| (&n[..], &p[..]))).unwrap().p_value;
        low += i32::from(p < 0.05);
        high += i32::from(p > 0.95);
    }
    assert!((low - 100).abs() < 49 && (high - 100).abs() < 49, "{low} below 5 %, {high} above 95 %");
}

#[test]
fn the_design_effect_is_that_of_cluster_robust_errors() {
    for case in list(&figures("design_effect")) {
        let mut sums = UserSums::default();
        for user in list(&case["users"]) {
            let user = numbers(user);
            sums.add(user[0] as u64, user[1], user[2]);
        }
        close(sums.design_effect().unwrap(), number(case, "effect"), 1e-10, "design effect");
    }
}

#[test]
fn a_design_effect_of_single_exposures_is_one() {
    let mut sums = UserSums::default();
    for user in 0..10_000 {
        let reward = f64::from(u8::from(user % 7 == 0));
        sums.add(1, reward, reward);
    }
    close(sums.design_effect().unwrap(), 10_000.0 / 9_999.0, 1e-10, "single");
    // Everybody counted five times is five times too sure.
    let mut fold = UserSums::default();
    for user in 0..10_000 {
        let reward = f64::from(u8::from(user % 7 == 0));
        fold.add(5, 5.0 * reward, 5.0 * reward);
    }
    close(fold.design_effect().unwrap(), 5.0 * 10_000.0 / 9_999.0, 1e-10, "fivefold");
    let halves = sums.plus(fold);
    assert_eq!((halves.users, halves.exposures), (20_000, 60_000));
    assert_eq!(UserSums::default().design_effect(), None);
    let mut same = UserSums::default();
    (0..10).for_each(|_| same.add(2, 0.0, 0.0));
    assert_eq!(same.design_effect(), None);
}

#[test]
fn the_baseline_check_weighs_both_errors() {
    let holdout = Arm { users: 10_000, sum: 500.0, sum_sq: 500.0 };
    let check =
        |modelled, sd, effect| check_baseline(modelled, sd, &holdout, RewardType::Bool, effect).unwrap().unwrap();
    let error = (0.05_f64 * 0.95 / 10_000.0).sqrt();
    let found = check(0.05 + 2.0 * error, 0.0, 1.0);
    close(found.z, 2.0, 1e-9, "z");
    assert!(found.ok);
    assert!(!check(0.05 - 2.6 * error, 0.0, 1.0).ok && !check(0.05 + 2.6 * error, 0.0, 1.0).ok);
    // A belief that is unsure of itself, or users who come often, make less of a difference.
    close(check(0.05 + 2.0 * error, error, 1.0).z, 2.0 / 2.0_f64.sqrt(), 1e-9, "sd");
    close(check(0.05 + 2.0 * error, 0.0, 4.0).z, 1.0, 1e-9, "design effect");
    assert!(check_baseline(0.05, 0.0, &holdout, RewardType::Bool, 0.5).is_err());
    assert!(check_baseline(f64::NAN, 0.0, &holdout, RewardType::Bool, 1.0).is_err());
    assert_eq!(check_baseline(0.05, 0.1, &Arm::default(), RewardType::Bool, 1.0).unwrap(), None);
}
