//! Columns of VARIANT as JSON: values in the binary form of the format, some of them moved into columns of their own
//! ("shredded").

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::DataType;
use parquet_variant::Variant;
use serde_json::{Map, Number, Value};

/// Objects and arrays within each other.
const NESTING: usize = 64;

/// A value that is not as the format says.
#[derive(Debug)]
pub(super) struct Malformed;

/// The value of a row; `None` where it is null.
pub(super) fn json(rows: &StructArray, row: usize) -> Result<Option<Value>, Malformed> {
    if rows.is_null(row) {
        return Ok(None);
    }
    let metadata = rows.column_by_name("metadata").and_then(|bytes| bytes.as_binary_opt::<i32>());
    let metadata = metadata.filter(|bytes| bytes.is_valid(row)).ok_or(Malformed)?;
    let value = shredded(metadata.value(row), rows, row, NESTING)?;
    Ok(value.filter(|value| !value.is_null()))
}

/// The value of a group of `value` and `typed_value`; `None` where it has neither.
fn shredded(metadata: &[u8], group: &StructArray, row: usize, nesting: usize) -> Result<Option<Value>, Malformed> {
    let nesting = nesting.checked_sub(1).ok_or(Malformed)?;
    if group.is_null(row) {
        return Ok(None);
    }
    let bytes = match group.column_by_name("value") {
        None => None,
        Some(bytes) => Some(bytes.as_binary_opt::<i32>().ok_or(Malformed)?).filter(|bytes| bytes.is_valid(row)),
    };
    let rest = match bytes {
        None => None,
        Some(bytes) => {
            let value = Variant::try_new(metadata, bytes.value(row)).map_err(|_| Malformed)?;
            Some(plain(&value, nesting).ok_or(Malformed)?)
        }
    };
    let Some(typed) = group.column_by_name("typed_value").filter(|typed| typed.is_valid(row)) else {
        return Ok(rest);
    };
    match typed.data_type() {
        DataType::Struct(_) => {
            let fields = typed.as_struct();
            // Fields that have no column of their own.
            let mut object = match rest {
                None => Map::new(),
                Some(Value::Object(object)) => object,
                Some(_) => return Err(Malformed),
            };
            for (name, field) in fields.column_names().into_iter().zip(fields.columns()) {
                let field = field.as_struct_opt().ok_or(Malformed)?;
                if let Some(value) = shredded(metadata, field, row, nesting)? {
                    object.insert(name.to_owned(), value);
                }
            }
            Ok(Some(Value::Object(object)))
        }
        DataType::List(_) => {
            let elements = typed.as_list::<i32>().value(row);
            let elements = elements.as_struct_opt().ok_or(Malformed)?;
            let element = |row| shredded(metadata, elements, row, nesting).map(|value| value.unwrap_or(Value::Null));
            Ok(Some(Value::Array((0..elements.len()).map(element).collect::<Result<_, _>>()?)))
        }
        _ => Ok(Some(scalar(typed, row))),
    }
}

/// A value in the binary form. What is no text, number or bool (a date, bytes) is an empty array: no level.
fn plain(variant: &Variant<'_, '_>, nesting: usize) -> Option<Value> {
    let nesting = nesting.checked_sub(1)?;
    Some(match variant {
        Variant::Null => Value::Null,
        Variant::BooleanTrue => Value::Bool(true),
        Variant::BooleanFalse => Value::Bool(false),
        Variant::String(text) => Value::String((*text).to_owned()),
        Variant::ShortString(text) => Value::String(text.as_str().to_owned()),
        Variant::Int8(value) => Value::from(*value),
        Variant::Int16(value) => Value::from(*value),
        Variant::Int32(value) => Value::from(*value),
        Variant::Int64(value) => Value::from(*value),
        Variant::Float(value) => number(&value.to_string()),
        Variant::Double(value) => number(&value.to_string()),
        Variant::Decimal4(value) => number(&value.to_string()),
        Variant::Decimal8(value) => number(&value.to_string()),
        Variant::Decimal16(value) => number(&value.to_string()),
        Variant::Object(object) => {
            let field = |(name, value): (&str, Variant<'_, '_>)| Some((name.to_owned(), plain(&value, nesting)?));
            Value::Object(object.iter().map(field).collect::<Option<_>>()?)
        }
        Variant::List(list) => Value::Array(list.iter().map(|value| plain(&value, nesting)).collect::<Option<_>>()?),
        _ => Value::Array(Vec::new()),
    })
}

/// A value in a column of its own.
fn scalar(array: &ArrayRef, row: usize) -> Value {
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Int8 => Value::from(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Value::from(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Value::from(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => number(&array.as_primitive::<Float32Type>().value(row).to_string()),
        DataType::Float64 => number(&array.as_primitive::<Float64Type>().value(row).to_string()),
        DataType::Decimal32(..) => number(&array.as_primitive::<Decimal32Type>().value_as_string(row)),
        DataType::Decimal64(..) => number(&array.as_primitive::<Decimal64Type>().value_as_string(row)),
        DataType::Decimal128(..) => number(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        _ => Value::Array(Vec::new()),
    }
}

/// A number, or null for those that JSON does not have.
fn number(text: &str) -> Value {
    let integer = text.parse::<i64>().ok().map(Value::from);
    integer.or_else(|| text.parse().ok().and_then(Number::from_f64).map(Value::Number)).unwrap_or(Value::Null)
}
