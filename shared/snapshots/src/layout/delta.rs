//! Delta tables: which files of a folder are its current version, from the log beside them.
//!
//! The subset of the protocol that plain tables need: JSON commits, checkpoints (of one part or several, and of version 2 with
//! their sidecars), and the checks that refuse what would change the rows of a file: deletion vectors, column mapping, unknown features
//! of readers. The protocol: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ListArray, MapArray, RecordBatch, StructArray};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::file::decoded;
use crate::limits::Limits;
use crate::parquet::{Chunks, Group, check, decoding};
use crate::report::cut;
use crate::source::{Object, Source};

/// The folder of a table's log.
pub(super) const LOG: &str = "_delta_log";
/// The bytes of a log that are read.
const MOST_BYTES: u64 = 64 << 20;
/// The bytes of one action.
const LONGEST_ACTION: usize = 4 << 20;
/// The bytes that the files and partition values of a log take in memory.
const MOST_HELD: usize = 96 << 20;
/// What a file or a partition value takes beside its text.
const EACH: usize = 100;
/// Features of readers that leave the rows of a file as they are, or show where they are used.
const HARMLESS: [&str; 8] = [
    "timestampNtz",
    "vacuumProtocolCheck",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "columnMapping",
    "deletionVectors",
    "variantType",
];

/// A file of the current version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// Relative to the table.
    pub(super) path: String,
    /// The columns that are not in the file, and their values.
    pub(super) columns: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    add: Option<Add>,
    remove: Option<Remove>,
    protocol: Option<Protocol>,
    meta_data: Option<MetaData>,
    sidecar: Option<Sidecar>,
}

/// A file of the folder `_sidecars` with some of the files of a checkpoint.
#[derive(Deserialize)]
struct Sidecar {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    path: String,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    deletion_vector: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Remove {
    path: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    min_reader_version: i32,
    #[serde(default)]
    reader_features: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct MetaData {
    #[serde(default)]
    configuration: BTreeMap<String, Option<String>>,
}

/// The state of a table while its log is read.
#[derive(Default)]
struct Table {
    files: HashMap<String, Add>,
    protocol: Option<Protocol>,
    meta_data: Option<MetaData>,
    limits: Limits,
    /// The bytes that were read, and those to which they were decompressed.
    bytes: u64,
    decompressed: AtomicU64,
    /// The bytes that all files take which were ever added.
    held: usize,
}

/// The files of a table's current version, in the order of their paths. `log` are the objects in its log's folder.
///
/// # Errors
/// A log with a gap, or with something that a plain reader would get wrong, or that is larger than the limits; a failed read.
pub(super) fn current(source: &dyn Source, log: &[&Object], limits: &Limits) -> Result<Vec<Live>, SnapshotError> {
    let Some(first) = log.first() else { return Ok(Vec::new()) };
    let commits: BTreeMap<u64, &Object> = log.iter().filter_map(|o| Some((commit(name(o))?, *o))).collect();
    let checkpoint = latest_checkpoint(log);
    let mut table = Table { limits: *limits, ..Table::default() };
    let mut next = 0;
    if let Some((version, parts)) = &checkpoint {
        for part in parts {
            table.read_checkpoint(source, part, log)?;
        }
        next = version + 1;
    }
    for (&version, object) in commits.range(next..) {
        if version != next {
            let detail = format!("version {next} is missing from the log, which goes on with version {version}");
            return Err(refuse(object, detail));
        }
        table.read_actions(source, object)?;
        next += 1;
    }
    if next == 0 {
        return Err(refuse(first, "the log holds no version 0 and no whole checkpoint"));
    }
    let last =
        commits.values().next_back().copied().or_else(|| checkpoint.and_then(|(_, parts)| parts.last().copied()));
    table.finish(last.unwrap_or(first))
}

fn refuse(object: &Object, detail: impl Into<String>) -> SnapshotError {
    SnapshotError::Delta { object: object.key.clone(), detail: detail.into() }
}

fn name(object: &Object) -> &str {
    object.key.rsplit('/').next().unwrap_or_default()
}

/// The version of `00000000000000000012.json`.
fn commit(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The version, the number of the part and the number of parts of `00000000000000000010.checkpoint.parquet`,
/// `00000000000000000010.checkpoint.0000000001.0000000002.parquet` and, of version 2, `00000000000000000010.checkpoint.UUID.parquet` or
/// `….json`.
fn checkpoint(name: &str) -> Option<(u64, usize, usize)> {
    let fields: Vec<&str> = name.split('.').collect();
    let version = |digits: &str| (digits.len() == 20).then(|| digits.parse().ok())?;
    match fields.as_slice() {
        [at, "checkpoint", "parquet"] | [at, "checkpoint", _, "parquet" | "json"] => Some((version(at)?, 1, 1)),
        [at, "checkpoint", part, parts, "parquet"] => Some((version(at)?, part.parse().ok()?, parts.parse().ok()?)),
        _ => None,
    }
}

/// The latest checkpoint of which all parts are there.
fn latest_checkpoint<'o>(log: &[&'o Object]) -> Option<(u64, Vec<&'o Object>)> {
    let mut found: BTreeMap<(u64, usize), BTreeMap<usize, &Object>> = BTreeMap::new();
    for object in log {
        if let Some((version, part, parts)) = checkpoint(name(object)) {
            found.entry((version, parts)).or_default().insert(part, object);
        }
    }
    let mut complete = found.into_iter().filter(|((_, parts), objects)| objects.len() == *parts);
    complete.next_back().map(|((version, _), objects)| (version, objects.into_values().collect()))
}

impl Table {
    fn whole(&mut self, source: &dyn Source, object: &Object) -> Result<Bytes, SnapshotError> {
        self.bytes = self.bytes.saturating_add(object.size);
        if self.bytes > MOST_BYTES {
            return Err(refuse(object, format!("with it the log has {} bytes, more than {MOST_BYTES}", self.bytes)));
        }
        fetch(source, &object.key, 0..object.size)
    }

    /// Makes room for a file.
    fn hold(&mut self, object: &Object, add: &Add) -> Result<(), SnapshotError> {
        let value =
            |(name, value): (&String, &Option<String>)| EACH + name.len() + value.as_ref().map_or(0, String::len);
        self.held += EACH + 2 * add.path.len() + add.partition_values.iter().map(value).sum::<usize>();
        if self.held > MOST_HELD {
            return Err(refuse(
                object,
                format!("the files and partition values that it names take more than {MOST_HELD} bytes"),
            ));
        }
        Ok(())
    }

    /// Takes the actions of a commit, or of a checkpoint in JSON; the sidecars that it names.
    fn read_actions(&mut self, source: &dyn Source, object: &Object) -> Result<Vec<String>, SnapshotError> {
        let mut sidecars = Vec::new();
        let bytes = self.whole(source, object)?;
        let mut added = Vec::new();
        let malformed = |error: serde_json::Error| refuse(object, format!("it is no list of actions: {error}"));
        for action in serde_json::Deserializer::from_slice(&bytes).into_iter::<&RawValue>() {
            let action = action.map_err(malformed)?.get();
            if action.len() > LONGEST_ACTION {
                return Err(refuse(
                    object,
                    format!("an action has {} bytes, more than {LONGEST_ACTION}", action.len()),
                ));
            }
            let action: Action = serde_json::from_str(action).map_err(malformed)?;
            if let Some(add) = &action.add {
                self.hold(object, add)?;
            }
            if let Some(Remove { path }) = action.remove {
                self.files.remove(&path);
            }
            added.extend(action.add);
            sidecars.extend(action.sidecar.map(|sidecar| sidecar.path));
            self.protocol = action.protocol.or(self.protocol.take());
            self.meta_data = action.meta_data.or(self.meta_data.take());
        }
        // A commit may remove a file and add the same with other properties, in either order.
        self.files.extend(added.into_iter().map(|add| (add.path.clone(), add)));
        Ok(sidecars)
    }

    fn read_checkpoint(&mut self, source: &dyn Source, object: &Object, log: &[&Object]) -> Result<(), SnapshotError> {
        let sidecars = match name(object).rsplit('.').next() {
            Some("json") => self.read_actions(source, object)?,
            _ => self.read_parquet(source, object)?,
        };
        for path in sidecars {
            let of = |object: &&&Object| object.key.ends_with(&format!("{LOG}/_sidecars/{}", decoded(&path)));
            let Some(sidecar) = log.iter().find(of) else {
                let detail =
                    format!("the checkpoint names the sidecar {:?}, which the snapshot does not have", cut(&path));
                return Err(refuse(object, detail));
            };
            self.read_parquet(source, sidecar)?;
        }
        Ok(())
    }

    /// Takes the actions of a checkpoint or sidecar in Parquet; the sidecars that it names.
    fn read_parquet(&mut self, source: &dyn Source, object: &Object) -> Result<Vec<String>, SnapshotError> {
        let chunks = Chunks::whole(self.whole(source, object)?);
        let key = object.key.as_str();
        let metadata = decoding(key, Place::Object, || {
            let metadata =
                ArrowReaderMetadata::load(&chunks, ArrowReaderOptions::new().with_skip_arrow_metadata(true))?;
            // A chunk without a possible position panics here, not later.
            metadata.metadata().row_groups().iter().flat_map(|group| group.columns()).for_each(|chunk| {
                chunk.byte_range();
            });
            Ok(metadata)
        })?;
        let roots = metadata.parquet_schema().root_schema().get_fields().iter().enumerate();
        let wanted =
            roots.filter(|(_, f)| matches!(f.name(), "add" | "protocol" | "metaData" | "sidecar")).map(|(i, _)| i);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted.collect::<Vec<_>>());
        let mut sidecars = Vec::new();
        for (number, row_group) in metadata.metadata().row_groups().iter().enumerate() {
            let group = Group { key, number, metadata: row_group, mask: &mask, read_as: metadata.schema() };
            let together = check(group, &chunks, &self.limits, &self.decompressed)?;
            let mut reader = decoding(key, Place::RowGroup(number), || {
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), metadata.clone());
                let builder = builder.with_row_groups(vec![number]).with_projection(mask.clone());
                builder.with_batch_size(together).build()
            })?;
            while let Some(batch) = decoding(key, Place::RowGroup(number), || Ok(reader.next().transpose()?))? {
                let taken = self.take(object, &batch, &mut sidecars)?;
                taken.ok_or_else(|| refuse(object, "the checkpoint has other columns than the protocol says"))?;
            }
        }
        Ok(sidecars)
    }

    /// Takes the rows of a checkpoint; `None` where a column is not there or not of its type.
    ///
    /// # Errors
    /// Files that take too much.
    fn take(
        &mut self,
        object: &Object,
        batch: &RecordBatch,
        sidecars: &mut Vec<String>,
    ) -> Result<Option<()>, SnapshotError> {
        if let Some(add) = batch.column_by_name("add") {
            let Some(files) = add.as_struct_opt().and_then(files) else { return Ok(None) };
            for add in files {
                self.hold(object, &add)?;
                self.files.insert(add.path.clone(), add);
            }
        }
        Ok(self.take_others(batch, sidecars))
    }

    fn take_others(&mut self, batch: &RecordBatch, sidecars: &mut Vec<String>) -> Option<()> {
        if let Some(named) = batch.column_by_name("sidecar").and_then(|column| column.as_struct_opt()) {
            let paths = texts(named, "path")?;
            sidecars.extend(
                paths.into_iter().enumerate().filter(|(row, _)| named.is_valid(*row)).filter_map(|(_, path)| path),
            );
        }
        // A sidecar has none of these.
        let Some(protocol) = batch.column_by_name("protocol") else { return Some(()) };
        let protocol = protocol.as_struct_opt()?;
        let versions = protocol.column_by_name("minReaderVersion")?.as_primitive_opt::<Int32Type>()?;
        let features = protocol.column_by_name("readerFeatures").and_then(|features| features.as_list_opt::<i32>());
        for row in (0..batch.num_rows()).filter(|&row| protocol.is_valid(row)) {
            let of = |list: &ListArray| list.is_valid(row).then(|| list.value(row));
            let names = features.and_then(of).map(|names| {
                names.as_string_opt::<i32>().into_iter().flatten().flatten().map(str::to_owned).collect::<Vec<_>>()
            });
            self.protocol = Some(Protocol { min_reader_version: versions.value(row), reader_features: names });
        }
        let meta_data = batch.column_by_name("metaData")?.as_struct_opt()?;
        let configuration = meta_data.column_by_name("configuration")?.as_map_opt()?;
        for row in (0..batch.num_rows()).filter(|&row| meta_data.is_valid(row)) {
            self.meta_data = Some(MetaData { configuration: entries(configuration, row)? });
        }
        Some(())
    }

    fn finish(self, at: &Object) -> Result<Vec<Live>, SnapshotError> {
        let protocol = self.protocol.ok_or_else(|| refuse(at, "the log has no protocol"))?;
        let features = protocol.reader_features.unwrap_or_default();
        if let Some(unknown) = features.iter().find(|feature| !HARMLESS.contains(&feature.as_str())) {
            return Err(refuse(at, format!("reading it takes the feature {:?}", cut(unknown))));
        }
        if protocol.min_reader_version > 3 {
            return Err(refuse(at, format!("reading it takes version {} of readers", protocol.min_reader_version)));
        }
        let configuration = self.meta_data.unwrap_or_default().configuration;
        let mapping = configuration.get("delta.columnMapping.mode").and_then(Option::as_deref).unwrap_or("none");
        if mapping != "none" {
            let detail = format!(
                "it maps its columns (delta.columnMapping.mode is {:?}), so that the files have other names",
                cut(mapping)
            );
            return Err(refuse(at, detail));
        }
        let mut live = Vec::with_capacity(self.files.len());
        for add in self.files.into_values() {
            if add.deletion_vector.is_some() {
                let detail = format!(
                    "rows of {} are deleted by a deletion vector; REORG TABLE … APPLY (PURGE) writes the files anew",
                    cut(&add.path)
                );
                return Err(refuse(at, detail));
            }
            let path = decoded(&add.path);
            if path.contains("://") || path.starts_with('/') {
                return Err(refuse(at, format!("{} is outside the table, as in a shallow clone", cut(&path))));
            }
            // An empty text is a null in the log.
            let value = |value: Option<String>| value.filter(|value| !value.is_empty());
            live.push(Live { path, columns: add.partition_values.into_iter().map(|(k, v)| (k, value(v))).collect() });
        }
        live.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(live)
    }
}

/// The files of some rows of a checkpoint; `None` where a column is not there or not of its type.
fn files(add: &StructArray) -> Option<Vec<Add>> {
    let paths = texts(add, "path")?;
    let values = add.column_by_name("partitionValues")?.as_map_opt()?;
    let vectors = add.column_by_name("deletionVector");
    let file = |(row, path): (usize, Option<String>)| {
        let path = path.filter(|_| add.is_valid(row))?;
        let deletion_vector = vectors.filter(|v| v.is_valid(row)).map(|_| IgnoredAny);
        Some(entries(values, row).map(|partition_values| Add { path, partition_values, deletion_vector }))
    };
    paths.into_iter().enumerate().filter_map(file).collect()
}

fn texts(of: &StructArray, name: &str) -> Option<Vec<Option<String>>> {
    let column = of.column_by_name(name)?.as_string_opt::<i32>()?;
    Some(column.iter().map(|text| text.map(str::to_owned)).collect())
}

/// The entries of a row of a map of texts.
fn entries(map: &MapArray, row: usize) -> Option<BTreeMap<String, Option<String>>> {
    if map.is_null(row) {
        return Some(BTreeMap::new());
    }
    let entries = map.value(row);
    let (keys, values) = (entries.column(0).as_string_opt::<i32>()?, entries.column(1).as_string_opt::<i32>()?);
    Some(keys.iter().zip(values).filter_map(|(key, value)| Some((key?.to_owned(), value.map(str::to_owned)))).collect())
}
