//! From arrow columns to the columns of a batch.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryViewArray, DictionaryArray};
use arrow_schema::{DataType, TimeUnit};

use crate::batch::{Batch, Claim, Id, Ids, LONGEST, Packed};
use crate::dress;
use crate::fields::Field;
use crate::number::Number;
use crate::outcomes::Names;
use crate::time;

/// The rows of a column of integers, or of nulls; `None` where the column is neither.
pub(super) fn integers(array: &dyn Array) -> Option<Box<dyn Iterator<Item = Option<i128>> + '_>> {
    macro_rules! of {
        ($type:ty) => {
            Box::new(array.as_primitive::<$type>().iter().map(|v| v.map(i128::from)))
        };
    }
    Some(match array.data_type() {
        DataType::Int8 => of!(Int8Type),
        DataType::Int16 => of!(Int16Type),
        DataType::Int32 => of!(Int32Type),
        DataType::Int64 => of!(Int64Type),
        DataType::UInt8 => of!(UInt8Type),
        DataType::UInt16 => of!(UInt16Type),
        DataType::UInt32 => of!(UInt32Type),
        DataType::UInt64 => of!(UInt64Type),
        DataType::Decimal32(_, 0) => of!(Decimal32Type),
        DataType::Decimal64(_, 0) => of!(Decimal64Type),
        DataType::Decimal128(_, 0) => Box::new(array.as_primitive::<Decimal128Type>().iter()),
        DataType::Null => Box::new((0..array.len()).map(|_| None)),
        _ => return None,
    })
}

/// A column of ids; the rows of those that are nearly numbers, and what each is.
pub(super) fn ids(array: &ArrayRef, ids: &mut Ids) -> Vec<(usize, &'static str)> {
    match array.data_type() {
        DataType::Utf8View => return views(array.as_string_view().clone().to_binary_view(), dress::is_dressed, ids),
        DataType::BinaryView => {
            let is_odd = |id: &[u8]| id.len() == 16 || dress::is_dressed(id);
            return views(array.as_binary_view().clone(), is_odd, ids);
        }
        DataType::FixedSizeBinary(_) => return texts_of_ids(array.as_fixed_size_binary().iter(), ids.packed()),
        DataType::Float64 | DataType::Float32 | DataType::Decimal256(..) => doubles(array, ids.packed()),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale)
            if *scale != 0 =>
        {
            doubles(array, ids.packed());
        }
        _ => {
            let packed = ids.packed();
            integers(array).into_iter().flatten().for_each(|id| packed.push_integer(id));
        }
    }
    Vec::new()
}

/// Ids that stay where they were decoded, unless one of them is dressed.
fn views(views: BinaryViewArray, is_odd: impl Fn(&[u8]) -> bool, ids: &mut Ids) -> Vec<(usize, &'static str)> {
    let any_odd = match views.null_count() {
        0 => (0..views.len()).any(|row| is_odd(views.value(row))),
        _ => views.iter().flatten().any(is_odd),
    };
    if any_odd {
        return texts_of_ids(views.iter(), ids.packed());
    }
    *ids = Ids::Views(views);
    Vec::new()
}

/// Ids without their dress.
fn texts_of_ids<'a>(ids: impl Iterator<Item = Option<&'a [u8]>>, packed: &mut Packed) -> Vec<(usize, &'static str)> {
    let mut refused = Vec::new();
    for (row, id) in ids.enumerate() {
        refused.extend(id.and_then(dress::nearly_number).map(|what| (row, what)));
        packed.push_plain(id.map(dress::id_of_bytes).as_deref());
    }
    refused
}

/// Ids that are written as numbers with a fraction, which is zero.
fn doubles(array: &ArrayRef, packed: &mut Packed) {
    let decimal = |text: String| Some(String::from_utf8_lossy(&dress::id(text.as_bytes())).into_owned());
    for row in 0..array.len() {
        if array.is_null(row) {
            packed.push(Id::Null);
            continue;
        }
        let double = match array.data_type() {
            DataType::Float32 => Some(f64::from(array.as_primitive::<Float32Type>().value(row))),
            DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row)),
            _ => None,
        };
        let id = match (array.data_type(), double) {
            (_, Some(double)) => dress::id_of_double(double),
            (DataType::Decimal32(..), _) => decimal(array.as_primitive::<Decimal32Type>().value_as_string(row)),
            (DataType::Decimal64(..), _) => decimal(array.as_primitive::<Decimal64Type>().value_as_string(row)),
            (DataType::Decimal128(..), _) => decimal(array.as_primitive::<Decimal128Type>().value_as_string(row)),
            _ => decimal(array.as_primitive::<Decimal256Type>().value_as_string(row)),
        };
        match id.filter(|id| !id.contains('.')) {
            _ if double.is_some_and(f64::is_nan) => packed.push(Id::Null),
            Some(id) => packed.push(Id::Text(id.as_bytes())),
            None => packed.push(Id::Bad),
        }
    }
}

/// A column of times, in microseconds.
pub(super) fn times(array: &ArrayRef, batch: &mut Batch) {
    let times = &mut batch.times;
    macro_rules! of {
        ($type:ty, $per_second:expr) => {
            match array.as_primitive::<$type>() {
                of if of.null_count() == 0 => {
                    times.extend(of.values().iter().map(|&t| time::from_unit(t, $per_second)))
                }
                of => times.extend(of.iter().map(|t| t.map_or(time::NULL, |t| time::from_unit(t, $per_second)))),
            }
        };
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => of!(TimestampSecondType, 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of!(TimestampMillisecondType, 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType, 1_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of!(TimestampNanosecondType, 1_000_000_000),
        DataType::Date32 => times.extend(array.as_primitive::<Date32Type>().iter().map(|day| match day {
            None => time::NULL,
            Some(day) => time::from_unit(i64::from(day) * 86_400, 1),
        })),
        DataType::Date64 => of!(Date64Type, 1_000),
        DataType::Float64 => times.extend(
            array
                .as_primitive::<Float64Type>()
                .iter()
                .map(|t| t.filter(|t| !t.is_nan()).map_or(time::NULL, time::from_double)),
        ),
        DataType::Utf8View => texts(array.as_string_view().iter(), batch),
        DataType::FixedSizeBinary(_) => {
            let text = |bytes| std::str::from_utf8(dress::trimmed(bytes)).unwrap_or("\u{FFFD}");
            texts(array.as_fixed_size_binary().iter().map(|bytes| bytes.map(text)), batch);
        }
        _ => times.extend(integers(array).into_iter().flatten().map(|t| match t {
            None => time::NULL,
            Some(t) => i64::try_from(t).map_or(time::BAD, time::from_epoch),
        })),
    }
}

/// Times as text.
fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>, batch: &mut Batch) {
    for (row, text) in texts.enumerate() {
        let time = text.map_or(time::NULL, time::from_text);
        batch.times.push(time);
        if let (time::BAD, Some(text)) = (time, text)
            && time::is_nearly(text)
        {
            batch.note_nearly(row, Field::Time, text);
        }
    }
}

/// A column of numbers or bools.
#[expect(clippy::cast_precision_loss, reason = "a number of a reward is a double")]
pub(super) fn numbers(array: &ArrayRef, numbers: &mut Vec<Number>) {
    macro_rules! of {
        ($type:ty, $to_f64:expr) => {
            numbers.extend(
                array.as_primitive::<$type>().iter().map(|v| v.map_or(Number::Null, |v| Number::from_f64($to_f64(v)))),
            )
        };
    }
    let scaled = |value: f64, scale: i8| value / 10_f64.powi(scale.into());
    match array.data_type() {
        DataType::Float16 => of!(Float16Type, f64::from),
        DataType::Float32 => of!(Float32Type, f64::from),
        DataType::Float64 => of!(Float64Type, |v| v),
        DataType::Decimal32(_, scale) => of!(Decimal32Type, |v| scaled(f64::from(v), *scale)),
        DataType::Decimal64(_, scale) => of!(Decimal64Type, |v| scaled(v as f64, *scale)),
        DataType::Decimal128(_, scale) => of!(Decimal128Type, |v| scaled(v as f64, *scale)),
        DataType::Decimal256(..) => {
            let decimals = array.as_primitive::<Decimal256Type>();
            let text = |row| decimals.is_valid(row).then(|| decimals.value_as_string(row));
            let number = |row| text(row).map_or(Number::Null, |text| Number::from_text(&text));
            numbers.extend((0..decimals.len()).map(number));
        }
        DataType::Boolean => {
            let number = |v: Option<bool>| v.map_or(Number::Null, |v| Number::Value(f64::from(u8::from(v))));
            numbers.extend(array.as_boolean().iter().map(number));
        }
        _ => numbers.extend(integers(array).into_iter().flatten().map(|v| match v {
            None => Number::Null,
            Some(v) => Number::Value(v as f64),
        })),
    }
}

/// Which of the names `ours` the rows of a column are.
pub(super) fn claims(array: &ArrayRef, ours: Names<'_>, claims: &mut Vec<Claim>) {
    let claim = |text: &[u8]| Claim::of(text, ours);
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let mut meanings = Meanings::new();
        let values = meanings.of(dictionary, |text| text.map_or(Claim::Null, |text| claim(text.as_bytes())));
        claims.extend(coded(dictionary, values, Claim::Null));
        return;
    }
    let mut texts = Ids::Packed(Packed::default());
    ids(array, &mut texts);
    claims.extend((0..array.len()).map(|row| match texts.get(row) {
        Id::Text(text) => claim(text),
        Id::Null | Id::Bad => Claim::Null,
    }));
}

/// The values of a dictionary. A column that is not marked as text has bytes; those that are no text are nobody's name, level or JSON,
/// and neither are texts that are too long.
fn each_text(values: &ArrayRef, mut each: impl FnMut(Option<&str>)) {
    let usable = |text: &'_ str| text.len() <= LONGEST;
    if let Some(bytes) = values.as_binary_opt::<i32>() {
        let text = |b| std::str::from_utf8(b).ok().filter(|text| usable(text)).unwrap_or("\u{FFFD}");
        bytes.iter().for_each(|b| each(b.map(text)));
        return;
    }
    let texts = values.as_string::<i32>().iter();
    texts.for_each(|text| each(text.map(|text| if usable(text) { text } else { "\u{FFFD}" })));
}

/// The rows of a dictionary column, each as what its value stands for.
pub(super) fn coded<'a, T: Copy>(
    dictionary: &'a DictionaryArray<Int32Type>,
    values: &'a [T],
    null: T,
) -> impl Iterator<Item = T> + 'a {
    let keys = dictionary.keys();
    let of = move |key: i32| usize::try_from(key).ok().and_then(|key| values.get(key)).copied().unwrap_or(null);
    // What stands behind a null is any number.
    let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
    keys.values().iter().enumerate().map(move |(row, &key)| match nulls {
        Some(nulls) if nulls.is_null(row) => null,
        _ => of(key),
    })
}

/// What the values of a dictionary stand for, remembered as long as the rows share one dictionary.
pub(super) struct Meanings<T> {
    last: Option<ArrayRef>,
    values: Vec<T>,
}

impl<T: Copy> Meanings<T> {
    pub(super) fn new() -> Self {
        Self { last: None, values: Vec::new() }
    }

    /// The meaning of each value of the dictionary.
    pub(super) fn of(
        &mut self,
        dictionary: &DictionaryArray<Int32Type>,
        mut meaning: impl FnMut(Option<&str>) -> T,
    ) -> &[T] {
        let values = dictionary.values();
        if !self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, values)) {
            self.values.clear();
            each_text(values, |text| self.values.push(meaning(text)));
            self.last = Some(Arc::clone(values));
        }
        &self.values
    }
}
