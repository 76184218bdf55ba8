//! Two policies compared draw by draw: how much more, how surely, and how much of what can be had.

use super::quantiles::Spread;
use super::value::Values;

/// What a comparison shows: a percentage and its central 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent {
    pub(super) percent: Option<f64>,
    pub(super) interval: Option<[f64; 2]>,
}

/// 100 (x − y) / |y|.
fn percent_above(x: f64, y: f64) -> Option<f64> {
    Some(100.0 * (x - y) / y.abs()).filter(|percent| percent.is_finite())
}

/// `value` above what was `earned`, which is a measured number and the same in every draw.
pub(super) fn above_earned(value: Spread, earned: f64) -> Percent {
    let ends = percent_above(value.lo, earned).zip(percent_above(value.hi, earned));
    Percent { percent: percent_above(value.mean, earned), interval: ends.map(|(lo, hi)| [lo, hi]) }
}

/// One number above another, both random: 100 (`x_s` − `y_s`)/|`y_s`| in every draw s. The percentage is that of the means. No interval
/// where 0 lies within the central 95 % of y: the ratio then takes any value.
pub(super) fn above(x: &[f64], y: &[f64]) -> Percent {
    let spread = Spread::of(&mut y.to_vec());
    let mean = Spread::of(&mut x.to_vec()).mean;
    let one_sign = spread.lo > 0.0 || spread.hi < 0.0;
    let ratios: Option<Vec<f64>> = x.iter().zip(y).map(|(x, y)| percent_above(*x, *y)).collect();
    let interval = ratios.filter(|_| one_sign).map(|mut ratios| {
        let ratios = Spread::of(&mut ratios);
        [ratios.lo, ratios.hi]
    });
    Percent { percent: percent_above(mean, spread.mean), interval }
}

/// P(`V_s` > `B_s`): the share of the draws in which the policy earns more than the baseline.
#[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
pub(super) fn probability_above(values: &Values) -> f64 {
    let more = values.policy.iter().zip(&values.baseline).filter(|(v, b)| v > b).count();
    more as f64 / values.policy.len() as f64
}

/// (E V − E B)/(E O − E B), with O the value of serving every context its best variant. `None` where there is nothing to gain: O
/// is above B by no more than the rounding of single precision.
pub(super) fn progress(values: &Values) -> Option<f64> {
    let mean = |all: &[f64]| Spread::of(&mut all.to_vec()).mean;
    let (policy, baseline, best) = (mean(&values.policy), mean(&values.baseline), mean(&values.best));
    let gain = best - baseline;
    (gain > 1e-6 * best.abs().max(baseline.abs())).then(|| (policy - baseline) / gain)
}

/// E max `R_s(v)` over some variants: variants × draws.
#[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
pub(super) fn expected_best(rewards: &[Vec<f64>], allowed: impl Iterator<Item = usize>) -> f64 {
    let draws = rewards.first().map_or(0, Vec::len);
    let mut best = vec![f64::NEG_INFINITY; draws];
    for v in allowed {
        best.iter_mut().zip(&rewards[v]).for_each(|(best, &reward)| *best = best.max(reward));
    }
    best.iter().sum::<f64>() / draws as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_an_interval_where_its_base_has_a_sign() {
        let base: Vec<f64> = (1..=1_000).map(f64::from).collect();
        let double: Vec<f64> = base.iter().map(|x| 2.0 * x).collect();
        let found = above(&double, &base);
        assert_eq!(found, Percent { percent: Some(100.0), interval: Some([100.0, 100.0]) });
        // Losses: less of a loss is above.
        let (loss, half): (Vec<f64>, Vec<f64>) = base.iter().map(|x| (-x, -x / 2.0)).unzip();
        assert_eq!(above(&half, &loss), Percent { percent: Some(50.0), interval: Some([50.0, 50.0]) });
        let around: Vec<f64> = base.iter().map(|x| x - 100.5).collect();
        assert_eq!(above(&double, &around).interval, None);
        assert_eq!(above(&base, &vec![0.0; 1_000]), Percent { percent: None, interval: None });
    }

    #[test]
    fn progress_is_a_share_of_what_can_be_had() {
        let values = |policy, baseline, best| Values {
            policy: vec![policy; 2],
            baseline: vec![baseline; 2],
            best: vec![best; 2],
        };
        assert_eq!(progress(&values(7.0, 6.0, 10.0)), Some(0.25));
        assert_eq!(progress(&values(5.0, 6.0, 10.0)), Some(-0.25));
        assert_eq!(progress(&values(6.0, 6.0, 6.0)), None);
    }
}
