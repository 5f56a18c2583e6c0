//! Collects `rules/*.toml`, `known/*.toml`, `trust/*.toml` and `trust/roots/*.der` into sorted static tables, so that adding a rule is adding one file.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut source = String::new();
    for (folder, table) in [
        ("rules", "RULE_FILES"),
        ("known", "KNOWN_FILES"),
        ("trust", "TRUST_FILES"),
    ] {
        println!("cargo:rerun-if-changed={folder}");
        write_table(
            &mut source,
            (table, "str"),
            &manifest.join(folder),
            "toml",
            "include_str",
        )?;
    }
    let roots = manifest.join("trust/roots");
    write_table(&mut source, ("ROOT_FILES", "[u8]"), &roots, "der", "include_bytes")?;
    fs::write(out.join("embedded.rs"), source)
}

/// Appends `static TABLE: &[(file name, content)]`, sorted by file name, over the files of `folder` with that ending.
fn write_table(
    source: &mut String,
    (table, content): (&str, &str),
    folder: &Path,
    ending: &str,
    include: &str,
) -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            paths.push(path);
        }
    }
    paths.sort();
    let _ = writeln!(source, "pub(crate) static {table}: &[(&str, &{content})] = &[");
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(source, "    ({name:?}, {include}!({:?})),", path.display().to_string());
    }
    source.push_str("];\n");
    Ok(())
}
