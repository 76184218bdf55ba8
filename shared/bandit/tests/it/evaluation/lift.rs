//! Lift and its intervals, heterogeneity, guardrails.

use bandit::RewardType;
use bandit::evaluation::{
    Arm, EvaluationError, GuardrailStatus, Lift, LiftStatus, LogRatio, WorseWhen, anytime_multiple, guardrail_status,
    heterogeneity,
};
use proptest::prelude::*;

use super::close;
use super::figures::{figures, list, number, numbers};
use super::random::Random;

fn arm(users: u64, sum: f64) -> Arm {
    Arm { users, sum, sum_sq: sum }
}

fn of(optimized: Arm, holdout: Arm) -> Lift {
    Lift::of(&optimized, &holdout, RewardType::Bool).unwrap()
}

#[test]
fn the_published_estimator_by_hand() {
    // 620 of 9,000 against 50 of 1,000.
    let lift = of(arm(9_000, 620.0), arm(1_000, 50.0));
    let (pm, ph): (f64, f64) = (620.0 / 9_000.0, 0.05);
    let variance = pm * (1.0 - pm) / 9_000.0 / (ph * ph) + pm * pm * (ph * (1.0 - ph) / 1_000.0) / ph.powi(4);
    let (value, error) = ((pm - ph) / ph, variance.sqrt());
    close(lift.lift_percent.unwrap(), 100.0 * value, 1e-12, "lift");
    close(lift.lift_ci.unwrap()[0], 100.0 * (value - 1.96 * error), 1e-12, "lo");
    close(lift.lift_ci.unwrap()[1], 100.0 * (value + 1.96 * error), 1e-12, "hi");
    // 2 · scipy.stats.norm.sf(1.9149671093787106).
    close(value / error, 1.914_967_109_378_710_6, 1e-12, "z");
    close(lift.p_value.unwrap(), 0.055_496_698_282_789_87, 1e-12, "p");
    assert_eq!(lift.status, LiftStatus::Measured);
    // A numeric reward of the same users: 0 and 1, so that s² is n/(n − 1) times p (1 − p).
    let numeric = Lift::of(&arm(9_000, 620.0), &arm(1_000, 50.0), RewardType::Numeric).unwrap();
    close(numeric.lift_percent.unwrap(), lift.lift_percent.unwrap(), 1e-12, "numeric");
    assert!(numeric.lift_ci.unwrap()[0] < lift.lift_ci.unwrap()[0]);
}

#[test]
fn the_error_of_a_log_ratio_is_that_of_statsmodels() {
    for case in list(&figures("log_ratio")) {
        let n: Vec<u64> = list(&case["counts"]).iter().map(|n| n.as_u64().unwrap()).collect();
        let ratio = LogRatio::of(&arm(n[1], n[0] as f64), &arm(n[3], n[2] as f64), RewardType::Bool).unwrap();
        close(ratio.error, number(case, "error"), 1e-9, "error");
        close(ratio.value, (n[0] as f64 / n[1] as f64 / (n[2] as f64 / n[3] as f64)).ln(), 1e-12, "value");
    }
}

#[test]
fn the_sequence_is_as_tight_as_can_be_where_it_is_tuned() {
    let figures = figures("sequence");
    let least = number(&figures, "least");
    let at = anytime_multiple(10_000);
    assert!(at >= least - 1e-12 && at < least * 1.001, "{at} where {least} is the least");
    for pair in list(&figures["multiples"]) {
        let pair = numbers(pair);
        close(anytime_multiple(pair[0] as u64), pair[1], 1e-12, "multiple");
    }
}

#[test]
fn what_is_too_little_is_pending() {
    let pending = [
        (arm(99, 20.0), arm(1_000, 50.0)),
        (arm(1_000, 20.0), arm(99, 50.0)),
        (arm(1_000, 20.0), arm(1_000, 0.0)),
        (arm(0, 0.0), arm(0, 0.0)),
        // Nothing varies: the formula would be certain of −100 %.
        (arm(1_000, 0.0), arm(1_000, 1_000.0)),
    ];
    for (optimized, holdout) in pending {
        let lift = of(optimized, holdout);
        assert_eq!(lift.status, LiftStatus::Pending, "{optimized:?} {holdout:?}");
        assert!(lift.lift_percent.is_none() && lift.lift_ci.is_none() && lift.lift_ci_anytime.is_none());
    }
    let json = serde_json::to_string(&of(arm(0, 0.0), arm(100, 7.0))).unwrap();
    assert_eq!(
        json,
        r#"{"holdout_rate":0.07,"holdout_users":100,"optimization_rate":null,"optimization_users":0,"lift_percent":null,"lift_ci":null,"lift_ci_anytime":null,"p_value":null,"status":"pending"}"#
    );
}

#[test]
fn sums_that_nobody_has_are_refused() {
    let wrong = Lift::of(&arm(100, 101.0), &arm(100, 5.0), RewardType::Bool).unwrap_err();
    assert!(matches!(wrong, EvaluationError::ImpossibleSums { users: 100, .. }), "{wrong}");
    let squares = Arm { users: 10, sum: 10.0, sum_sq: 9.0 };
    assert!(Lift::of(&squares, &arm(100, 5.0), RewardType::Numeric).is_err());
    assert!(Lift::of(&arm(100, f64::NAN), &arm(100, 5.0), RewardType::Numeric).is_err());
}

/// A loss that becomes smaller is a gain: with negative rates the lift is above 0 where the optimized arm earns more.
#[test]
fn a_smaller_loss_is_a_lift() {
    let arm = |mean: f64| Arm { users: 1_000, sum: 1_000.0 * mean, sum_sq: 1_000.0 * (mean * mean + 1.0) };
    let gain = Lift::of(&arm(-1.0), &arm(-2.0), RewardType::Numeric).unwrap();
    close(gain.lift_percent.unwrap(), 50.0, 1e-12, "gain");
    assert_eq!(gain.lift_ci_anytime, None);
    let mirrored = Lift::of(&arm(1.0), &arm(2.0), RewardType::Numeric).unwrap();
    close(mirrored.lift_percent.unwrap(), -50.0, 1e-12, "mirrored");
    close(gain.p_value.unwrap(), mirrored.p_value.unwrap(), 1e-12, "p");
}

proptest! {
    #[test]
    fn the_anytime_interval_holds_the_estimate_and_is_wider(
        users in 100..2_000_000_u64, held in 100..200_000_u64, x in 0.001..0.9_f64, y in 0.001..0.9_f64,
    ) {
        let (a, b) = (arm(users, (users as f64 * x).ceil()), arm(held, (held as f64 * y).ceil()));
        let lift = of(a, b);
        prop_assume!(lift.status == LiftStatus::Measured);
        let value = lift.lift_percent.unwrap();
        let [lo, hi] = lift.lift_ci_anytime.unwrap();
        prop_assert!(lo < value && value < hi);
        let ratio = LogRatio::of(&a, &b, RewardType::Bool).unwrap();
        prop_assert!(anytime_multiple(ratio.users) > 1.96);
        // The other way round is the mirror image of the logarithms.
        let back = of(b, a).lift_ci_anytime.unwrap();
        prop_assert!(((1.0 + lo / 100.0) * (1.0 + back[1] / 100.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_guardrail_upside_down_is_its_mirror_image(lo in -50.0..50.0_f64, width in 0.0..40.0_f64, margin in 0.0..20.0_f64) {
        let hi = lo + width;
        let up = guardrail_status(Some([lo, hi]), WorseWhen::Up, margin);
        prop_assert_eq!(up, guardrail_status(Some([-hi, -lo]), WorseWhen::Down, margin));
        prop_assert_eq!(up == GuardrailStatus::Violated, lo > margin);
        prop_assert_eq!(up == GuardrailStatus::Ok, hi < margin);
        prop_assert_eq!(guardrail_status(None, WorseWhen::Up, margin), GuardrailStatus::Pending);
    }
}

#[test]
fn a_guardrail_has_a_good_and_a_bad_side() {
    use GuardrailStatus::{Ok, Pending, Violated};
    for (interval, worse_when, margin, expected) in [
        ([6.0, 20.0], WorseWhen::Up, 5.0, Violated),
        ([4.0, 20.0], WorseWhen::Up, 5.0, Pending),
        ([-9.0, 4.0], WorseWhen::Up, 5.0, Ok),
        ([-20.0, -6.0], WorseWhen::Down, 5.0, Violated),
        ([-20.0, -4.0], WorseWhen::Down, 5.0, Pending),
        ([-4.0, 9.0], WorseWhen::Down, 5.0, Ok),
        ([5.0, 9.0], WorseWhen::Up, 5.0, Pending),
    ] {
        assert_eq!(guardrail_status(Some(interval), worse_when, margin), expected, "{interval:?}");
    }
}

#[test]
fn heterogeneity_is_that_of_statsmodels() {
    let figures = figures("heterogeneity");
    let levels: Vec<LogRatio> = numbers(&figures["effects"])
        .into_iter()
        .zip(numbers(&figures["errors"]))
        .map(|(value, error)| LogRatio { value, error, users: 1_000 })
        .collect();
    let found = heterogeneity(&levels).unwrap();
    close(found.q, number(&figures, "q"), 1e-12, "Q");
    close(found.p_value, number(&figures, "p"), 1e-11, "p");
    close(found.pooled, number(&figures, "pooled"), 1e-12, "pooled");
    close(found.i_squared, number(&figures, "i_squared"), 1e-10, "I²");
    assert_eq!(found.degrees_of_freedom, 3);
    assert_eq!(heterogeneity(&levels[..1]), None);
    // Where all are alike there is none.
    let alike = heterogeneity(&[levels[0], levels[0]]).unwrap();
    assert!(alike.q == 0.0 && alike.p_value == 1.0 && alike.i_squared == 0.0);
}

/// 2,000 runs of 28 days at a rate of 5 %, 10 % held out, a true lift of 20 %: the plain interval at the end covers 94–96 %, which
/// at a coverage of 95 % fails by chance in one of 25 seeds (this one is fixed); the anytime interval covers at all daily looks
/// together at least 95 %.
#[test]
fn the_intervals_cover() {
    let runs = 2_000;
    let (mut plain, mut anytime, mut plain_throughout) = (0, 0, 0);
    for run in 0..runs {
        let mut random = Random::new(run);
        let (mut optimized, mut holdout) = (Arm::default(), Arm::default());
        let (mut holds, mut plain_holds, mut last) = (true, true, false);
        for day in 0..28 {
            // A season: both rates move, their ratio does not.
            let rate = 0.05 * (1.0 + 0.3 * (f64::from(day) / 4.0).sin());
            let held = random.binomial(2_000, 0.1);
            let converted = random.binomial(held, rate) as f64;
            holdout = holdout.plus(arm(held, converted));
            let converted = random.binomial(2_000 - held, 1.2 * rate) as f64;
            optimized = optimized.plus(arm(2_000 - held, converted));
            let lift = of(optimized, holdout);
            let covers = |ends: [f64; 2]| (ends[0]..=ends[1]).contains(&20.0);
            holds &= lift.lift_ci_anytime.is_none_or(covers);
            last = lift.lift_ci.is_some_and(covers);
            plain_holds &= lift.lift_ci.is_none_or(covers);
        }
        plain += u32::from(last);
        anytime += u32::from(holds);
        plain_throughout += u32::from(plain_holds);
    }
    let share = |n: u32| f64::from(n) / runs as f64;
    println!(
        "plain at the end {:.3}, at all 28 looks {:.3}; anytime at all looks {:.3}",
        share(plain),
        share(plain_throughout),
        share(anytime)
    );
    assert!((0.94..=0.96).contains(&share(plain)), "plain {}", share(plain));
    assert!(share(anytime) >= 0.95, "anytime {}", share(anytime));
    // What the sequence is for: the plain interval does not hold at all looks.
    assert!(share(plain_throughout) < 0.85, "plain at all looks {}", share(plain_throughout));
}
