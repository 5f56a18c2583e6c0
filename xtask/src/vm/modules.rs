//! The kernel modules a machine loads: a short list and what it depends on, in an order in which they can be loaded.
//!
//! A package carries no `modules.dep`; the dependencies are read from the modules' own `.modinfo` sections.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lzma_rust2::XzReader;
use object::{Object, ObjectSection};

/// What the watcher's tests may need. btrfs asks for its checksums by name, which takes a `modprobe` no machine here has.
const WANTED: [&str; 10] = [
    "blake2b_generic",
    "xxhash_generic",
    "btrfs",
    "ext4",
    "fuse",
    "loop",
    "overlay",
    "veth",
    "vsock",
    "vsock_loopback",
];

/// A module, ready to be loaded.
pub(super) struct Module {
    /// Its name, with underscores.
    pub(super) name: String,
    /// The ELF file, decompressed.
    pub(super) bytes: Vec<u8>,
}

/// The modules below `folder`, each after those it depends on. What is built into the kernel, or not there, is left out.
pub(super) fn closure(folder: &Path) -> Result<Vec<Module>> {
    closure_of(&WANTED, folder)
}

fn closure_of(wanted: &[&str], folder: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    index(folder, &mut files)?;
    let mut out = Vec::new();
    for name in wanted {
        add(name, &files, &mut out)?;
    }
    Ok(out)
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, out: &mut Vec<Module>) -> Result<()> {
    let Some(path) = files.get(name) else { return Ok(()) };
    if out.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let bytes = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    for needed in depends(&bytes)? {
        add(&needed, files, out)?;
    }
    let name = name.to_owned();
    out.push(Module { name, bytes });
    Ok(())
}

/// Module names to files: `kernel/fs/btrfs/btrfs.ko`, `.ko.xz`.
fn index(folder: &Path, out: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            index(&entry.path(), out)?;
        } else if let Some((stem, "" | ".xz")) = name.split_once(".ko") {
            out.insert(stem.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    XzReader::new(bytes.as_slice(), true).read_to_end(&mut out)?;
    Ok(out)
}

/// The names in the module's `depends=` field.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let info = file.section_by_name(".modinfo").context("no .modinfo")?;
    let text = String::from_utf8_lossy(info.data()?).into_owned();
    let names = text.split('\0').find_map(|field| field.strip_prefix("depends="));
    let names = names.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

#[cfg(test)]
mod tests {
    use object::write::Object;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};

    use super::*;

    fn module(depends: &str) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
        let text = format!("license=GPL\0depends={depends}\0name=x\0");
        object.append_section_data(section, text.as_bytes(), 1);
        object.write().unwrap()
    }

    #[test]
    fn a_module_comes_once_and_after_what_it_depends_on() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("kernel/fs")).unwrap();
        for (name, depends) in [
            ("btrfs", "raid6_pq,xor"),
            ("raid6_pq", ""),
            ("xor", ""),
            ("over-lay", "xor"),
            ("odd", ""),
        ] {
            let path = home.path().join("kernel/fs").join(format!("{name}.ko"));
            fs::write(path, module(depends)).unwrap();
        }
        let found = closure_of(&["btrfs", "built_in", "over_lay"], home.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["raid6_pq", "xor", "btrfs", "over_lay"]);
    }
}
