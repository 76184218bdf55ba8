//! Numeric rewards, two-part: whether a reward is other than 0, and how much it is then.
//!
//! z ~ Binomial(n, p) as in [`super::logistic`], and the mean amount μ as in [`super::amounts`]; E r = p μ. The two are
//! independent given the data, as their priors are. An arm without an order borrows its value from all others, not from a
//! variance of its own.

use rand::RngExt;

use super::input::Input;
use super::{amounts, logistic};
use crate::inference::streams::{Stream, stream};
use crate::{FitError, Posterior, Seed};

/// Fits both parts; there is at least one reward other than 0. Draw s of the one goes with draw s of the other.
///
/// # Errors
/// [`FitError::NonzeroNotCounted`], [`FitError::NotTwoPart`], and what either part's fit returns.
pub(crate) fn fit(input: &Input<'_>, seed: &Seed) -> Result<Posterior, FitError> {
    check(input)?;
    let chance = logistic::fit(input, |cell| (cell.n, cell.nonzero.unwrap_or(0.0)), seed)?;
    let amount = amounts::fit(input, &seed.child("amount"))?;
    Ok(Posterior { amount: Some(Box::new(shuffled(amount, seed))), ..chance })
}

/// The same draws in another order: those of a fit lie sorted, and sorted draws side by side would be correlated.
fn shuffled(posterior: Posterior, seed: &Seed) -> Posterior {
    let mut rng = stream(seed, Stream::Order);
    let mut order: Vec<usize> = (0..posterior.len()).collect();
    for i in 1..order.len() {
        order.swap(i, rng.random_range(0..=i));
    }
    Posterior {
        draws: order.iter().flat_map(|&s| posterior.draw(s)).copied().collect(),
        strata: order.iter().flat_map(|&s| posterior.stratum_draw(s)).copied().collect(),
        ..posterior
    }
}

/// That every cell's rewards can be split into those that are 0 and positive amounts.
fn check(input: &Input<'_>) -> Result<(), FitError> {
    for cell in &input.cells {
        let (variant, context, sum) = (cell.variant, cell.context, input.sum(cell));
        match cell.nonzero {
            None => return Err(FitError::NonzeroNotCounted { variant, context }),
            Some(z) if (z > 0.0) != (sum > 0.0) || sum < 0.0 => {
                return Err(FitError::NotTwoPart { variant, context, nonzero: z, sum });
            }
            Some(_) => {}
        }
    }
    Ok(())
}
