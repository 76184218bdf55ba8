//! What the models share: the cells as rows, Gaussians over coefficients, the grid of scales, and ways to draw.

pub(crate) mod convergence;
pub(crate) mod directions;
pub(crate) mod factor;
pub(crate) mod grid;
pub(crate) mod importance;
pub(crate) mod kernel;
pub(crate) mod laplace;
pub(crate) mod logistic;
pub(crate) mod mixture;
pub(crate) mod nuts;
pub(crate) mod pareto;
pub(crate) mod quadrature;
pub(crate) mod resample;
pub(crate) mod rows;
pub(crate) mod scales;
pub(crate) mod sites;
pub(crate) mod streams;
pub(crate) mod swept;
pub(crate) mod thin;
pub(crate) mod traversal;
pub(crate) mod variational;
pub(crate) mod work;
