//! One value of a column of any type, as JSON: for what is looked at row by row, and to show what is wrong.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

use crate::{dress, time};

/// The value of a row. Bytes that are no text, and types that have no place in a snapshot, are null.
pub(crate) fn of(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    macro_rules! integer {
        ($type:ty) => {
            Value::from(array.as_primitive::<$type>().value(row))
        };
    }
    macro_rules! timestamp {
        ($type:ty, $per_second:expr) => {
            moment(time::from_unit(array.as_primitive::<$type>().value(row), $per_second))
        };
    }
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float16 => double(array.as_primitive::<Float16Type>().value(row).into()),
        // The digits that 32 bits need are fewer than those of the double.
        DataType::Float32 => number(&array.as_primitive::<Float32Type>().value(row).to_string()),
        DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => number(&decimal::<Decimal128Type>(array, row)),
        DataType::Decimal256(..) => number(&decimal::<Decimal256Type>(array, row)),
        DataType::Date32 => {
            moment(time::from_unit(i64::from(array.as_primitive::<Date32Type>().value(row)) * 86_400, 1))
        }
        DataType::Timestamp(TimeUnit::Second, _) => timestamp!(TimestampSecondType, 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => timestamp!(TimestampMillisecondType, 1_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => timestamp!(TimestampMicrosecondType, 1_000_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => timestamp!(TimestampNanosecondType, 1_000_000_000),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Binary => text(array.as_binary::<i32>().value(row)),
        DataType::BinaryView => text(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => {
            String::from_utf8_lossy(&dress::id_of_bytes(array.as_fixed_size_binary().value(row))).into()
        }
        DataType::Dictionary(..) => match array.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => {
                let key = dictionary.keys().value(row);
                usize::try_from(key).map_or(Value::Null, |key| of(dictionary.values(), key))
            }
            None => Value::Null,
        },
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let entries = fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), of(column, row)));
            Value::Object(entries.collect())
        }
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let key = |entry| match of(keys, entry) {
                Value::String(key) => key,
                other => other.to_string(),
            };
            Value::Object((0..entries.len()).map(|entry| (key(entry), of(values, entry))).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// The value of a row as it is shown in a message; `None` for null.
pub(crate) fn shown(array: &ArrayRef, row: usize) -> Option<String> {
    match of(array, row) {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Number(micros) if matches!(array.data_type(), DataType::Timestamp(..)) => {
            micros.as_i64().map(time::shown)
        }
        other => Some(other.to_string()),
    }
}

fn list(values: &ArrayRef) -> Value {
    (0..values.len()).map(|row| of(values, row)).collect()
}

/// A time as its microseconds.
fn moment(micros: i64) -> Value {
    if time::is_time(micros) { micros.into() } else { Value::Null }
}

/// NaN and what is infinite have no JSON; they are shown as the texts that they are.
fn double(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

fn number(text: &str) -> Value {
    text.parse::<Number>().map_or_else(|_| text.into(), Value::Number)
}

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or(Value::Null, Value::from)
}

fn decimal<T: arrow_array::types::DecimalType + ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> String {
    array.as_primitive::<T>().value_as_string(row)
}
