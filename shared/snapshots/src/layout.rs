//! Which objects of a snapshot are read, as what.

mod delta;
mod names;
mod sniff;

use std::collections::BTreeMap;

use crate::error::SnapshotError;
use crate::file::{File, Format, columns_in_path};
use crate::report::{Example, Warning, cut};
use crate::source::{Object, Source};
use crate::workers::{Job, run};
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
    pub(crate) warnings: Vec<Warning>,
}

/// The folders of a snapshot that are read.
pub const FOLDERS: [&str; 4] = ["exposures", "rewards", "observations", "cells"];
const EXPOSURES: usize = 0;
const REWARDS: usize = 1;
const OBSERVATIONS: usize = 2;
const CELLS: usize = 3;
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
    if let Some((root, _)) = split_at_folder(key, ".hoodie") {
        return refuse(root, "an Apache Hudi table");
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
    threads: usize,
) -> Result<Layout<'a>, SnapshotError> {
    let sorted = sort(objects)?;
    let mut files: [Vec<File<'a>>; 4] = Default::default();
    for (number, candidates) in sorted.data.iter().enumerate() {
        let live = live(source, FOLDERS[number], candidates, &sorted.logs)?;
        files[number] = told(source, live, threads)?;
        one_format(&files[number], FOLDERS[number])?;
    }
    let present = files.each_ref().map(|files| !files.is_empty());
    missing_folder(&sorted.strays, present)?;
    let warnings = warnings(&sorted);
    let [exposures, rewards, observations, cells] = files;
    one_shape([exposures.first().or(rewards.first()), observations.first(), cells.first()].map(|f| f.map(|f| f.key)))?;
    let shape = match (observations.is_empty(), cells.is_empty()) {
        (false, _) => Shape::Observations(observations),
        (_, false) => Shape::Cells(cells),
        _ => Shape::Exposures { exposures, rewards },
    };
    Ok(Layout { shape, mapping: sorted.mapping, warnings })
}

/// A file that may still have to be told by its bytes.
type Candidate<'a> = (&'a Object, Named, Vec<(String, Option<String>)>);

/// The files of a folder: those of tables as their logs say, the others all.
fn live<'a>(
    source: &dyn Source,
    folder: &str,
    candidates: &[(&'a Object, Named)],
    logs: &BTreeMap<&'a str, Vec<&'a Object>>,
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
        for delta::Live { path, columns } in delta::current(source, log)? {
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
fn warnings(sorted: &Sorted<'_>) -> Vec<Warning> {
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
    let keys = data.chain(sorted.logs.into_values().flatten()).chain(sorted.mapping).map(|object| object.key.as_str());
    Ok(keys.collect())
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
mod tests {
    use std::ops::Range;

    use bytes::Bytes;

    use super::*;
    use crate::file::Compression;
    use crate::source::SourceError;

    /// Every object holds the beginning of a Parquet file.
    struct Magic;

    impl Source for Magic {
        fn read(&self, _: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
            Ok(Bytes::from_static(b"PAR1PAR1PAR1").slice(0..usize::try_from(range.end - range.start).unwrap()))
        }
    }

    fn objects(keys: &[&str]) -> Vec<Object> {
        keys.iter().map(|key| Object { key: (*key).into(), size: 12 }).collect()
    }

    fn keys(files: &[File<'_>]) -> Vec<String> {
        files.iter().map(|file| file.key.to_owned()).collect()
    }

    #[test]
    fn files_are_found_in_sub_folders_and_sorted() {
        let objects = objects(&[
            "_SUCCESS",
            "_MANIFEST.json",
            "exposures/",
            "exposures/dt=2/b.parquet",
            "exposures/dt=1/bucket=07/a.snappy.PARQUET",
            "exposures/_dt=0/a.parquet",
            "exposures/.part.crc",
            "exposures/dt=1/_committed",
            "exposures/dt=1_$folder$",
            "exposures/manifest",
            "exposures/0000_part_00",
            "rewards/r.csv.gz",
            "rewards/q.csv",
            "rewards/q.csv.metadata",
        ]);
        let layout = layout(&Magic, &objects, 2).unwrap();
        let Shape::Exposures { exposures, rewards } = layout.shape else { panic!("shape") };
        assert_eq!(
            keys(&exposures),
            [
                "exposures/0000_part_00",
                "exposures/_dt=0/a.parquet",
                "exposures/dt=1/bucket=07/a.snappy.PARQUET",
                "exposures/dt=2/b.parquet"
            ]
        );
        assert_eq!(exposures[0].format, Format::Parquet);
        assert_eq!(exposures[2].in_path, [("dt".into(), Some("1".into())), ("bucket".into(), Some("07".into()))]);
        assert_eq!(keys(&rewards), ["rewards/q.csv", "rewards/r.csv.gz"]);
        assert_eq!(rewards[1].format, Format::Csv(Compression::Gzip));
        assert_eq!(layout.warnings, []);
    }

    #[test]
    fn empty_objects_are_nothing() {
        let mut objects = objects(&["exposures/a.json.gz", "exposures/b.json.gz", "rewards/a.csv", "README"]);
        for object in &mut objects[1..] {
            object.size = 0;
        }
        let layout = layout(&Magic, &objects, 1).unwrap();
        let Shape::Exposures { exposures, rewards } = layout.shape else { panic!("shape") };
        assert_eq!((keys(&exposures), rewards.len()), (vec!["exposures/a.json.gz".to_owned()], 0));
        assert_eq!(layout.warnings, []);
    }

    #[test]
    fn what_is_in_no_folder_is_told() {
        let objects =
            objects(&["exposures/a.csv", "rewards/a.csv", "README", "Rewards/a.csv", "rewards/x-manifest.csv"]);
        let layout = layout(&Magic, &objects, 1).unwrap();
        let told: Vec<(&str, &str)> = layout
            .warnings
            .iter()
            .map(|w| (w.code.as_str(), w.example.as_ref().map_or("", |example| example.object.as_str())))
            .collect();
        assert_eq!(told, [("stray_object", "README"), ("manifest", "rewards/x-manifest.csv")]);
        assert!(layout.warnings[0].message.starts_with("2 objects in none of exposures/"));
    }

    #[test]
    fn a_folder_under_another_name_fails() {
        for (keys, folder) in [
            (&["exposures/a.csv", "Rewards/a.csv"][..], "rewards"),
            (&["exposures/a.csv", "reward/a.csv"], "rewards"),
            (&["exposures/a.csv", "rewards.csv"], "rewards"),
            (&["exposures/a.csv", "old/rewards/a.csv"], "rewards"),
            (&["rewards/a.csv", "Exposures/a.csv"], "exposures"),
            (&["Observations/a.csv"], "observations"),
            (&["cell/a.csv"], "cells"),
        ] {
            let objects = objects(keys);
            for error in [layout(&Magic, &objects, 1).unwrap_err(), read_keys(&objects).unwrap_err()] {
                assert!(matches!(&error, SnapshotError::LooksLikeFolder { folder: f, .. } if *f == folder), "{error}");
            }
        }
        // Where that folder has files too, or is none of the shape, it is a stray like any other.
        for keys in [
            &["exposures/a.csv", "rewards/a.csv", "Rewards/a.csv"][..],
            &["cells/a.csv", "Rewards/a.csv"],
            &["exposures/a.csv", "cell/a.csv"],
        ] {
            assert_eq!(layout(&Magic, &objects(keys), 1).unwrap().warnings.len(), 1, "{keys:?}");
        }
    }

    #[test]
    fn tables_of_other_formats_are_refused() {
        for key in [
            "exposures/metadata/v1.metadata.json",
            "exposures/t/metadata/00001-a.metadata.json",
            "exposures/metadata/00001-a.gz.metadata.json",
            "exposures/metadata/snap-1.avro",
            "exposures/metadata/version-hint.text",
            "exposures/.hoodie/hoodie.properties",
        ] {
            let objects = objects(&["exposures/data/a.parquet", key]);
            for error in [layout(&Magic, &objects, 1).unwrap_err(), read_keys(&objects).unwrap_err()] {
                let text = error.to_string();
                assert!(text.starts_with(key) && text.contains("exposures") && text.contains("UNLOAD"), "{text}");
            }
        }
        // A partition that is called so is none.
        assert!(layout(&Magic, &objects(&["exposures/metadata/a.parquet"]), 1).is_ok());
    }

    #[test]
    fn the_keys_that_are_uploaded() {
        let with_rewards = objects(&[
            "rewards/a.csv",
            "_SUCCESS",
            "exposures/b.csv",
            "exposures/_c.csv",
            "notes.txt",
            "mapping.json",
            "exposures/_delta_log/00000000000000000000.json",
        ]);
        assert_eq!(
            read_keys(&with_rewards).unwrap(),
            ["exposures/b.csv", "rewards/a.csv", "exposures/_delta_log/00000000000000000000.json", "mapping.json"]
        );
        assert_eq!(read_keys(&objects(&["cells/a.csv"])).unwrap(), ["cells/a.csv"]);
        assert!(read_keys(&objects(&["rewards/a.csv"])).unwrap().is_empty());
    }

    #[test]
    fn what_is_refused() {
        let error = |keys: &[&str]| layout(&Magic, &objects(keys), 1).unwrap_err().to_string();
        assert!(error(&["exposures/a.parquet", "cells/b.csv"]).contains("both exposures/a.parquet and cells/b.csv"));
        assert!(error(&["rewards/a.csv", "observations/b.csv"]).contains("both rewards/a.csv and observations/b.csv"));
        assert!(error(&["exposures/a.parquet", "exposures/b.csv"]).contains("exposures/ holds more than one format"));
        assert!(error(&["cells/readme.md"]).starts_with("cells/readme.md: the name ends in none of"));
        assert!(layout(&Magic, &objects(&["exposures/a.parquet", "rewards/b.csv"]), 1).is_ok());
    }
}
