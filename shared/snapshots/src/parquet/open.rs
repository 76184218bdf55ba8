//! A Parquet file's footer: where its columns are, and of which types.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Fields, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::{Place, SnapshotError};
use crate::fields::{Field, Wanted, resolve};
use crate::layout::File;
use crate::scan::fetch;
use crate::source::Source;

/// Read at once from the end of a file: the footer of most.
const TAIL: u64 = 64 << 10;

/// An open Parquet file.
pub(crate) struct ParquetFile<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    /// Where the footer begins and the rows end.
    pub(crate) end: u64,
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) mask: ProjectionMask,
    /// The columns that are read, in the order in which the file has them.
    pub(crate) columns: Vec<Column>,
}

/// A column that is read.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) field: Field,
    /// Sixteen bytes that are a UUID, not text.
    pub(crate) uuid: bool,
}

impl ParquetFile<'_> {
    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The byte ranges of the columns that are read.
    pub(crate) fn chunks(&self, row_group: usize) -> impl Iterator<Item = (u64, u64)> + '_ {
        let columns = self.metadata.metadata().row_group(row_group).columns();
        columns.iter().enumerate().filter(|(leaf, _)| self.mask.leaf_included(*leaf)).map(|(_, chunk)| {
            let (start, length) = chunk.byte_range();
            (start, start + length)
        })
    }
}

/// Runs the decoder, which may panic on a file that is corrupt.
pub(crate) fn decoding<T>(
    object: &str,
    place: Place,
    decode: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, SnapshotError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => Ok(decoded),
        Ok(Err(error)) => Err(SnapshotError::undecodable(object, place, error.to_string())),
        Err(_) => Err(SnapshotError::undecodable(object, place, "corrupt: the Parquet decoder gave up on it")),
    }
}

/// Reads a file's footer and finds the columns.
///
/// # Errors
/// A file that is no Parquet, a required column that is missing or has a wrong type, a failed read.
pub(crate) fn open<'a>(
    source: &dyn Source,
    file: &File<'a>,
    wanted: &[Wanted],
) -> Result<ParquetFile<'a>, SnapshotError> {
    let footer = footer(source, file)?;
    let (metadata, plain) = decoding(file.key, Place::Object, || {
        let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(&footer)?);
        // A chunk without a possible position panics here, not later.
        for group in metadata.row_groups() {
            group.columns().iter().for_each(|chunk| {
                chunk.byte_range();
            });
        }
        // The arrow types that the writer may have noted are left aside: those of Parquet are enough, and fewer.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)?;
        Ok((metadata, plain))
    })?;
    let schema = plain.schema();
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut found = resolve(wanted, &names).map_err(|column| SnapshotError::MissingColumn {
        object: file.key.into(),
        column,
        found: names.clone(),
    })?;
    found.sort_by_key(|(_, position)| *position);

    let mut fields: Vec<Arc<ArrowField>> = schema.fields().iter().cloned().collect();
    let mut columns = Vec::new();
    for &(field, position) in &found {
        let arrow = &fields[position];
        let uuid = is_uuid(&metadata, position);
        let int96 = is_int96(&metadata, position) && field == Field::Time;
        let read_as = if int96 {
            // Dates of the old 96-bit timestamps may be outside what 64 bits of nanoseconds hold.
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        } else {
            reading_type(field, arrow.data_type())
        };
        let read_as = read_as.ok_or_else(|| SnapshotError::ColumnType {
            object: file.key.into(),
            column: arrow.name().clone(),
            found: arrow.data_type().to_string(),
            expected: expected(field),
        })?;
        columns.push(Column { field, uuid });
        fields[position] = Arc::new(arrow.as_ref().clone().with_data_type(read_as));
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let mask = ProjectionMask::roots(plain.parquet_schema(), found.iter().map(|(_, position)| *position));
    let metadata = decoding(file.key, Place::Object, || {
        ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(schema))
    })?;
    Ok(ParquetFile {
        key: file.key,
        size: file.size,
        end: file.size - 8 - footer.len() as u64,
        metadata,
        mask,
        columns,
    })
}

/// The bytes of the footer.
fn footer(source: &dyn Source, file: &File<'_>) -> Result<bytes::Bytes, SnapshotError> {
    let wrong = |detail: String| SnapshotError::undecodable(file.key, Place::Object, detail);
    if file.size < 12 {
        return Err(wrong(format!("truncated: {} bytes are too few for a Parquet file", file.size)));
    }
    let start = file.size.saturating_sub(TAIL);
    let tail = fetch(source, file.key, start..file.size)?;
    let Some((_, &[a, b, c, d, ref magic @ ..])) = tail.split_last_chunk::<8>() else {
        return Err(wrong("truncated: no Parquet footer".into()));
    };
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err(wrong("the file is encrypted".into())),
        _ => return Err(wrong("truncated or no Parquet file: it does not end in the magic PAR1".into())),
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length + 12 > file.size {
        return Err(wrong(format!("the footer claims {length} bytes, the file has {}", file.size)));
    }
    let from = file.size - 8 - length;
    match from.checked_sub(start).and_then(|begin| usize::try_from(begin).ok()) {
        Some(begin) => Ok(tail.slice(begin..tail.len() - 8)),
        None => fetch(source, file.key, from..file.size - 8),
    }
}

fn is_uuid(metadata: &ParquetMetaData, position: usize) -> bool {
    let root = metadata.file_metadata().schema_descr().root_schema().get_fields();
    root.get(position).is_some_and(|f| f.get_basic_info().logical_type_ref() == Some(&LogicalType::Uuid))
}

fn is_int96(metadata: &ParquetMetaData, position: usize) -> bool {
    let root = metadata.file_metadata().schema_descr().root_schema().get_fields();
    root.get(position).is_some_and(|f| f.is_primitive() && f.get_physical_type() == PhysicalType::INT96)
}

/// The arrow type in which a column of a type is read, or `None` where the field cannot be of that type.
fn reading_type(field: Field, of: &DataType) -> Option<DataType> {
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let text = matches!(of, DataType::Utf8 | DataType::Binary);
    let bytes = matches!(of, DataType::FixedSizeBinary(_));
    let integer = of.is_integer() || matches!(of, DataType::Decimal128(_, 0));
    let number = of.is_numeric() || *of == DataType::Boolean;
    if *of == DataType::Null {
        return Some(DataType::Null);
    }
    match field {
        Field::Id => match of {
            DataType::Utf8 => Some(DataType::Utf8View),
            DataType::Binary => Some(DataType::BinaryView),
            _ => (bytes || integer).then(|| of.clone()),
        },
        Field::Time => match of {
            DataType::Utf8 | DataType::Binary => Some(DataType::Utf8View),
            DataType::Timestamp(..) => Some(of.clone()),
            _ => integer.then(|| of.clone()),
        },
        Field::Optimization | Field::Name if bytes => Some(of.clone()),
        Field::Optimization | Field::Name => (text || integer).then(|| if text { dictionary() } else { of.clone() }),
        Field::Value | Field::N | Field::Sum | Field::SumSq => number.then(|| of.clone()),
        Field::Variant | Field::Context => match of {
            DataType::Struct(fields) => Some(struct_type(fields)),
            DataType::Map(..) => Some(of.clone()),
            _ => text.then(dictionary),
        },
        Field::DesignFactor(_) | Field::ContextFactor(_) if text => Some(dictionary()),
        Field::DesignFactor(_) | Field::ContextFactor(_) => number.then(|| of.clone()),
    }
}

/// A struct whose texts are read as dictionaries.
fn struct_type(fields: &Fields) -> DataType {
    let fields = fields.iter().map(|field| {
        let text = matches!(field.data_type(), DataType::Utf8 | DataType::Binary);
        let read_as = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        if text { Arc::new(field.as_ref().clone().with_data_type(read_as)) } else { Arc::clone(field) }
    });
    DataType::Struct(fields.collect())
}

fn expected(field: Field) -> &'static str {
    match field {
        Field::Id => "a string or an integer",
        Field::Time => "a timestamp, a date-time text or an integer",
        Field::Optimization | Field::Name => "a string",
        Field::Value => "a number or a bool",
        Field::N => "an integer",
        Field::Sum | Field::SumSq => "a number",
        Field::Variant | Field::Context => "JSON text, a struct or a map",
        Field::DesignFactor(_) | Field::ContextFactor(_) => "a string, a bool or a number",
    }
}
