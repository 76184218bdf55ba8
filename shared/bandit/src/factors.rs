//! Factors, their levels, and the numbering of variants and contexts.

use serde::{Deserialize, Serialize};

/// The JSON type in which a factor's levels are written. Levels are compared as text whatever the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Levels are JSON strings.
    Str,
    /// Levels are `true` and `false`.
    Bool,
}

/// Why a set of factors is not a design.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    /// A factor has fewer than two levels.
    #[error("factor {} has {count} level(s); at least 2 are needed", quoted(name))]
    TooFewLevels {
        /// The factor.
        name: String,
        /// How many levels it has.
        count: usize,
    },
    /// Two levels of a factor are the same text.
    #[error("factor {} has level {} twice", quoted(name), quoted(level))]
    DuplicateLevel {
        /// The factor.
        name: String,
        /// The level that appears twice.
        level: String,
    },
    /// Two factors share a name.
    #[error("factor {} appears twice; names are unique over design and context factors together", quoted(name))]
    DuplicateFactor {
        /// The name.
        name: String,
    },
    /// The ordinals of a factor's levels are not one for each, or not all different.
    #[error(
        "factor {} has {levels} levels and the ordinals {ordinals:?}; each level needs one of its own",
        quoted(name)
    )]
    BadOrdinals {
        /// The factor.
        name: String,
        /// How many levels it has.
        levels: usize,
        /// The ordinals given.
        ordinals: Vec<u32>,
    },
    /// There is no design factor.
    #[error("a design needs at least one factor")]
    NoDesign,
    /// The numbering would not fit its integer.
    #[error("the {what} are too many to number")]
    TooMany {
        /// `variants` or `contexts`.
        what: &'static str,
    },
}

/// A name or a level in quotes, cut after 200 characters.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A named factor with its levels, at least two and all different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    name: String,
    dtype: Dtype,
    levels: Vec<String>,
    ordinals: Vec<u32>,
    /// What levels were called before, with their numbers.
    previous: Vec<(String, usize)>,
}

impl Factor {
    /// A factor of the given levels, in the order that numbers them.
    ///
    /// # Errors
    /// [`FactorError::TooFewLevels`] and [`FactorError::DuplicateLevel`].
    pub fn new(name: impl Into<String>, dtype: Dtype, levels: Vec<String>) -> Result<Self, FactorError> {
        let name = name.into();
        if levels.len() < 2 {
            return Err(FactorError::TooFewLevels { name, count: levels.len() });
        }
        for (i, level) in levels.iter().enumerate() {
            if levels[..i].contains(level) {
                return Err(FactorError::DuplicateLevel { name, level: level.clone() });
            }
        }
        let ordinals = (0..).take(levels.len()).collect();
        Ok(Self { name, dtype, levels, ordinals, previous: Vec::new() })
    }

    /// The same factor with other ordinals: the place of each level in the order in which the factor's levels were created,
    /// those that are gone included. They number variants in the hash, see [`crate::VariantKeys`]; 0, 1, 2, … where nothing
    /// else is said.
    ///
    /// # Errors
    /// [`FactorError::BadOrdinals`].
    pub fn with_ordinals(self, ordinals: Vec<u32>) -> Result<Self, FactorError> {
        let repeated = (1..ordinals.len()).any(|i| ordinals[..i].contains(&ordinals[i]));
        if repeated || ordinals.len() != self.levels.len() {
            return Err(FactorError::BadOrdinals { name: self.name, levels: self.levels.len(), ordinals });
        }
        Ok(Self { ordinals, ..self })
    }

    /// The same factor whose levels had other names before, given with the levels' numbers: data that have one of them count
    /// under the level.
    ///
    /// # Errors
    /// [`FactorError::DuplicateLevel`] for a text that is a level, or a previous one of another level.
    pub fn with_previous(self, previous: Vec<(String, usize)>) -> Result<Self, FactorError> {
        for (i, (text, level)) in previous.iter().enumerate() {
            let earlier = previous[..i].iter().any(|(other, of)| other == text && of != level);
            if earlier || self.levels.contains(text) {
                return Err(FactorError::DuplicateLevel { name: self.name, level: text.clone() });
            }
        }
        Ok(Self { previous, ..self })
    }

    /// What levels were called before, with their numbers.
    #[must_use]
    pub fn previous(&self) -> &[(String, usize)] {
        &self.previous
    }

    /// The factor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON type of the levels.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The levels as text, in their order.
    #[must_use]
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The place of each level in the order of their creation.
    #[must_use]
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// The number of a level, of its text or of one that it had before; `None` where the factor has no such level.
    #[must_use]
    pub fn level(&self, text: &str) -> Option<usize> {
        let before = || self.previous.iter().find(|(previous, _)| previous == text).map(|(_, level)| *level);
        self.levels.iter().position(|l| l == text).or_else(before)
    }
}

/// The design (what is varied) and the context (what is known of the visitor) of one model.
///
/// A variant is one level of each design factor. A context is one level of each context factor, where every
/// context factor has one level more than it lists: `unknown`, numbered last. Both are numbered in row-major
/// order of the configuration, the last factor running fastest. Variant 0 is the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    design: Vec<Factor>,
    context: Vec<Factor>,
    allowed: Vec<bool>,
    contexts: u64,
}

impl Space {
    /// The space of all variants of `design` and all contexts of `context`; every variant is allowed.
    ///
    /// # Errors
    /// [`FactorError::NoDesign`], [`FactorError::DuplicateFactor`] and [`FactorError::TooMany`] (more than 2³¹
    /// variants or 2⁶³ contexts).
    pub fn new(design: Vec<Factor>, context: Vec<Factor>) -> Result<Self, FactorError> {
        if design.is_empty() {
            return Err(FactorError::NoDesign);
        }
        let all: Vec<&Factor> = design.iter().chain(&context).collect();
        for (i, factor) in all.iter().enumerate() {
            if all[..i].iter().any(|f| f.name == factor.name) {
                return Err(FactorError::DuplicateFactor { name: factor.name.clone() });
            }
        }
        let variants = design
            .iter()
            .try_fold(1_usize, |product, f| product.checked_mul(f.levels.len()))
            .filter(|&v| v <= 1 << 31)
            .ok_or(FactorError::TooMany { what: "variants" })?;
        let contexts = context
            .iter()
            .try_fold(1_u64, |product, f| product.checked_mul(f.levels.len() as u64 + 1))
            .filter(|&c| c <= 1 << 63)
            .ok_or(FactorError::TooMany { what: "contexts" })?;
        Ok(Self { design, context, allowed: vec![true; variants], contexts })
    }

    /// A space whose variants are the levels of one factor: arms that share nothing but where they come from.
    pub(crate) fn of_arms(variants: usize) -> Self {
        let levels = (0..variants).map(|v| v.to_string()).collect();
        let ordinals = (0..).take(variants).collect();
        let factor = Factor { name: "variant".to_owned(), dtype: Dtype::Str, levels, ordinals, previous: Vec::new() };
        Self { design: vec![factor], context: Vec::new(), allowed: vec![true; variants], contexts: 1 }
    }

    /// The same space in which the variants that match one of `excluded` are not allowed. An exclusion is a
    /// partial assignment: (design factor number, level number) pairs, all of which must match.
    #[must_use]
    pub fn excluding(mut self, excluded: &[Vec<(usize, usize)>]) -> Self {
        for variant in 0..self.variants() {
            let levels = self.decode_variant(variant);
            if excluded.iter().any(|e| e.iter().all(|&(factor, level)| levels[factor] == level)) {
                self.allowed[variant] = false;
            }
        }
        self
    }

    /// The design factors.
    #[must_use]
    pub fn design(&self) -> &[Factor] {
        &self.design
    }

    /// The context factors.
    #[must_use]
    pub fn context(&self) -> &[Factor] {
        &self.context
    }

    /// The number of variants, the excluded ones included.
    #[must_use]
    pub fn variants(&self) -> usize {
        self.allowed.len()
    }

    /// The number of contexts, those with unknown levels included. 1 where there is no context factor.
    #[must_use]
    pub fn contexts(&self) -> u64 {
        self.contexts
    }

    /// Whether a variant may be served.
    #[must_use]
    pub fn is_allowed(&self, variant: usize) -> bool {
        self.allowed.get(variant).copied().unwrap_or(false)
    }

    /// The variants that may be served, ascending.
    pub fn allowed(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.variants()).filter(|&v| self.allowed[v])
    }

    /// The number of a variant from one level number per design factor.
    ///
    /// # Panics
    /// If `levels` has not one valid level per factor: the caller's mistake.
    #[must_use]
    pub fn encode_variant(&self, levels: &[usize]) -> usize {
        assert_eq!(levels.len(), self.design.len(), "one level per design factor");
        self.design.iter().zip(levels).fold(0, |index, (factor, &level)| {
            assert!(level < factor.levels.len(), "level {level} of factor {:?}", factor.name);
            index * factor.levels.len() + level
        })
    }

    /// The level number of each design factor in a variant: the inverse of [`Space::encode_variant`].
    #[must_use]
    pub fn decode_variant(&self, mut variant: usize) -> Vec<usize> {
        let mut levels = vec![0; self.design.len()];
        for (level, factor) in levels.iter_mut().zip(&self.design).rev() {
            *level = variant % factor.levels.len();
            variant /= factor.levels.len();
        }
        levels
    }

    /// The number of a context from one level number per context factor; a factor's number of levels stands
    /// for its unknown level.
    ///
    /// # Panics
    /// If `levels` has not one valid level per factor: the caller's mistake.
    #[must_use]
    pub fn encode_context(&self, levels: &[usize]) -> u64 {
        assert_eq!(levels.len(), self.context.len(), "one level per context factor");
        self.context.iter().zip(levels).fold(0, |index, (factor, &level)| {
            assert!(level <= factor.levels.len(), "level {level} of factor {:?}", factor.name);
            index * (factor.levels.len() as u64 + 1) + level as u64
        })
    }

    /// The level number of each context factor in a context: the inverse of [`Space::encode_context`]. A number
    /// equal to the factor's number of levels is its unknown level.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder is below the number of levels, a usize")]
    pub fn decode_context(&self, mut context: u64) -> Vec<usize> {
        let mut levels = vec![0; self.context.len()];
        for (level, factor) in levels.iter_mut().zip(&self.context).rev() {
            let radix = factor.levels.len() as u64 + 1;
            *level = (context % radix) as usize;
            context /= radix;
        }
        levels
    }

    /// The number of coefficients of the contextual model over this space: one intercept, one per level, one
    /// per pair of levels of two design factors, and one per pair of a design level and a context level; `unknown` is a
    /// level of every context factor.
    #[must_use]
    pub fn columns(&self) -> usize {
        let design: Vec<usize> = self.design.iter().map(|f| f.levels.len()).collect();
        let (sum_d, squares) = design.iter().fold((0, 0), |(s, q), l| (s + l, q + l * l));
        let sum_c: usize = self.context.iter().map(|f| f.levels.len() + 1).sum();
        1 + sum_d + sum_c + (sum_d * sum_d - squares) / 2 + sum_d * sum_c
    }
}
