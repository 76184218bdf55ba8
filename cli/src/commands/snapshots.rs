//! `fulcrum snapshots`: what training reads, put into the bucket and seen there.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use events::snapshot::{MANIFEST_NAME, ManifestObject};
use fulcrum_core::App;
use fulcrum_core::store::snapshots_prefix;
use serde_json::json;

use super::check;
use super::stores::{app, of_bucket, of_table};
use super::upload::{LocalFile, files};
use crate::args::SnapshotsCommand;
use crate::error::CliError;
use crate::screen::{Screen, Table, print_json, print_note, print_text};
use crate::terminal;

const SUCCESS: &str = "_SUCCESS";

pub(crate) async fn run(command: SnapshotsCommand) -> Result<(), CliError> {
    match command {
        SnapshotsCommand::Put { optimization, folder, snapshot_id, no_check, table, bucket, organization } => {
            let files = files(&folder)?;
            let app = app(table.as_deref().unwrap_or_default(), &bucket).await;
            if let (false, Some(table)) = (no_check, &table) {
                let found = check::folder(&app, &organization.organization, optimization, &folder).await;
                let found = found.map_err(of_table(table))?;
                if let Some(cause) = found.fails {
                    return Err(CliError::CheckFailed { cause });
                }
                for warning in &found.warnings {
                    print_note(&format!("warning: {}: {}", warning.code, terminal::value(&warning.message)));
                }
            }
            let id = snapshot_id.unwrap_or_else(|| app.clock.now().format("%Y-%m-%dT%H-%M-%SZ").to_string());
            let prefix = snapshots_prefix(&organization.organization, &optimization.to_string());
            put(&app, &prefix, &id, &files).await.map_err(of_bucket(&bucket))?;
            let bytes: u64 = files.iter().map(|file| file.bytes).sum();
            if organization.json {
                print_json(&json!({
                    "snapshot_id": id,
                    "url": format!("s3://{bucket}/{prefix}{id}/"),
                    "complete": true,
                    "objects": files.len(),
                    "bytes": bytes,
                }));
            } else {
                print_text(&format!(
                    "s3://{bucket}/{prefix}{id}/ is complete: {} files, {}.",
                    files.len(),
                    size(bytes)
                ));
            }
            Ok(())
        }
        SnapshotsCommand::Check { optimization, snapshot, table, organization } => {
            let of = &organization.organization;
            let found = match snapshot.strip_prefix("s3://") {
                Some(url) => {
                    let (bucket, prefix) = url.split_once('/').unwrap_or((url, ""));
                    let app = app(&table, bucket).await;
                    app.check_stored_snapshot(of, optimization, prefix).await.map_err(CliError::Core)
                }
                None => check::folder(&app(&table, "").await, of, optimization, Path::new(&snapshot)).await,
            };
            let found = found.map_err(of_table(&table))?;
            if organization.json {
                print_json(&serde_json::to_value(&found).unwrap_or_default());
            } else {
                print_text(&check::shown(Screen::stdout(), &found));
            }
            found.fails.map_or(Ok(()), |cause| Err(CliError::CheckFailed { cause }))
        }
        SnapshotsCommand::List { optimization, bucket, organization } => {
            let app = app("", &bucket).await;
            let prefix = snapshots_prefix(&organization.organization, &optimization.to_string());
            list(&app, &organization.organization, &prefix, organization.json).await.map_err(of_bucket(&bucket))
        }
    }
}

/// Uploads a snapshot, the mark of its completeness last.
async fn put(app: &App, prefix: &str, id: &str, files: &[LocalFile]) -> Result<(), CliError> {
    if app.bucket.is_complete(prefix, id).await? {
        return Err(CliError::SnapshotExists { id: id.to_owned() });
    }
    only(app, prefix, id, files).await?;
    for file in files {
        let body = ByteStream::from_path(&file.path).await.map_err(|e| CliError::file(&file.path, e))?;
        app.bucket.put(&format!("{prefix}{id}/{}", file.key), body).await?;
    }
    // Somebody else may have put files of their own under the same id meanwhile.
    only(app, prefix, id, files).await?;
    // Of two who complete the same snapshot at once, one is told.
    if app.bucket.put_new(&format!("{prefix}{id}/{SUCCESS}"), Bytes::new()).await? {
        Ok(())
    } else {
        Err(CliError::SnapshotExists { id: id.to_owned() })
    }
}

/// Refuses a snapshot that holds more than the given files: an upload that did not end may have left some.
async fn only(app: &App, prefix: &str, id: &str, files: &[LocalFile]) -> Result<(), CliError> {
    let found = app.bucket.list(&format!("{prefix}{id}/")).await?;
    let ours = |key: &str| files.binary_search_by(|file| file.key.as_str().cmp(key)).is_ok();
    let others: Vec<String> = found.into_iter().map(|(key, _)| key).filter(|key| !ours(key)).collect();
    if others.is_empty() { Ok(()) } else { Err(CliError::Leftovers { id: id.to_owned(), keys: others }) }
}

/// What a manifest names: objects, their bytes and, where it says them, their rows.
fn named(objects: &[ManifestObject]) -> serde_json::Value {
    let rows = objects.iter().map(|object| object.rows).sum::<Option<u64>>();
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    json!({"objects": objects.len(), "bytes": bytes, "rows": rows})
}

async fn list(app: &App, organization: &str, prefix: &str, as_json: bool) -> Result<(), CliError> {
    let mut table = Table::new(&["snapshot", "state", ">files", ">size", "shape"]);
    let mut all = Vec::new();
    for id in app.bucket.snapshot_ids(prefix).await? {
        let objects = app.bucket.list(&format!("{prefix}{id}/")).await?;
        let complete = objects.iter().any(|(key, _)| key == SUCCESS);
        let data: Vec<_> = objects.iter().filter(|(key, _)| key != SUCCESS).collect();
        // What a manifest names is what the snapshot has; its own objects are then the manifest alone.
        let manifest = app.snapshot_manifest(organization, &format!("{prefix}{id}/"), &objects).await;
        let (manifest, broken) = match manifest {
            Ok(manifest) => (manifest, None),
            Err(fulcrum_core::ApiError::InvalidSnapshot { message }) => (None, Some(message)),
            Err(other) => return Err(CliError::Core(other)),
        };
        let (files, bytes) = match &manifest {
            Some(manifest) => (manifest.objects().count(), manifest.bytes()),
            None => (data.len(), data.iter().map(|(_, bytes)| bytes).sum()),
        };
        let mut folders: Vec<&str> = data.iter().filter_map(|(key, _)| Some(key.split_once('/')?.0)).collect();
        folders.dedup();
        let shape = match (&manifest, &broken) {
            (Some(manifest), _) => {
                let count =
                    |objects: &[ManifestObject]| match objects.iter().map(|object| object.rows).sum::<Option<u64>>() {
                        Some(rows) => format!("{} ({rows} rows)", objects.len()),
                        None => objects.len().to_string(),
                    };
                format!("manifest: exposures {}, rewards {}", count(&manifest.exposures), count(&manifest.rewards))
            }
            (None, Some(_)) => format!("{MANIFEST_NAME} is broken"),
            (None, None) => folders.join(" "),
        };
        if let Some(message) = &broken {
            print_note(&format!("warning: {message}"));
        }
        let mut shown = json!({
            "snapshot_id": id,
            "complete": complete,
            "objects": files,
            "bytes": bytes,
            "folders": folders,
        });
        if let Some(manifest) = &manifest {
            let key = format!("{prefix}{id}/{MANIFEST_NAME}");
            shown["manifest"] =
                json!({"key": key, "exposures": named(&manifest.exposures), "rewards": named(&manifest.rewards)});
        }
        all.push(shown);
        let state = if complete { "complete" } else { "incomplete" };
        table.row(vec![
            terminal::value(&id).into_owned(),
            state.into(),
            files.to_string(),
            size(bytes),
            terminal::value(&shape).into_owned(),
        ]);
    }
    if as_json {
        print_json(&json!({"snapshots": all}));
    } else {
        print_text(&table.render(Screen::stdout()));
    }
    Ok(())
}

/// A size for people: `1.5 MB`, with powers of 1000.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(1_234_567_890), "1.2 GB");
    }
}
