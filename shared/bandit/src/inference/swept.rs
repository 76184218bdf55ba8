//! Schur complement of a precision: the pairs' block is factored once for every `τ_main`.

use faer::linalg::matmul::matmul;
use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, Par};

use super::factor::Factor;
use super::laplace::GaussianPrior;
use super::sites::Sites;
use super::work::{self, Work};
use crate::FitError;

/// For the precision Λ = G + D in parts m (intercept and main effects) and p (pairs): what does not depend on `τ_main`.
///
/// With A = G_pp + 1/`τ_pair`²: B = A⁻¹G_pm, the Schur complement G_mm − G_mp B, A⁻¹ of the pairs' force, and ln|A|.
/// Then δ_m = (Schur + D_m)⁻¹(f_m − G_mp A⁻¹f_p), δ_p = A⁻¹f_p − B δ_m, ln|Λ| = ln|A| + ln|Schur + D_m|: for each further
/// `τ_main` one factorisation of the size of the main effects, which are few.
pub(crate) struct Swept {
    back: Mat<f64>,
    schur: Mat<f64>,
    solved: Vec<f64>,
    log_det: f64,
}

/// The posterior at one pair of scales: mean, ln|Λ|, evidence, and the factor of Schur + D_m.
pub(crate) struct Parted {
    pub mean: Vec<f64>,
    pub log_det: f64,
    pub log_evidence: f64,
    main: Factor,
}

impl Swept {
    /// Of the expansion, for the `τ_pair` of `prior`, with `mains` columns in part m; and the factor of A.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`].
    pub(crate) fn new(
        sites: &Sites,
        prior: &GaussianPrior,
        mains: usize,
        work: &Work,
    ) -> Result<(Self, Factor), FitError> {
        let pairs = prior.d.len() - mains;
        work.charge("factoring a precision", work::factoring(pairs) + work::solving(pairs, 2 * mains))?;
        let cross = sites.gram.submatrix(mains, 0, pairs, mains);
        let mut precision = sites.gram.submatrix(mains, mains, pairs, pairs).to_owned();
        for j in 0..pairs {
            precision[(j, j)] += prior.d[mains + j];
        }
        let factor = Factor::new(precision)?;
        let mut back = cross.to_owned();
        factor.solve_all(back.as_mut());
        let mut schur = sites.gram.submatrix(0, 0, mains, mains).to_owned();
        matmul(schur.as_mut(), Accum::Add, cross.transpose(), back.as_ref(), -1.0, Par::Seq);
        let mut solved = sites.force(prior).split_off(mains);
        factor.solve(&mut solved);
        let log_det = factor.log_det();
        Ok((Self { back, schur, solved, log_det }, factor))
    }

    /// With the `τ_main` of `prior`, whose `τ_pair` must be that of [`Swept::new`].
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`], [`FitError::Work`].
    pub(crate) fn under(&self, sites: &Sites, prior: &GaussianPrior, work: &Work) -> Result<Parted, FitError> {
        let mains = self.schur.nrows();
        work.charge("factoring a precision", work::factoring(mains))?;
        let mut precision = self.schur.clone();
        for (j, d) in prior.d[..mains].iter().enumerate() {
            precision[(j, j)] += d;
        }
        let main = Factor::new(precision)?;
        let force = sites.force(prior);
        let mut delta: Vec<f64> = (0..mains)
            .map(|j| {
                let cross = &sites.gram.col_as_slice(j)[mains..];
                force[j] - cross.iter().zip(&self.solved).map(|(g, a)| g * a).sum::<f64>()
            })
            .collect();
        main.solve(&mut delta);
        let mut pairs = self.solved.clone();
        for (j, d) in delta.iter().enumerate() {
            for (x, b) in pairs.iter_mut().zip(self.back.col_as_slice(j)) {
                *x -= b * d;
            }
        }
        delta.extend(pairs);
        let log_det = self.log_det + main.log_det();
        let (mean, log_evidence) = sites.shifted(prior, &force, &delta, log_det);
        Ok(Parted { mean, log_det, log_evidence, main })
    }

    /// Columns of standard normals become columns of N(0, Λ⁻¹): those of part m first, then those of p given them.
    pub(crate) fn unwhiten(&self, pairs: &Factor, parted: &Parted, x: MatMut<'_, f64>) {
        let (mut main, mut rest) = x.split_at_row_mut(self.schur.nrows());
        parted.main.unwhiten(main.rb_mut());
        pairs.unwhiten(rest.rb_mut());
        matmul(rest, Accum::Add, self.back.as_ref(), main.as_ref(), -1.0, Par::Seq);
    }
}
