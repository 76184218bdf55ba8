//! Which objects of a snapshot are read, as what.

mod committed;
mod delta;
mod names;
mod sniff;

use std::collections::BTreeMap;

use crate::error::SnapshotError;
use crate::file::{File, Format, columns_in_path};
use crate::limits::Limits;
use crate::report::{Example, Warning, cut};
use crate::source::{Object, Source};
use crate::workers::{Job, run};
use committed::Commits;
use names::Named;

/// The files of a snapshot, each list in the order of the names.
#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Exposures { exposures: Vec<File<'a>>, rewards: Vec<File<'a>> },
    Observations(Vec<File<'a>>),
    Cells(Vec<File<'a>>),
}

/// What a snapshot consists of.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    pub(crate) shape: Shape<'a>,
    pub(crate) mapping: Option<&'a Object>,
    /// The first object in no folder of ours that is named as data are.
    pub(crate) stray_data: Option<&'a str>,
    pub(crate) warnings: Vec<Warning>,
}

/// The folders of a snapshot that are read.
pub const FOLDERS: [&str; 4] = ["exposures", "rewards", "observations", "cells"];
const EXPOSURES: usize = 0;
const REWARDS: usize = 1;
const OBSERVATIONS: usize = 2;
const CELLS: usize = 3;
/// What Hudi puts into each folder of files, of which some are older versions of others.
const HUDI_PARTITION: &str = ".hoodie_partition_metadata";
/// The object that says how the columns of a schema are to be read.
pub const MAPPING: &str = "mapping.json";

/// The objects of a snapshot by what their names say.
#[derive(Debug, Default)]
struct Sorted<'a> {
    /// By folder: what may be data.
    data: [Vec<(&'a Object, Named)>; 4],
    /// By the folder of the table: the objects of its log.
    logs: BTreeMap<&'a str, Vec<&'a Object>>,
    mapping: Option<&'a Object>,
    /// Objects in no folder of ours.
    strays: Vec<&'a str>,
    /// Lists of files that are not read although their ending is that of data.
    manifests: Vec<&'a str>,
    /// Markers of commits, and what is empty: data of a commit may be.
    markers: Vec<&'a Object>,
    empty: Vec<&'a Object>,
    /// Logs of Spark's streams, which name the files that were committed.
    streams: Vec<&'a str>,
}

/// Sorts objects by their names.
///
/// # Errors
/// A table whose files cannot be told from its name alone, and a name that says another format.
fn sort(objects: &[Object]) -> Result<Sorted<'_>, SnapshotError> {
    let mut sorted = Sorted::default();
    let mut objects: Vec<&Object> = objects.iter().collect();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    for object in objects {
        let key = object.key.as_str();
        let (first, rest) = key.split_once('/').unwrap_or((key, ""));
        let folder =
            if rest.is_empty() && !key.ends_with('/') { None } else { FOLDERS.iter().position(|f| *f == first) };
        let Some(folder) = folder else {
            match key {
                MAPPING => sorted.mapping = Some(object),
                _ if names::is_hidden(first) || key.ends_with('/') || object.size == 0 => {}
                _ => sorted.strays.push(key),
            }
            continue;
        };
        table(key)?;
        if let Some((root, _)) = split_at_folder(key, delta::LOG) {
            sorted.logs.entry(root).or_default().push(object);
            continue;
        }
        let name = rest.rsplit('/').next().unwrap_or_default();
        if split_at_folder(key, "_spark_metadata").is_some() {
            sorted.streams.push(key);
        }
        let (path, _) = rest.rsplit_once('/').unwrap_or_default();
        if committed::is_marker(name) && !path.split('/').any(names::is_hidden) {
            sorted.markers.push(object);
            continue;
        }
        if object.size == 0 && !name.is_empty() {
            sorted.empty.push(object);
        }
        if object.size == 0 || name.is_empty() || names::is_beside(name) || rest.split('/').any(names::is_hidden) {
            continue;
        }
        if names::is_manifest(name) {
            sorted.manifests.push(key);
            continue;
        }
        let named = names::format(name);
        if named == Named::Unknown {
            return Err(SnapshotError::UnknownFormat { object: key.into() });
        }
        sorted.data[folder].push((object, named));
    }
    Ok(sorted)
}

/// The parts of a key before and after a folder of a name.
fn split_at_folder<'k>(key: &'k str, folder: &str) -> Option<(&'k str, &'k str)> {
    let mut start = 0;
    for part in key.split('/') {
        let end = start + part.len();
        if part == folder && end < key.len() {
            return Some((&key[..start], &key[end + 1..]));
        }
        start = end + 1;
    }
    None
}

/// Refuses the tables of formats that are not read.
fn table(key: &str) -> Result<(), SnapshotError> {
    let refuse = |root: &str, table| {
        let folder = root.trim_end_matches('/').to_owned();
        Err(SnapshotError::Table { folder, table, object: key.into() })
    };
    if let Some((root, _)) = split_at_folder(key, ".hoodie").or_else(|| Some((key.strip_suffix(HUDI_PARTITION)?, ""))) {
        return refuse(root, "an Apache Hudi table");
    }
    let mut start = 0;
    for part in key.split('/') {
        let end = start + part.len();
        if end < key.len() && names::is_of_acid(part) {
            return refuse(&key[..start], "a transactional table of Apache Hive");
        }
        start = end + 1;
    }
    if let Some((root, name)) = split_at_folder(key, "metadata") {
        let is_of_iceberg = name.ends_with(".metadata.json")
            || name.ends_with(".metadata.json.gz")
            || name.ends_with(".gz.metadata.json")
            || name == "version-hint.text"
            || (name.starts_with("snap-") && name.rsplit('.').next() == Some("avro"));
        if is_of_iceberg {
            return refuse(root, "an Apache Iceberg table");
        }
    }
    Ok(())
}

/// What a snapshot consists of. Hidden objects, folder markers, empty objects and what writers put beside their data are
/// left out.
///
/// # Errors
/// More than one shape, more than one format in a folder, a name with the ending of a format that is not read, a table that
/// cannot be read, a folder under another name; a failed read.
pub(crate) fn layout<'a>(
    source: &dyn Source,
    objects: &'a [Object],
    (threads, limits): (usize, &Limits),
) -> Result<Layout<'a>, SnapshotError> {
    let mut sorted = sort(objects)?;
    let mut commits = Commits::read(source, &sorted.markers, threads)?;
    commits.apply(objects, &mut sorted.data)?;
    let mut files: [Vec<File<'a>>; 4] = Default::default();
    for (number, candidates) in sorted.data.iter().enumerate() {
        let live = live(source, FOLDERS[number], (candidates, &sorted.logs), limits)?;
        files[number] = told(source, live, threads)?;
        one_format(&files[number], FOLDERS[number])?;
    }
    let present = files.each_ref().map(|files| !files.is_empty());
    missing_folder(&sorted.strays, present)?;
    let warnings = warnings(&sorted, &commits);
    let [exposures, rewards, observations, cells] = files;
    one_shape([exposures.first().or(rewards.first()), observations.first(), cells.first()].map(|f| f.map(|f| f.key)))?;
    let shape = match (observations.is_empty(), cells.is_empty()) {
        (false, _) => Shape::Observations(observations),
        (_, false) => Shape::Cells(cells),
        _ => Shape::Exposures { exposures, rewards },
    };
    let stray_data = sorted.strays.iter().copied().find(|key| names::is_data(key));
    Ok(Layout { shape, mapping: sorted.mapping, stray_data, warnings })
}

/// A file that may still have to be told by its bytes.
type Candidate<'a> = (&'a Object, Named, Vec<(String, Option<String>)>);

/// The logs of tables by the folders of these.
type Logs<'a> = BTreeMap<&'a str, Vec<&'a Object>>;

/// The files of a folder: those of tables as their logs say, the others all.
fn live<'a>(
    source: &dyn Source,
    folder: &str,
    (candidates, logs): (&[(&'a Object, Named)], &Logs<'a>),
    limits: &Limits,
) -> Result<Vec<Candidate<'a>>, SnapshotError> {
    let of_folder = |root: &&&str| root.split('/').next() == Some(folder);
    let roots: Vec<&str> = logs.keys().filter(of_folder).copied().collect();
    let in_table = |key: &str| roots.iter().any(|root| key.starts_with(root));
    let mut files: Vec<Candidate<'a>> = Vec::new();
    for (object, named) in candidates.iter().filter(|(object, _)| !in_table(&object.key)) {
        files.push((object, *named, columns_in_path(&object.key)));
    }
    for root in roots {
        let log = &logs[root];
        let by_path: BTreeMap<&str, (&'a Object, Named)> =
            candidates.iter().filter_map(|(o, n)| Some((o.key.strip_prefix(root)?, (*o, *n)))).collect();
        for delta::Live { path, columns } in delta::current(source, log, limits)? {
            let Some((object, named)) = by_path.get(path.as_str()) else {
                let object = log.last().map_or_else(|| root.to_owned(), |object| object.key.clone());
                let detail =
                    format!("its current version has the file {:?}, which the snapshot does not have", cut(&path));
                return Err(SnapshotError::Delta { object, detail });
            };
            files.push((object, *named, columns));
        }
    }
    files.sort_by(|(a, ..), (b, ..)| a.key.cmp(&b.key));
    Ok(files)
}

/// The files with their formats; the bytes of those decide whose names do not say it.
fn told<'a>(
    source: &dyn Source,
    candidates: Vec<Candidate<'a>>,
    threads: usize,
) -> Result<Vec<File<'a>>, SnapshotError> {
    let mut formats: Vec<Option<Format>> = Vec::with_capacity(candidates.len());
    let job = Job {
        weight: |_: &Candidate<'a>| 0,
        fetch: |(object, named, _): &Candidate<'a>| match named {
            Named::As(format) => Ok(Some(*format)),
            Named::Nothing => sniff::format(source, object).map(Some),
            Named::Unknown => Ok(None),
        },
        init: || (),
        work: |(): &mut (), _: &Candidate<'a>, format| Ok(format),
    };
    run(&candidates, threads, &job, |format| formats.push(format))?;
    let file = |((object, _, in_path), format): (Candidate<'a>, Option<Format>)| {
        format.map(|format| File { key: &object.key, size: object.size, format, in_path })
    };
    Ok(candidates.into_iter().zip(formats).filter_map(file).collect())
}

/// Refuses a snapshot without a folder where an object looks as if it belonged there.
fn missing_folder(strays: &[&str], present: [bool; 4]) -> Result<(), SnapshotError> {
    let missing: &[usize] = match present {
        [true, true, ..] => &[],
        [true, ..] => &[REWARDS],
        [_, true, ..] => &[EXPOSURES],
        [_, _, false, false] => &[EXPOSURES, REWARDS, OBSERVATIONS, CELLS],
        _ => &[],
    };
    for &folder in missing {
        let folder = FOLDERS[folder];
        if let Some(object) = strays.iter().find(|key| key.split('/').any(|part| names::is_nearly(part, folder))) {
            return Err(SnapshotError::LooksLikeFolder { folder, object: (*object).into() });
        }
    }
    Ok(())
}

/// What was left out by its name and may not have been meant to be.
fn warnings(sorted: &Sorted<'_>, commits: &Commits<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, keys: &[&str], what: &str| {
        if let Some(first) = keys.first() {
            let message = format!("{} {what}", objects(keys.len()));
            let example = Example { object: (*first).into(), ..Example::default() };
            warnings.push(Warning::new(code, message, Some(example)));
        }
    };
    warn("stray_object", &sorted.strays, "in none of exposures/, rewards/, observations/ and cells/ not read");
    warn("manifest", &sorted.manifests, "not read, as the name is that of a list of files");
    warn(
        "stream_log",
        &sorted.streams,
        "in _spark_metadata/ not read: that log names the files that a stream committed, and files of attempts that \
         failed are counted too",
    );
    warn(
        "uncommitted",
        &commits.left_out,
        "not read, as the markers of commits beside them (_committed_…, _started_…) say that they were taken out or never \
         committed",
    );
    warn(
        "commit_marker",
        &commits.unreadable,
        "named like the marker of a commit (_committed_…) and without its list of files: whether files were taken out is \
         not known, and all are counted",
    );
    warnings
}

fn objects(number: usize) -> String {
    if number == 1 { "1 object".into() } else { format!("{number} objects") }
}

/// The keys of those objects of a snapshot that are to be uploaded with it; none where there is nothing to train on. What only
/// the bytes tell is not looked at.
///
/// # Errors
/// More than one shape, more than one format in a folder, a name with the ending of a format that is not read, a table of a
/// format that is not read, a folder under another name.
pub fn read_keys(objects: &[Object]) -> Result<Vec<&str>, SnapshotError> {
    let sorted = sort(objects)?;
    let mut files: [Vec<File<'_>>; 4] = Default::default();
    for (files, candidates) in files.iter_mut().zip(&sorted.data) {
        for (object, named) in candidates {
            if let Named::As(format) = named {
                files.push(File { key: &object.key, size: object.size, format: *format, in_path: Vec::new() });
            }
        }
    }
    for (files, folder) in files.iter().zip(FOLDERS) {
        one_format(files, folder)?;
    }
    let present = sorted.data.each_ref().map(|data| !data.is_empty());
    missing_folder(&sorted.strays, present)?;
    let first = |folder: usize| sorted.data[folder].first().map(|(object, _)| object.key.as_str());
    one_shape([first(EXPOSURES).or(first(REWARDS)), first(OBSERVATIONS), first(CELLS)])?;
    if let [false, _, false, false] = present {
        return Ok(Vec::new());
    }
    let data = sorted.data.iter().flatten().map(|(object, _)| *object);
    let mut read: Vec<&Object> = data.chain(sorted.logs.into_values().flatten()).chain(sorted.mapping).collect();
    if !sorted.markers.is_empty() {
        read.extend(sorted.markers.into_iter().chain(sorted.empty));
    }
    Ok(read.into_iter().map(|object| object.key.as_str()).collect())
}

fn one_format(files: &[File<'_>], folder: &'static str) -> Result<(), SnapshotError> {
    let Some(first) = files.first() else { return Ok(()) };
    let same = |file: &&File<'_>| std::mem::discriminant(&file.format) == std::mem::discriminant(&first.format);
    match files.iter().find(|file| !same(file)) {
        None => Ok(()),
        Some(other) => Err(SnapshotError::MixedFormats { folder, first: first.key.into(), second: other.key.into() }),
    }
}

/// Refuses objects of more than one shape, given the first of each.
fn one_shape(firsts: [Option<&str>; 3]) -> Result<(), SnapshotError> {
    let mut shapes = firsts.into_iter().flatten();
    match (shapes.next(), shapes.next()) {
        (Some(first), Some(second)) => Err(SnapshotError::SeveralShapes { first: first.into(), second: second.into() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
