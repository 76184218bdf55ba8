//! From the draws of a fit to a posterior over the space's columns, or over arms.

use rand::RngExt;
use rand_distr::StandardNormal;

use crate::inference::design::Design;
use crate::inference::factor::Factor;
use crate::inference::scales::Scales;
use crate::inference::streams::{Stream, stream};
use crate::posterior::column_means;
use crate::{Diagnostics, Link, Posterior, Predictor, Seed};

/// What a fit leaves, with the columns of its design.
pub(super) struct Fitted {
    /// Draws × P, row-major.
    pub draws: Vec<f32>,
    /// The scales that each draw was made under.
    pub scales: Vec<Scales>,
    /// The standard deviation that they are in units of: 1, or σ of each draw.
    pub sigma: Option<Vec<f64>>,
    /// Cholesky factor of Λ under the mean scales.
    pub factor: Factor,
    /// The mean scales.
    pub mean_scales: Scales,
    pub diagnostics: Diagnostics,
}

impl Fitted {
    /// Draws × strata.
    fn strata(&self, design: &Design<'_>) -> Vec<f32> {
        let strata = design.layout.first_stratum()..design.layout.intercept();
        self.draws.chunks_exact(design.layout.columns).flat_map(|draw| &draw[strata.clone()]).copied().collect()
    }

    /// The posterior over the space's columns. Those that no observation touches are drawn from their prior.
    pub(super) fn contextual(self, design: &Design<'_>, link: Link, seed: &Seed) -> Posterior {
        let mut rng = stream(seed, Stream::Unseen);
        let mut draws = Vec::with_capacity(self.scales.len() * design.places.len());
        for (s, draw) in self.draws.chunks_exact(design.layout.columns).enumerate() {
            let sigma = self.sigma.as_ref().map_or(1.0, |sigma| sigma[s]);
            draws.extend(design.places.iter().enumerate().map(|(j, place)| {
                if let Some(place) = place {
                    return draw[*place];
                }
                let z: f64 = rng.sample(StandardNormal);
                #[expect(clippy::cast_possible_truncation, reason = "draws are kept in single precision")]
                let unseen = (sigma * scale(design, j, self.scales[s]) * z) as f32;
                unseen
            }));
        }
        let strata = self.strata(design);
        Posterior {
            predictor: Predictor::Columns,
            link,
            columns: design.places.len(),
            mean: column_means(&draws, design.places.len()),
            draws,
            precision_cholesky: cholesky(design, &self.factor, self.mean_scales),
            arms: Vec::new(),
            diagnostics: self.diagnostics,
            strata,
            amount: None,
        }
    }

    /// The posterior over arms, each the sum of the intercept and its own effect, of a design that has them as the levels of
    /// one factor.
    #[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
    pub(super) fn arms(self, design: &Design<'_>, link: Link) -> Posterior {
        let variants = design.space.variants();
        let places: Vec<usize> = (0..variants).map(|v| design.place(design.columns.design(0, v))).collect();
        let mut draws = Vec::with_capacity(self.draws.len());
        for draw in self.draws.chunks_exact(design.layout.columns) {
            draws.extend(places.iter().map(|&place| draw[design.layout.intercept()] + draw[place]));
        }
        let mean = column_means(&draws, variants);
        let mut squares = vec![0.0; variants];
        for draw in draws.chunks_exact(variants) {
            for ((square, &x), m) in squares.iter_mut().zip(draw).zip(&mean) {
                *square += (f64::from(x) - m).powi(2);
            }
        }
        let count = (draws.len() / variants) as f64;
        let strata = self.strata(design);
        Posterior {
            predictor: Predictor::Arms,
            link,
            columns: variants,
            draws,
            precision_cholesky: Vec::new(),
            arms: mean.iter().zip(squares).flat_map(|(&m, square)| [m, (square / count).sqrt()]).collect(),
            mean,
            diagnostics: self.diagnostics,
            strata,
            amount: None,
        }
    }
}

/// The scale of a column that was left out.
fn scale(design: &Design<'_>, column: usize, scales: Scales) -> f64 {
    if design.is_main(column) { scales.main } else { scales.pair }
}

/// The Cholesky factor of the coefficients' precision, strata averaged over: the trailing block of the fit's, and the prior's
/// for columns that were left out.
fn cholesky(design: &Design<'_>, factor: &Factor, mean_scales: Scales) -> Vec<f64> {
    let (size, whole) = (design.places.len(), factor.row_major());
    let mut out = vec![0.0; size * size];
    for (i, row) in design.places.iter().enumerate() {
        let Some(row) = row else {
            out[i * size + i] = 1.0 / scale(design, i, mean_scales);
            continue;
        };
        for (j, column) in design.places.iter().enumerate().take(i + 1) {
            if let Some(column) = column {
                out[i * size + j] = whole[row * factor.size() + column];
            }
        }
    }
    out
}
