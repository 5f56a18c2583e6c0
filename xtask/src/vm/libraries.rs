//! The shared libraries a program needs, found without running it: its interpreter and its `DT_NEEDED`, and theirs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::DT_NEEDED;
use object::read::elf::{ElfFile64, ProgramHeader};

/// Where the loader looks by itself, on Debian and elsewhere.
const FOLDERS: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Adds the files `program` needs to `out`, at the paths where the loader will look for them.
///
/// # Errors
///
/// When a file is not 64-bit ELF, or a library is in none of the loader's folders.
pub(super) fn collect(program: &[u8], out: &mut BTreeSet<PathBuf>) -> Result<()> {
    let needs = needs(program)?;
    let mut paths: Vec<PathBuf> = needs.interpreter.into_iter().collect();
    for name in needs.libraries {
        paths.push(find(&name)?);
    }
    for path in paths {
        if out.insert(path.clone()) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            collect(&bytes, out).with_context(|| format!("in {}", path.display()))?;
        }
    }
    Ok(())
}

struct Needs {
    interpreter: Option<PathBuf>,
    libraries: Vec<String>,
}

fn needs(program: &[u8]) -> Result<Needs> {
    let file = ElfFile64::<Endianness>::parse(program)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    let mut interpreter = None;
    for header in file.elf_program_headers() {
        if let Some(path) = header.interpreter(file.endian(), program)? {
            interpreter = Some(PathBuf::from(text(path)?));
        }
    }
    let table = file.elf_dynamic_table()?;
    let mut libraries = Vec::new();
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        libraries.push(text(table.string(entry)?)?);
    }
    Ok(Needs { interpreter, libraries })
}

fn find(name: &str) -> Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    match FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
    {
        Some(path) => Ok(path),
        None => bail!("{name} is in none of {}", FOLDERS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_a_loader_and_a_c_library() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut found = BTreeSet::new();
        collect(&own, &mut found).unwrap();
        let has = |part: &str| found.iter().any(|path| path.to_string_lossy().contains(part));
        assert!(has("ld-linux") && has("libc.so"), "{found:?}");
    }

    #[test]
    fn a_library_that_is_nowhere_is_named() {
        let error = find("libabsent.so.9").unwrap_err().to_string();
        assert!(error.starts_with("libabsent.so.9 is in none of /lib/"), "{error}");
    }
}
