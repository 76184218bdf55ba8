//! What a version expects of its cells, kept beside its policy: the model that doubly robust values are made with.
//!
//! ```text
//! contexts  context of each, less the one before it
//! of each context and variant: by how much its code differs
//! ```
//! A number is kept as the 24 highest bits of its single-precision form, 15 of them its fraction: to one part in 2¹⁶. Codes are in the
//! order of the numbers, so that numbers that are near have codes that are: a code differs from that of the same cell of the next
//! newer version, or else from the variant's before it.

use super::encoding::PolicyDecodeError;
use super::varint::{number, put, unzigzag, zigzag};

/// q̂(v, c) in some contexts: contexts × variants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expectations {
    variants: usize,
    /// Ascending.
    contexts: Vec<u64>,
    /// One row of codes for each context.
    codes: Vec<i32>,
}

impl Expectations {
    /// The expectations of ascending contexts. `None` where the numbers are not contexts × variants of a finite single-precision form, or
    /// the contexts do not ascend.
    pub(super) fn new(variants: usize, contexts: &[u64], means: &[f64]) -> Option<Self> {
        let ascend = contexts.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || variants == 0 || contexts.len().checked_mul(variants)? != means.len() {
            return None;
        }
        let codes = means.iter().map(|&mean| code(mean)).collect::<Option<Vec<i32>>>()?;
        Some(Self { variants, contexts: contexts.to_vec(), codes })
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// q̂(·, c), one number per variant.
    pub(super) fn of(&self, context: u64) -> Option<Vec<f64>> {
        Some(self.row(context)?.iter().map(|&code| value(code)).collect())
    }

    fn row(&self, context: u64) -> Option<&[i32]> {
        let place = self.contexts.binary_search(&context).ok()?;
        self.codes.get(place * self.variants..(place + 1) * self.variants)
    }

    /// Appends them, told by those of the next newer version.
    pub(super) fn encode(&self, newer: Option<&Self>, out: &mut Vec<u8>) {
        put(out, self.contexts.len() as u64);
        let mut last = 0;
        for &context in &self.contexts {
            put(out, context - last);
            last = context;
        }
        for (&context, codes) in self.contexts.iter().zip(self.codes.chunks_exact(self.variants.max(1))) {
            let base = newer.and_then(|newer| newer.row(context));
            let mut before = 0;
            for (variant, &code) in codes.iter().enumerate() {
                let from = base.map_or(before, |base| base[variant]);
                put(out, zigzag(i64::from(code) - i64::from(from)));
                before = code;
            }
        }
    }

    /// Takes them off the front: at most so many numbers.
    pub(super) fn decode(
        body: &mut &[u8],
        variants: usize,
        newer: Option<&Self>,
        most: usize,
    ) -> Result<Self, PolicyDecodeError> {
        let wrong = |what| PolicyDecodeError::Header { what };
        let count = usize::try_from(number(body)?).unwrap_or(usize::MAX);
        let all = count.checked_mul(variants).filter(|&all| all <= most && all <= body.len());
        let all = all.ok_or(wrong("more expectations than a history may have, or than there are bytes"))?;
        let mut found = Self { variants, contexts: Vec::with_capacity(count), codes: Vec::with_capacity(all) };
        let mut last = 0_u64;
        for place in 0..count {
            let gap = number(body)?;
            last = last.checked_add(gap).ok_or(wrong("a context beyond all numbers"))?;
            if place > 0 && gap == 0 {
                return Err(wrong("contexts of expectations do not ascend"));
            }
            found.contexts.push(last);
        }
        for place in 0..count {
            let base = newer.and_then(|newer| newer.row(found.contexts[place]));
            let mut before = 0;
            for variant in 0..variants {
                let from = base.map_or(before, |base| base[variant]);
                let code = unzigzag(number(body)?).checked_add(i64::from(from));
                before = code
                    .and_then(|code| i32::try_from(code).ok())
                    .filter(|&code| value(code).is_finite())
                    .ok_or(wrong("an expectation that is no number"))?;
                found.codes.push(before);
            }
        }
        Ok(found)
    }
}

/// The code of a number, which ascends with it; `None` where its single-precision form is not finite.
#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what it is for")]
fn code(number: f64) -> Option<i32> {
    let single = number as f32;
    if !single.is_finite() {
        return None;
    }
    // Rounded half up in magnitude; the largest numbers would become infinite and stay below it.
    let magnitude = (single.abs().to_bits().saturating_add(0x80) >> 8).min(GREATEST);
    let magnitude = i32::try_from(magnitude).ok()?;
    Some(if single < 0.0 { -magnitude } else { magnitude })
}

/// The code of the greatest finite number.
const GREATEST: u32 = 0x007f_7fff;

/// The number of a code; not finite where there is none.
fn value(code: i32) -> f64 {
    if code.unsigned_abs() > GREATEST {
        return f64::NAN;
    }
    let magnitude = f64::from(f32::from_bits(code.unsigned_abs() << 8));
    if code < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn expectations_are_read_as_they_were_written_to_one_part_in_sixty_five_thousand(
            older in proptest::collection::btree_map(0_u64..1 << 40, proptest::array::uniform3(-1e30_f64..1e30), 0..6),
            newer in proptest::collection::btree_map(0_u64..1 << 40, proptest::array::uniform3(-2.0_f64..2.0), 0..6),
        ) {
            let make = |rows: &std::collections::BTreeMap<u64, [f64; 3]>| {
                let contexts: Vec<u64> = rows.keys().copied().collect();
                let means: Vec<f64> = rows.values().flatten().copied().collect();
                Expectations::new(3, &contexts, &means).unwrap()
            };
            let (old, new) = (make(&older), make(&newer));
            for base in [None, Some(&new)] {
                let mut bytes = Vec::new();
                old.encode(base, &mut bytes);
                let mut rest = bytes.as_slice();
                prop_assert_eq!(&Expectations::decode(&mut rest, 3, base, 1_000).unwrap(), &old);
                prop_assert!(rest.is_empty());
            }
            for (context, means) in &older {
                for (found, mean) in old.of(*context).unwrap().into_iter().zip(means) {
                    prop_assert!((found - mean).abs() <= 1.6e-5 * mean.abs() + 1e-30, "{} for {}", found, mean);
                }
            }
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_as_finite_numbers(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(read) = Expectations::decode(&mut bytes.as_slice(), 2, None, 30) {
                prop_assert!(read.codes.iter().all(|&code| value(code).is_finite()));
                prop_assert!(read.len() <= 30 && read.contexts.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn what_is_no_number_and_what_is_no_table_is_not_kept() {
        for means in [[0.5, f64::NAN], [f64::INFINITY, 0.0], [1e300, 0.0]] {
            assert_eq!(Expectations::new(2, &[3], &means), None, "{means:?}");
        }
        for contexts in [&[3, 3][..], &[4, 3], &[1, 2, 3]] {
            assert_eq!(Expectations::new(1, contexts, &[0.5, 0.5]), None, "{contexts:?}");
        }
        let greatest = Expectations::new(1, &[0], &[f64::from(f32::MAX)]).unwrap().of(0).unwrap();
        assert!(greatest[0].is_finite() && (greatest[0] / f64::from(f32::MAX) - 1.0).abs() < 1.6e-5);
    }

    #[test]
    fn what_hardly_moves_takes_two_bytes_a_cell_at_most() {
        let contexts: Vec<u64> = (0..50).collect();
        let means =
            |moved: f64| (0..200).map(|cell| 0.04 * moved * (1.0 + f64::from(cell % 7) / 10.0)).collect::<Vec<_>>();
        let [older, newer] = [1.0, 1.03].map(|moved| Expectations::new(4, &contexts, &means(moved)).unwrap());
        let mut bytes = Vec::new();
        older.encode(Some(&newer), &mut bytes);
        assert!(bytes.len() <= 1 + 50 + 400, "{}", bytes.len());
    }
}
