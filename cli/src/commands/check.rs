//! `fulcrum snapshots check`: a snapshot as a training run would read it, explained.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fulcrum_core::App;
use snapshots::{Check, Object, Source, SourceError};
use uuid::Uuid;

use super::upload;
use crate::answers::facts;
use crate::error::CliError;
use crate::screen::{Screen, Table};
use crate::terminal;

/// A snapshot in a folder.
struct Folder(PathBuf);

impl Source for Folder {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let read = || -> io::Result<Bytes> {
            let mut file = File::open(self.0.join(key))?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end - range.start).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|error| SourceError::Failed(Box::new(error)))
    }
}

/// Checks a folder on disk.
///
/// # Errors
/// [`CliError::NoSnapshot`], [`CliError::File`], and what the table answers.
pub(super) async fn folder(
    app: &App,
    organization: &str,
    optimization: Uuid,
    folder: &Path,
) -> Result<Check, CliError> {
    let objects: Vec<Object> = upload::objects(folder)?;
    let source = Folder(folder.to_owned());
    app.check_snapshot(organization, optimization, source, objects).await.map_err(CliError::Core)
}

/// A check as text.
pub(super) fn shown(screen: Screen, check: &Check) -> String {
    // What the files say is shown as a terminal may show it.
    let value = |text: &str| terminal::value(text).into_owned();
    let mut pairs = Vec::new();
    for of in &check.files {
        pairs.push(("files", format!("{}/: {} of {}, {} bytes", of.folder, of.files, of.format, of.bytes)));
    }
    if let Some(seen) = &check.observations {
        pairs.push(("exposures", seen.exposures.to_string()));
        pairs.push(("rewards", format!("{}, {} of them attributed", seen.rewards, seen.attributed_rewards)));
    }
    for of in &check.skipped {
        let example = of.example.as_ref().map(|example| format!(" (first {example})")).unwrap_or_default();
        pairs.push(("skipped", value(&format!("{}/: {} {}{example}", of.folder, of.rows, of.reason.name()))));
    }
    pairs.push(("rate", check.rate.map(|rate| format!("{rate:.5}")).unwrap_or_default()));
    if let Some(ids) = check.ids {
        pairs.push(("ids", format!("{} with a reward, {} of them with an exposure", ids.with_rewards, ids.matched)));
    }
    if let Some(days) = &check.days {
        pairs.push(("days", format!("{} from {} to {}", days.days, days.first, days.last)));
    }
    let duplicates = if check.duplicates > 0 { check.duplicates.to_string() } else { String::new() };
    pairs.push(("duplicates", duplicates));
    for warning in &check.warnings {
        let example = warning.example.as_ref().map(|example| format!(" ({example})")).unwrap_or_default();
        pairs.push(("warning", value(&format!("{}: {}{example}", warning.code, warning.message))));
    }
    let mut shown = facts(screen, &pairs);
    let mut columns = Table::new(&["folder", "column", "type", "read as", ">files"]);
    for column in &check.columns {
        columns.row(vec![
            column.folder.clone(),
            value(&column.column),
            value(&column.written_as),
            value(column.read_as.as_deref().unwrap_or("(not read)")),
            column.files.to_string(),
        ]);
    }
    if !check.columns.is_empty() {
        let more = match check.more_columns {
            0 => String::new(),
            more => format!("and {more} columns of files more\n"),
        };
        let _ = write!(shown, "\n{}\n{}{more}", screen.heading("Columns"), columns.render(screen));
    }
    let mut levels = Table::new(&["factor", "level", ">n", ""]);
    for level in &check.levels {
        levels.row(vec![value(&level.factor), value(&level.level), level.n.to_string(), String::new()]);
    }
    for level in &check.unknown {
        let remark = level.did_you_mean.as_ref().map(|near| format!("unknown; did you mean {near:?}?"));
        let shown = level.value.as_ref().map_or_else(|| "(missing)".to_owned(), |text| format!("{text:?}"));
        levels.row(vec![
            value(&level.factor),
            value(&shown),
            level.n.to_string(),
            remark.unwrap_or_else(|| "unknown".into()),
        ]);
    }
    if !check.levels.is_empty() {
        let _ = write!(shown, "\n{}\n{}", screen.heading("Levels"), levels.render(screen));
    }
    shown
}
