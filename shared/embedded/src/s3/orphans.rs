//! What a killed process leaves beside the objects: half a body, notes on an object that never came or has gone, parts of an
//! upload that is over. The folder is locked when this runs, so nobody is in the middle of anything.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Removes orphans from a folder and those below it.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    let mut names = HashSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if let Ok(name) = entry.file_name().into_string() {
            names.insert(name);
        }
    }
    for name in names.iter().filter(|name| is_orphan(name, &names)) {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// Whether a file of s3s-fs's own belongs to nothing among the files of its folder.
fn is_orphan(name: &str, names: &HashSet<String>) -> bool {
    let upload_goes_on = |id: &str| names.contains(&format!(".upload-{id}.json"));
    if name.starts_with(".tmp.") {
        return true;
    }
    if let Some((id, _)) = name.strip_prefix(".upload_id-").and_then(|rest| rest.rsplit_once(".part-")) {
        return !upload_goes_on(id);
    }
    let Some((key, ending)) = name.strip_prefix(".bucket-.object-").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    if let Some(id) = ending.strip_prefix("upload-").and_then(|rest| rest.strip_suffix(".metadata.json")) {
        return !upload_goes_on(id);
    }
    let object = URL_SAFE_NO_PAD.decode(key).ok().and_then(|key| String::from_utf8(key).ok());
    object.is_some_and(|object| !names.contains(&object))
}
