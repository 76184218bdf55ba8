//! The model's idea of the baseline against the holdout: false alarms where nothing moves, and detection where the base rate drifts.

use bandit::evaluation::{Arm, BaselineCheck, check_baseline};
use bandit::{
    Cell, CellTable, ModelType, Prior, RewardType, Seed, Stratum, StratumCell, baseline_at, expected_rewards, fit,
};

use super::random::Random;
use crate::common::{settings, space};

const DAYS: i64 = 28;
const WEEK: i64 = 7;
const A_DAY: u64 = 20_000;
const HELD_OUT: f64 = 0.1;
/// Rates of three variants in two contexts, of which six in ten come in the first.
const RATES: [[f64; 3]; 2] = [[0.10, 0.12, 0.09], [0.06, 0.06, 0.08]];
const MIX: [f64; 2] = [0.6, 0.4];

/// Four weeks in which the optimized users are served what has converted best so far, while all rates move evenly to (1 + drift) times
/// what they were; then the model of the four weeks, an intercept each, against the holdout of the last one.
fn run(seed: u64, drift: f64) -> BaselineCheck {
    let mut random = Random::new(seed);
    let space = space(&[3], &[2]);
    // Exposures and conversions by week, context and variant, of the optimized users and of the holdout.
    let mut counts = vec![[[[(0_u64, 0_u64); 2]; 3]; 2]; 4];
    let (mut shown, mut converted) = ([[20.0_f64; 3]; 2], [[1.5_f64; 3]; 2]);
    for day in 0..DAYS {
        let level = 1.0 + drift * day as f64 / (DAYS - 1) as f64;
        let policy = [0, 1].map(|c: usize| {
            let means = [0, 1, 2].map(|v: usize| converted[c][v] / shown[c][v]);
            let best = means.iter().copied().fold(0.0, f64::max);
            let weights = means.map(|mean| (80.0 * (mean - best)).exp());
            let sum: f64 = weights.iter().sum();
            weights.map(|weight| 0.05 + 0.85 * weight / sum)
        });
        let held_out = random.binomial(A_DAY, HELD_OUT);
        for (arm, users) in [(0, A_DAY - held_out), (1, held_out)] {
            for (c, in_context) in random.multinomial(users, &MIX).into_iter().enumerate() {
                let served = if arm == 1 { [1.0, 0.0, 0.0] } else { policy[c] };
                for (v, n) in random.multinomial(in_context, &served).into_iter().enumerate() {
                    let z = random.binomial(n, RATES[c][v] * level);
                    let of = &mut counts[(day / WEEK) as usize][c][v][arm];
                    *of = (of.0 + n, of.1 + z);
                    shown[c][v] += n as f64;
                    converted[c][v] += z as f64;
                }
            }
        }
    }
    let spans = (0..4).map(|week| Stratum { from: week * WEEK * 86_400, to: (week + 1) * WEEK * 86_400 }).collect();
    let mut cells = Vec::new();
    for (stratum, week) in counts.iter().enumerate() {
        for (c, variants) in week.iter().enumerate() {
            for (variant, [optimized, held_out]) in variants.iter().enumerate() {
                let (n, z) = (optimized.0 + held_out.0, optimized.1 + held_out.1);
                let cell = Cell { variant, context: c as u64, n, sum: z as f64, sum_sq: z as f64 };
                cells.extend((n > 0).then(|| StratumCell { stratum, nonzero: Some(z), ..cell.into() }));
            }
        }
    }
    let table = CellTable::stratified(spans, 0.0, cells).unwrap();
    let settings = settings(ModelType::Cmab, RewardType::Bool, Prior::default());
    let posterior = fit(&space, &table, &settings, &Seed::derive(&["baseline", &seed.to_string()])).unwrap();
    let last = [0, 1].map(|c: usize| counts[3][c][0][1]);
    let mix = [(0, last[0].0), (1, last[1].0)];
    let (modelled, sd) = baseline_at(&space, &posterior, &mix).unwrap().unwrap();
    // What it is the mean of.
    let means = expected_rewards(&space, &posterior, &[0, 1], 1).unwrap();
    let all = (mix[0].1 + mix[1].1) as f64;
    let by_hand = (means[0] * mix[0].1 as f64 + means[3] * mix[1].1 as f64) / all;
    assert!((modelled - by_hand).abs() < 1e-6, "{modelled} {by_hand}");
    let z = (last[0].1 + last[1].1) as f64;
    let arm = Arm { users: mix[0].1 + mix[1].1, sum: z, sum_sq: z };
    check_baseline(modelled, sd, &arm, RewardType::Bool, 1.0).unwrap().unwrap()
}

/// 200 runs each of 20,000 users a day: false alarms in at most 3 % where nothing drifts, detection in at least 95 % where the base rate falls
/// or rises by 30 %. The holdout's days are part of what the model learned, so that alarms are rarer than the 1.2 % of a z beyond 2.5: with
/// 1.2 %, seven of 200 come by chance in one set of seeds of 80; the seeds are fixed.
#[test]
fn a_base_rate_that_drifts_is_noticed_and_one_that_does_not_raises_no_alarm() {
    let runs = 200;
    let alarms = |drift: f64| {
        let alarm = |seed: u64| u32::from(!run(seed, drift).ok);
        f64::from((0..runs).map(|seed| alarm(seed + 10_000)).sum::<u32>()) / runs as f64
    };
    let (still, falling, rising) = (alarms(0.0), alarms(-0.3), alarms(0.3));
    println!("alarms: {still} without drift, {falling} at −30 %, {rising} at +30 %");
    assert!(still <= 0.03, "{still}");
    assert!(falling >= 0.95 && rising >= 0.95, "{falling} {rising}");
}
