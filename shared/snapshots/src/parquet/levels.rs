//! Variants and contexts from arrow columns: text, struct, map, or a column for each factor.

use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type,
    Int32Type,
};
use arrow_array::{Array, ArrayRef, MapArray, PrimitiveArray};
use arrow_schema::DataType;

use super::columns::{Meanings, coded, integers};
use super::open::is_variant;
use super::variant;
use crate::assign::{Assigner, Context, Levels, Variant};
use crate::dress;
use crate::fields::find;
use crate::level::Scalar;
use crate::unknown::{Found, Side, TextId};

/// Numbers the variants or contexts of a row group's columns.
pub(super) struct Reader {
    variants: Meanings<Variant>,
    contexts: Meanings<Context>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { variants: Meanings::new(), contexts: Meanings::new() }
    }

    /// The variants of a column of JSON text, structs or maps.
    pub(super) fn variants(&mut self, array: &ArrayRef, assigner: &mut Assigner<'_>, out: &mut Vec<Variant>) {
        match array.as_dictionary_opt::<Int32Type>() {
            Some(texts) => {
                let none = assigner.no_variant();
                out.extend(coded(texts, self.variants.of(texts, |text| assigner.variant(text)), none));
            }
            None => match as_texts(array) {
                Some(texts) => out.extend(texts.iter().map(|text| assigner.variant(text.as_deref()))),
                None => nested(array, Side::Design, assigner, |levels, assigner| out.push(assigner.variant_of(levels))),
            },
        }
    }

    /// The contexts of a column of JSON text, structs or maps.
    pub(super) fn contexts(&mut self, array: &ArrayRef, assigner: &mut Assigner<'_>, out: &mut Vec<Context>) {
        let none = assigner.no_context();
        match array.as_dictionary_opt::<Int32Type>() {
            Some(texts) => out.extend(coded(texts, self.contexts.of(texts, |text| assigner.context(text)), none)),
            None => match as_texts(array) {
                Some(texts) => out.extend(texts.iter().map(|text| assigner.context(text.as_deref()))),
                None => {
                    nested(array, Side::Context, assigner, |levels, assigner| out.push(assigner.context_of(levels)));
                }
            },
        }
    }
}

/// The rows of a column of VARIANT or of texts of a fixed length as JSON text; `None` for any other column. What is no VARIANT is text that is
/// no JSON.
fn as_texts(array: &ArrayRef) -> Option<Vec<Option<String>>> {
    let garbled = || Some("\u{FFFD}".to_owned());
    match array.data_type() {
        DataType::FixedSizeBinary(_) => {
            let text =
                |bytes| std::str::from_utf8(dress::trimmed(bytes)).map_or_else(|_| garbled(), |text| Some(text.into()));
            Some(array.as_fixed_size_binary().iter().map(|bytes| bytes.and_then(text)).collect())
        }
        DataType::Struct(fields) if is_variant(fields) => {
            let rows = array.as_struct();
            let text = |row| match variant::json(rows, row) {
                Ok(value) => value.map(|value| value.to_string()),
                Err(variant::Malformed) => garbled(),
            };
            Some((0..array.len()).map(text).collect())
        }
        _ => None,
    }
}

/// The variants of rows whose factors are columns of their own.
pub(super) fn variants_of(
    columns: &[(usize, &ArrayRef)],
    rows: usize,
    assigner: &mut Assigner<'_>,
    out: &mut Vec<Variant>,
) {
    factors(columns, rows, Side::Design, assigner, |levels, assigner| out.push(assigner.variant_of(levels)));
}

/// The contexts of rows whose factors are columns of their own.
pub(super) fn contexts_of(
    columns: &[(usize, &ArrayRef)],
    rows: usize,
    assigner: &mut Assigner<'_>,
    out: &mut Vec<Context>,
) {
    factors(columns, rows, Side::Context, assigner, |levels, assigner| out.push(assigner.context_of(levels)));
}

fn factors<'a>(
    columns: &[(usize, &ArrayRef)],
    rows: usize,
    side: Side,
    assigner: &mut Assigner<'a>,
    mut each: impl FnMut(&Levels, &mut Assigner<'a>),
) {
    let levels_of = |(factor, array): &(usize, &ArrayRef)| (*factor, column_levels(array, side, *factor, assigner));
    let columns: Vec<(usize, Vec<Found>)> = columns.iter().map(levels_of).collect();
    let mut levels = Levels::new(side.factors(assigner.space()).len());
    for row in 0..rows {
        for (factor, column) in &columns {
            levels.set(*factor, column[row]);
        }
        each(&levels, assigner);
    }
}

fn nested<'a>(
    array: &ArrayRef,
    side: Side,
    assigner: &mut Assigner<'a>,
    mut each: impl FnMut(&Levels, &mut Assigner<'a>),
) {
    match array.data_type() {
        DataType::Struct(_) => structs(array, side, assigner, each),
        DataType::Map(..) => maps(array.as_map(), side, assigner, each),
        _ => {
            let levels = Levels::new(side.factors(assigner.space()).len());
            (0..array.len()).for_each(|_| each(&levels, assigner));
        }
    }
}

fn structs<'a>(
    array: &ArrayRef,
    side: Side,
    assigner: &mut Assigner<'a>,
    mut each: impl FnMut(&Levels, &mut Assigner<'a>),
) {
    let factors = side.factors(assigner.space());
    let array = array.as_struct();
    let names = array.column_names();
    let of: Vec<Option<usize>> = factors.iter().map(|f| find(f.name(), names.iter().copied())).collect();
    let is_twice = |position: usize| names.iter().filter(|name| **name == names[position]).count() > 1;
    let twice =
        of.iter().flatten().find(|position| is_twice(**position)).map(|&position| assigner.text(names[position]));
    let mut levels_of = |factor, position: Option<usize>| {
        Some((factor, column_levels(array.column(position?), side, factor, assigner)))
    };
    let columns: Vec<(usize, Vec<Found>)> =
        of.iter().enumerate().filter_map(|(factor, position)| levels_of(factor, *position)).collect();
    let others = array.columns().iter().zip(&names).enumerate().filter(|(i, _)| !of.contains(&Some(*i)));
    let foreign: Vec<(&ArrayRef, TextId)> = others.map(|(_, (column, name))| (column, assigner.text(name))).collect();
    let mut levels = Levels::new(factors.len());
    for row in 0..array.len() {
        levels.clear();
        if array.is_valid(row) {
            for (factor, column) in &columns {
                levels.set(*factor, column[row]);
            }
            let is_there = |column: &ArrayRef| !column.is_null(row) && *column.data_type() != DataType::Null;
            if let Some((_, name)) = foreign.iter().find(|(column, _)| is_there(column)) {
                levels.set_foreign(*name);
            }
            if let Some(name) = twice {
                levels.set_twice(name);
            }
        }
        each(&levels, assigner);
    }
}

fn maps<'a>(
    array: &MapArray,
    side: Side,
    assigner: &mut Assigner<'a>,
    mut each: impl FnMut(&Levels, &mut Assigner<'a>),
) {
    let factors = side.factors(assigner.space());
    let mut levels = Levels::new(factors.len());
    // The factor of each entry's key, or the key itself.
    let mut keys: Vec<Result<usize, TextId>> = Vec::new();
    each_scalar(array.keys(), |key| {
        let key = match key {
            Scalar::Text(key) | Scalar::Number(key) => key,
            _ => "",
        };
        keys.push(factors.iter().position(|f| f.name() == key).ok_or_else(|| assigner.text(key)));
    });
    // The level of each entry under the factor of its key.
    let mut entries = Vec::new();
    each_scalar(array.values(), |value| {
        entries.push(match keys.get(entries.len()) {
            Some(Ok(factor)) => assigner.find(side, *factor, value),
            Some(Err(name)) if !matches!(value, Scalar::Null) => Found::Unknown(*name),
            _ => Found::Missing,
        });
    });
    let offsets = array.value_offsets();
    // The last row that had each factor, from 1.
    let mut last = vec![0; factors.len()];
    for row in 0..array.len() {
        levels.clear();
        let range = match (usize::try_from(offsets[row]), usize::try_from(offsets[row + 1])) {
            (Ok(start), Ok(end)) if array.is_valid(row) => start..end,
            _ => 0..0,
        };
        for entry in range {
            match (keys[entry], entries[entry]) {
                (Ok(factor), level) => {
                    levels.set(factor, level);
                    if std::mem::replace(&mut last[factor], row + 1) == row + 1 {
                        levels.set_twice(assigner.text(factors[factor].name()));
                    }
                }
                (Err(_), Found::Missing) => {}
                (Err(name), _) => levels.set_foreign(name),
            }
        }
        each(&levels, assigner);
    }
}

/// The levels of one factor in a column.
pub(super) fn column_levels(array: &ArrayRef, side: Side, factor: usize, assigner: &mut Assigner<'_>) -> Vec<Found> {
    if let Some(texts) = array.as_dictionary_opt::<Int32Type>() {
        let of = |text: Option<&str>| assigner.find(side, factor, text.map_or(Scalar::Null, Scalar::Text));
        return coded(texts, Meanings::new().of(texts, of), Found::Missing).collect();
    }
    let mut levels = Vec::with_capacity(array.len());
    each_scalar(array, |scalar| levels.push(assigner.find(side, factor, scalar)));
    levels
}

/// Calls `each` with every row of a column of scalars. Arrays, structs and other types that are no level are nested.
fn each_scalar(array: &ArrayRef, mut each: impl FnMut(Scalar<'_>)) {
    match array.data_type() {
        DataType::Utf8 => {
            array.as_string::<i32>().iter().for_each(|text| each(text.map_or(Scalar::Null, Scalar::Text)));
        }
        DataType::Binary => array.as_binary::<i32>().iter().for_each(|bytes| {
            each(bytes.map_or(Scalar::Null, |bytes| std::str::from_utf8(bytes).map_or(Scalar::Nested, Scalar::Text)));
        }),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().iter().for_each(|bytes| {
            let text = |bytes| std::str::from_utf8(dress::trimmed(bytes)).map_or(Scalar::Nested, Scalar::Text);
            each(bytes.map_or(Scalar::Null, text));
        }),
        DataType::Null => (0..array.len()).for_each(|_| each(Scalar::Null)),
        DataType::Boolean => array.as_boolean().iter().for_each(|v| each(v.map_or(Scalar::Null, Scalar::Bool))),
        DataType::Float16 => floats(array.as_primitive::<Float16Type>().iter().map(|v| v.map(f32::from)), each),
        DataType::Float32 => floats(array.as_primitive::<Float32Type>().iter(), each),
        DataType::Float64 => floats(array.as_primitive::<Float64Type>().iter(), each),
        DataType::Decimal32(..) => decimals(array.as_primitive::<Decimal32Type>(), each),
        DataType::Decimal64(..) => decimals(array.as_primitive::<Decimal64Type>(), each),
        DataType::Decimal128(..) => decimals(array.as_primitive::<Decimal128Type>(), each),
        DataType::Decimal256(..) => decimals(array.as_primitive::<Decimal256Type>(), each),
        of if of.is_integer() => {
            for value in integers(array).into_iter().flatten() {
                match value {
                    Some(value) => each(Scalar::Number(&value.to_string())),
                    None => each(Scalar::Null),
                }
            }
        }
        _ => (0..array.len()).for_each(|row| each(if array.is_valid(row) { Scalar::Nested } else { Scalar::Null })),
    }
}

fn decimals<T: DecimalType>(values: &PrimitiveArray<T>, mut each: impl FnMut(Scalar<'_>)) {
    for row in 0..values.len() {
        if values.is_valid(row) {
            each(Scalar::Number(&values.value_as_string(row)));
        } else {
            each(Scalar::Null);
        }
    }
}

/// Floats with the digits that their own type needs, which are fewer for 32 bits. NaN is null.
fn floats<T: Display>(values: impl Iterator<Item = Option<T>>, mut each: impl FnMut(Scalar<'_>)) {
    for value in values {
        match value.map(|v| v.to_string()).filter(|text| text != "NaN") {
            Some(text) => each(Scalar::Number(&text)),
            None => each(Scalar::Null),
        }
    }
}
