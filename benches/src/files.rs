//! Files that are read and written.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    |cause| Error::File { path: path.to_owned(), cause }
}

/// Writes a text, and makes its folder where there is none.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::write(path, text).map_err(at(path))
}

/// Reads a text; `None` where there is no such file.
///
/// # Errors
/// [`Error::File`].
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(at(path)(cause)),
    }
}

/// Writes a value as indented JSON.
///
/// # Errors
/// [`Error::File`] and [`Error::Json`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let json = |cause| Error::Json { path: path.to_owned(), cause };
    write(path, &(serde_json::to_string_pretty(value).map_err(json)? + "\n"))
}

/// Reads JSON.
///
/// # Errors
/// [`Error::File`], also where there is no such file, and [`Error::Json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(at(path))?;
    serde_json::from_str(&text).map_err(|cause| Error::Json { path: path.to_owned(), cause })
}
