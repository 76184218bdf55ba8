//! A Parquet file's footer: where its columns are, and of which types.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Fields, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::Type;

use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::fields::{Field, Wanted, duplicate, resolve};
use crate::file::File;
use crate::found::Finder;
use crate::limits::Limits;
use crate::source::Source;
use crate::text::{self, Magic};

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
    /// The columns that the path of the file carries.
    pub(crate) in_path: Vec<Wanted>,
    /// All columns that were looked for.
    pub(crate) wanted: Vec<Wanted>,
}

/// A column that is read.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) name: String,
    /// Its position among the columns of the file.
    pub(crate) position: usize,
    /// Of a type that the field cannot be of: it may hold nulls only.
    pub(crate) only_nulls: Option<DataType>,
}

impl Column {
    /// The error for a column of a type that cannot hold what it should.
    pub(crate) fn wrong_type(&self, object: &str, found: &DataType) -> SnapshotError {
        SnapshotError::ColumnType {
            object: object.into(),
            column: self.name.clone(),
            found: found.to_string(),
            expected: expected(self.field),
        }
    }
}

impl ParquetFile<'_> {
    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Notes the columns of the file and what they are read as.
    pub(crate) fn found(&self, finder: Finder<'_>) {
        let roots = self.metadata.metadata().file_metadata().schema_descr().root_schema().get_fields();
        for (position, root) in roots.iter().enumerate() {
            let column = self.columns.iter().find(|column| column.position == position);
            finder.add(root.name(), &written_as(root), column.map(|column| column.field));
        }
        let has = |field| self.columns.iter().any(|column| column.field == field);
        for column in self.in_path.iter().filter(|column| !has(column.field)) {
            finder.add(&column.names[0], "path", Some(column.field));
        }
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
        Ok(Err(error)) => Err(SnapshotError::undecodable(object, place, plain_words(&error.to_string()))),
        Err(_) => Err(SnapshotError::undecodable(object, place, "corrupt: the Parquet decoder gave up on it")),
    }
}

/// What the decoder says, where it says nothing to somebody who does not know it.
fn plain_words(message: &str) -> String {
    let known = [
        ("codec type LZO", "it is compressed with LZO, which is not read"),
        ("Disabled feature at compile time", "it is compressed in a way that is not read"),
        ("Required field", "corrupt: a header has not all of its fields"),
        ("non UTF-8", "it holds text that is not UTF-8"),
        ("Unexpected end of file", "truncated or corrupt: a page ends before its values do"),
        ("EOF", "truncated or corrupt: a page ends before its values do"),
    ];
    match known.iter().find(|(theirs, _)| message.contains(theirs)) {
        Some((_, ours)) => format!("{ours} ({message})"),
        None => message.to_owned(),
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
    limits: &Limits,
) -> Result<ParquetFile<'a>, SnapshotError> {
    let footer = footer(source, file, limits)?;
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
    if names.len() > limits.fields {
        return Err(SnapshotError::Limit {
            object: file.key.into(),
            place: Place::Object,
            what: format!("it has {} columns", names.len()),
            name: "fields",
            limit: limits.fields as u64,
        });
    }
    let mut found = resolve(wanted, &names).map_err(|column| SnapshotError::MissingColumn {
        object: file.key.into(),
        column,
        found: names.clone(),
    })?;
    if let Some(column) = duplicate(&found, &names) {
        let (object, column) = (file.key.into(), column.into());
        return Err(SnapshotError::DuplicateColumn { object, place: Place::Object, column });
    }
    found.sort_by_key(|(_, position)| *position);

    let mut fields: Vec<Arc<ArrowField>> = schema.fields().iter().cloned().collect();
    let mut columns = Vec::new();
    for &(field, position) in &found {
        let arrow = &fields[position];
        let int96 = is_int96(&metadata, position) && matches!(field, Field::Time | Field::Source(_));
        let read_as = if int96 {
            // Dates of the old 96-bit timestamps may be outside what 64 bits of nanoseconds hold.
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        } else {
            reading_type(field, arrow.data_type())
        };
        // A column of nulls may have any type: its writer did not know better.
        let only_nulls = read_as.is_none().then(|| arrow.data_type().clone());
        let read_as = read_as.unwrap_or_else(|| arrow.data_type().clone());
        let column = Column { field, name: arrow.name().clone(), position, only_nulls };
        if let Some(found) = column.only_nulls.as_ref().filter(|_| !may_be_null(&metadata, position)) {
            return Err(column.wrong_type(file.key, found));
        }
        columns.push(column);
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
        in_path: wanted.iter().filter(|column| column.in_path.is_some()).cloned().collect(),
        wanted: wanted.to_vec(),
    })
}

/// The bytes of the footer.
fn footer(source: &dyn Source, file: &File<'_>, limits: &Limits) -> Result<bytes::Bytes, SnapshotError> {
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
        _ => {
            let head = fetch(source, file.key, 0..file.size.min(text::HEAD as u64))?;
            let looks = match text::magic(&head) {
                None if text::is_json(&head) => "; it looks like JSON".into(),
                None | Some(Magic::Parquet) => String::new(),
                Some(form) => format!("; it looks like {}", form.name()),
            };
            return Err(wrong(format!("truncated or no Parquet file: it does not end in the magic PAR1{looks}")));
        }
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length + 12 > file.size {
        return Err(wrong(format!("the footer claims {length} bytes, the file has {}", file.size)));
    }
    if length > limits.footer_bytes {
        return Err(SnapshotError::Limit {
            object: file.key.into(),
            place: Place::Object,
            what: format!("its footer has {length} bytes"),
            name: "footer_bytes",
            limit: limits.footer_bytes,
        });
    }
    let from = file.size - 8 - length;
    match from.checked_sub(start).and_then(|begin| usize::try_from(begin).ok()) {
        Some(begin) => Ok(tail.slice(begin..tail.len() - 8)),
        None => fetch(source, file.key, from..file.size - 8),
    }
}

/// The physical type of a column with its logical one: `BYTE_ARRAY (UTF8)`, `group (MAP)`.
fn written_as(column: &Type) -> String {
    let physical = if column.is_primitive() { column.get_physical_type().to_string() } else { "group".into() };
    let info = column.get_basic_info();
    match (info.converted_type(), info.logical_type_ref()) {
        (ConvertedType::NONE, None) => physical,
        (ConvertedType::NONE, Some(logical)) => format!("{physical} ({logical:?})"),
        (converted, _) => format!("{physical} ({converted})"),
    }
}

/// Whether all values of a column may be null, as far as its statistics say.
fn may_be_null(metadata: &ParquetMetaData, position: usize) -> bool {
    let root = |leaf| metadata.file_metadata().schema_descr().get_column_root_idx(leaf) == position;
    metadata.row_groups().iter().all(|group| {
        let chunks = group.columns().iter().enumerate().filter(|(leaf, _)| root(*leaf));
        chunks.map(|(_, chunk)| chunk).all(|chunk| {
            let nulls = chunk.statistics().and_then(|statistics| statistics.null_count_opt());
            let values = u64::try_from(chunk.num_values()).unwrap_or(u64::MAX);
            nulls.is_none_or(|nulls| nulls == values)
        })
    })
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
        Field::Source(_) => Some(of.clone()),
        Field::Id => match of {
            DataType::Utf8 => Some(DataType::Utf8View),
            DataType::Binary => Some(DataType::BinaryView),
            _ => (bytes || (of.is_numeric() && *of != DataType::Float16)).then(|| of.clone()),
        },
        Field::Time => match of {
            DataType::Utf8 | DataType::Binary => Some(DataType::Utf8View),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Float64 => Some(of.clone()),
            _ => (bytes || integer).then(|| of.clone()),
        },
        Field::Optimization | Field::Name if bytes => Some(of.clone()),
        Field::Optimization | Field::Name => (text || integer).then(|| if text { dictionary() } else { of.clone() }),
        Field::Value | Field::N | Field::Sum | Field::SumSq | Field::Nonzero => number.then(|| of.clone()),
        Field::Variant | Field::Context => match of {
            DataType::Struct(fields) if is_variant(fields) => Some(of.clone()),
            DataType::Struct(fields) => Some(struct_type(fields)),
            DataType::Map(..) => Some(of.clone()),
            _ if bytes => Some(of.clone()),
            _ => text.then(dictionary),
        },
        Field::DesignFactor(_) | Field::ContextFactor(_) if text => Some(dictionary()),
        Field::DesignFactor(_) | Field::ContextFactor(_) => (bytes || number).then(|| of.clone()),
    }
}

/// Whether a struct is a VARIANT, shredded or not.
pub(crate) fn is_variant(fields: &Fields) -> bool {
    let has = |name: &str, binary: bool| {
        fields.iter().any(|f| f.name() == name && (!binary || *f.data_type() == DataType::Binary))
    };
    has("metadata", true) && (has("value", true) || has("typed_value", false))
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
        Field::Id => "a string, an integer or a number without a fraction",
        Field::Time => "a timestamp, a date, a date-time text or a number",
        Field::Optimization | Field::Name => "a string",
        Field::Value => "a number or a bool",
        Field::N | Field::Nonzero => "an integer",
        Field::Sum | Field::SumSq => "a number",
        Field::Source(_) => "of any type",
        Field::Variant | Field::Context => "JSON text, a struct or a map",
        Field::DesignFactor(_) | Field::ContextFactor(_) => "a string, a bool or a number",
    }
}
