//! Pairs of levels against their levels.

use bandit::RewardType;
use bandit::evaluation::{Arm, EvaluationError, PairSums, pairs_against_mains};

use super::close;
use super::figures::{count, figures, list, number, numbers};
use super::random::Random;

fn sums(day: u32, first: usize, second: usize, users: u64, sum: f64, sum_sq: f64) -> PairSums {
    PairSums { day, first, second, users: Arm { users, sum, sum_sq } }
}

#[test]
fn the_test_and_the_matrix_are_those_of_statsmodels() {
    for (case, reward) in list(&figures("pairs")).iter().zip([RewardType::Bool, RewardType::Numeric]) {
        let rows: Vec<PairSums> = list(&case["rows"])
            .iter()
            .map(|row| {
                let x = numbers(row);
                sums(x[0] as u32, x[1] as usize, x[2] as usize, x[3] as u64, x[4], x[5])
            })
            .collect();
        let found = pairs_against_mains((3, 2), reward, &rows).unwrap();
        let test = found.test.unwrap();
        close(test.statistic, number(case, "statistic"), 1e-7, "statistic");
        assert_eq!(test.degrees_of_freedom, count(case, "df"));
        close(test.p_value, number(case, "p"), 1e-6, "p");
        let unit = if reward == RewardType::Bool { 100.0 } else { 1.0 };
        let (excess, z) = (numbers(&case["excess"]), numbers(&case["z"]));
        for (i, row) in found.cells.iter().enumerate() {
            for (j, cell) in row.iter().enumerate() {
                assert!((cell.points.unwrap() - unit * excess[2 * i + j]).abs() < 1e-7 * unit, "points of {i}, {j}");
                assert!((cell.z.unwrap() - z[2 * i + j]).abs() < 1e-5, "z of {i}, {j}: {cell:?} {}", z[2 * i + j]);
            }
        }
        // The factors the other way round, and the rows in another order, are the same.
        let turned: Vec<PairSums> =
            rows.iter().rev().map(|r| PairSums { first: r.second, second: r.first, ..*r }).collect();
        let turned = pairs_against_mains((2, 3), reward, &turned).unwrap();
        close(turned.test.unwrap().statistic, test.statistic, 1e-7, "turned");
        for (i, row) in found.cells.iter().enumerate() {
            for (j, cell) in row.iter().enumerate() {
                assert_eq!(turned.cells[j][i].n, cell.n);
                assert!((turned.cells[j][i].z.unwrap() - cell.z.unwrap()).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn few_users_are_masked_and_what_tells_nothing_is_left_out() {
    // Day 1 has no conversion, level (1, ·) none at all; the second pair of level 0 has 999 users.
    let rows = [
        sums(0, 0, 0, 2_000, 100.0, 100.0),
        sums(0, 0, 1, 999, 40.0, 40.0),
        sums(0, 1, 0, 1_500, 0.0, 0.0),
        sums(1, 0, 0, 500, 0.0, 0.0),
    ];
    let found = pairs_against_mains((2, 2), RewardType::Bool, &rows).unwrap();
    assert_eq!(found.test, None);
    let cells: Vec<u64> = found.cells.iter().flatten().map(|c| c.n).collect();
    assert_eq!(cells, [2_500, 999, 1_500, 0]);
    assert_eq!(found.cells[0][1].points, None);
    // One row of levels cannot differ from itself: nothing is left, and nothing is certain.
    assert!(found.cells[0][0].points.unwrap().abs() < 1e-9 && found.cells[0][0].z.is_none());
    assert_eq!((found.cells[1][0].points, found.cells[1][0].z), (Some(0.0), None));
    assert_eq!(pairs_against_mains((2, 2), RewardType::Bool, &[]).unwrap().test, None);
    let unknown = pairs_against_mains((2, 2), RewardType::Bool, &[sums(0, 2, 0, 10, 1.0, 1.0)]).unwrap_err();
    assert_eq!(unknown, EvaluationError::UnknownLevel { first: 2, second: 0, levels: (2, 2) });
}

/// A pair that never converts drives its rate to 0: the test still comes to an end, and sees it.
#[test]
fn a_pair_without_a_conversion_is_seen() {
    let rows = [
        sums(0, 0, 0, 3_000, 150.0, 150.0),
        sums(0, 0, 1, 3_000, 160.0, 160.0),
        sums(0, 1, 0, 3_000, 140.0, 140.0),
        sums(0, 1, 1, 3_000, 0.0, 0.0),
    ];
    let found = pairs_against_mains((2, 2), RewardType::Bool, &rows).unwrap();
    let test = found.test.unwrap();
    assert!(test.degrees_of_freedom == 1 && test.p_value < 1e-12, "{test:?}");
    assert!(found.cells[1][1].z.unwrap() < -8.0 && found.cells[1][1].points.unwrap() < 0.0);
    assert!(found.cells[0][1].z.unwrap() > 8.0);
}

/// Rates and traffic move together over the days, as under a bandit: levels that add up show no pair. p-values below 5 % in 5 %
/// of 1,000 runs, but for chance (four standard errors); without days they are nearly all below.
#[test]
fn moving_traffic_makes_no_pair() {
    let (mut with_days, mut pooled) = (0, 0);
    let runs = 1_000;
    for run in 0..runs {
        let mut random = Random::new(run);
        let mut rows = Vec::new();
        for day in 0..5_u32 {
            // The pair (1, 1) gets more of the traffic as all rates fall.
            let shares = [0.3, 0.3, 0.3, 0.1].map(|s: f64| s * (1.0 - 0.2 * f64::from(day)));
            let last = 1.0 - shares[..3].iter().sum::<f64>();
            let base = -2.0 - 0.4 * f64::from(day);
            for (pair, share) in [shares[0], shares[1], shares[2], last].into_iter().enumerate() {
                let (first, second) = (pair / 2, pair % 2);
                let users = (4_000.0 * share) as u64;
                let rate = 1.0 / (1.0 + (-(base + 0.2 * first as f64 - 0.1 * second as f64)).exp());
                let converted = random.binomial(users, rate) as f64;
                rows.push(sums(day, first, second, users, converted, converted));
            }
        }
        let p = |rows: &[PairSums]| pairs_against_mains((2, 2), RewardType::Bool, rows).unwrap().test.unwrap().p_value;
        with_days += u32::from(p(&rows) < 0.05);
        let one_day: Vec<PairSums> = rows.iter().map(|r| PairSums { day: 0, ..*r }).collect();
        pooled += u32::from(p(&one_day) < 0.05);
    }
    println!("below 5 %: {with_days} of {runs} with days, {pooled} without");
    assert!(f64::from(with_days) < 50.0 + 4.0 * 6.9, "{with_days}");
    assert!(with_days > 15, "{with_days}");
    assert!(pooled > 900, "{pooled}");
}
