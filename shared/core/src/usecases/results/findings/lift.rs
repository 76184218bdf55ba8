//! The measured lift, as a sentence.

use bandit::evaluation::{LEAST_USERS, anytime_multiple};
use serde_json::Value;

use super::numbers::{count, decimal, list, number, signed, text, thousands};

/// Up to so many times the users of today somebody may be told to wait for.
const MOST_TIMES: u64 = 20;

/// What was measured against the holdout.
#[derive(Debug)]
pub(super) enum Lift {
    /// The snapshot does not tell users apart.
    NoUsers,
    /// Nobody is held out.
    NoHoldout,
    /// There are too few users, or no reward in the holdout.
    Pending,
    /// A number, in per cent, and its interval at every look.
    Found { percent: f64, interval: [f64; 2] },
}

#[derive(Debug)]
pub(super) struct Measured {
    pub(super) lift: Lift,
    pub(super) metric: String,
    pub(super) optimized: u64,
    pub(super) held_out: u64,
    /// The first and the last day.
    pub(super) window: (Option<String>, Option<String>),
}

impl Measured {
    pub(super) fn of(answer: &Value) -> Self {
        let primary = "/primary_metric_vs_holdout";
        let of = |name: &str| number(answer, &format!("{primary}/{name}"));
        let days = list(answer, "/time_series");
        let date = |day: Option<&Value>| day.map(|day| text(day, "/date").to_owned());
        let held_out = count(answer, &format!("{primary}/holdout_users"));
        let expected = number(answer, "/quality/sample_ratio/expected");
        let lift = match (of("lift_percent"), of("lift_ci_anytime/0"), of("lift_ci_anytime/1")) {
            _ if answer.pointer(primary).is_none_or(Value::is_null) => Lift::NoUsers,
            _ if held_out == 0 && expected.is_none_or(|share| share <= 0.0) => Lift::NoHoldout,
            (Some(percent), Some(lo), Some(hi)) => Lift::Found { percent, interval: [lo, hi] },
            _ => Lift::Pending,
        };
        Self {
            lift,
            metric: text(answer, &format!("{primary}/metric_name")).to_owned(),
            optimized: count(answer, &format!("{primary}/optimization_users")),
            held_out,
            window: (date(days.first()), date(days.last())),
        }
    }

    /// Whether there is a holdout to measure against.
    pub(super) fn is_possible(&self) -> bool {
        matches!(self.lift, Lift::Pending | Lift::Found { .. })
    }

    /// Whether the interval holds 0, or there is none yet.
    pub(super) fn is_undecided(&self) -> bool {
        match self.lift {
            Lift::Found { interval: [lo, hi], .. } => lo <= 0.0 && hi >= 0.0,
            _ => true,
        }
    }

    /// What it is about: who, and when first seen.
    fn about(&self) -> String {
        let when = match &self.window {
            (Some(from), Some(to)) if from == to => format!(" first seen on {from} UTC"),
            (Some(from), Some(to)) => format!(" first seen {from} to {to} UTC"),
            _ => String::new(),
        };
        format!("{} optimized and {} held-out users{when}", thousands(self.optimized), thousands(self.held_out))
    }

    /// The sentence; of suspect data it claims nothing.
    pub(super) fn sentence(&self, suspect: bool) -> String {
        let (metric, about) = (&self.metric, self.about());
        let (percent, [lo, hi]) = match self.lift {
            Lift::NoUsers => {
                return "No lift is measured: the snapshot does not tell users apart, so that nothing can be compared per user."
                    .to_owned();
            }
            Lift::NoHoldout => {
                return format!(
                    "No lift is measured: nobody is held out, so that there is nobody to compare {} users with.",
                    thousands(self.optimized)
                );
            }
            Lift::Pending => {
                return format!(
                    "No lift is measured yet: there are {about}, where each arm needs {LEAST_USERS} and the holdout a reward."
                );
            }
            Lift::Found { percent, interval } => (percent, interval),
        };
        let interval = format!("{} to {}", signed(lo), signed(hi));
        if suspect {
            return format!(
                "The data are suspect, so that no lift of {metric} is claimed: as logged it is {} per user over the holdout \
                 (95 % at every look: {interval}; {about}).",
                signed(percent)
            );
        }
        if lo > 0.0 {
            return format!(
                "The optimization lifts {metric} by {} per user over the holdout (95 % at every look: {interval}; {about}).",
                signed(percent)
            );
        }
        if hi < 0.0 {
            return format!(
                "The optimization lowers {metric} by {} % per user under the holdout (95 % at every look: {interval}; {about}).",
                decimal(percent.abs(), 1)
            );
        }
        format!(
            "No detectable change of {metric} so far: the measured lift is {} per user over the holdout, and with 95 % at every \
             look from {interval} a loss of {} % is not excluded ({about}).",
            signed(percent),
            decimal(lo.abs(), 1)
        )
    }

    /// How many more users it takes until the interval leaves 0 out, if the lift stays where it is; `None` where that is more than
    /// 20 times those of today.
    pub(super) fn more_users(&self) -> Option<u64> {
        let users = self.optimized + self.held_out;
        let Lift::Found { percent, interval: [lo, hi] } = self.lift else {
            return (self.held_out < LEAST_USERS).then(|| LEAST_USERS - self.held_out);
        };
        let log = |percent: f64| (percent / 100.0).ln_1p();
        let error = (log(hi) - log(lo)) / 2.0 / anytime_multiple(users);
        let told = |n: u64| log(percent).abs() > error * super::numbers::ratio(users, n).sqrt() * anytime_multiple(n);
        let (mut short, mut enough) = (users, users.checked_mul(MOST_TIMES)?);
        if users == 0 || !error.is_finite() || !told(enough) {
            return None;
        }
        while enough - short > 1 {
            let middle = short + (enough - short) / 2;
            if told(middle) { enough = middle } else { short = middle }
        }
        Some(rounded_up(enough - users))
    }
}

/// To two digits, upwards: more would feign to be known.
fn rounded_up(count: u64) -> u64 {
    let unit = 10_u64.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    count.div_ceil(unit) * unit
}
