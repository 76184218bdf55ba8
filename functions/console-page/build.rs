//! Makes the table of the console's files: whatever lies in `console/dist`, by name, as text of the binary.

use std::path::Path;
use std::{env, fmt::Write as _, fs, io};

fn main() -> io::Result<()> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console/dist");
    let missing = |error| io::Error::other(format!("{}: {error}", built.display()));
    let built = built.canonicalize().map_err(missing)?;
    println!("cargo::rerun-if-changed={}", built.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&built)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut table = "&[".to_owned();
    for name in names {
        let path = built.join(&name);
        // Writing to a text does not fail.
        let _ = write!(table, "({name:?}, include_str!({:?})),", path.display().to_string());
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(Path::new(&out).join("files.rs"), table)
}
