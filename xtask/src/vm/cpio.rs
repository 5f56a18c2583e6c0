//! Writes the archive a kernel unpacks as its first root: cpio in the `newc` form
//! (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 6 | `070701` |
//! | 6 | 8 each | inode, mode, uid, gid, links, mtime, size, device major and minor, special file's major and minor, name's size with its NUL, check: hexadecimal |
//! | 110 | name's size | name, NUL; then zeros to a multiple of four |
//! | | size | contents; then zeros to a multiple of four |
//!
//! Everything belongs to root, unless said otherwise. Folders are written before what they hold.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const END: &str = "TRAILER!!!";

/// An archive in the making.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Adds a folder and those above it.
    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        self.folder_of(path, 0o755, 0)
    }

    /// Adds a folder with its permissions and the user and group it belongs to, and those above it.
    pub(super) fn folder_of(&mut self, path: &str, permissions: u32, owner: u32) -> Result<()> {
        let path = relative(path);
        if path.is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.above(path)?;
        self.folders.insert(path.to_owned());
        self.entry(path, FOLDER | permissions, owner, b"")
    }

    /// Adds a file with its permissions.
    pub(super) fn file(&mut self, path: &str, permissions: u32, contents: &[u8]) -> Result<()> {
        let path = relative(path);
        self.above(path)?;
        self.entry(path, FILE | permissions, 0, contents)
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let path = relative(path);
        self.above(path)?;
        self.entry(path, LINK | 0o777, 0, target.as_bytes())
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry(END, 0, 0, b"")?;
        Ok(self.bytes)
    }

    fn above(&mut self, path: &str) -> Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(above, _)| self.folder(above))
    }

    fn entry(&mut self, name: &str, mode: u32, owner: u32, contents: &[u8]) -> Result<()> {
        let size = u32::try_from(contents.len()).with_context(|| format!("{name} is too large"))?;
        let name_size = u32::try_from(name.len() + 1).with_context(|| format!("{name} is too long"))?;
        self.entries += 1;
        self.bytes.extend(b"070701");
        for field in [self.entries, mode, owner, owner, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn relative(path: &str) -> &str {
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.file("/a/bc", 0o644, b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(&bytes[..22], b"07070100000001000041ed");
        assert_eq!(&bytes[94..112], b"0000000200000000a\0");
        let file = &bytes[112..];
        assert_eq!(&file[..22], b"07070100000002000081a4");
        assert_eq!(&file[54..62], b"00000005");
        assert_eq!(&file[110..116], b"a/bc\0\0");
        assert_eq!(&file[116..124], b"hello\0\0\0");
        assert!(file[124..].starts_with(b"070701") && bytes.len() % 4 == 0);
    }

    #[test]
    fn a_folder_is_written_once_and_before_what_it_holds() {
        let mut archive = Archive::default();
        archive.file("/x/y/one", 0o755, b"").unwrap();
        archive.link("x/y/two", "one").unwrap();
        archive.folder("/x").unwrap();
        let text = String::from_utf8(archive.finish().unwrap()).unwrap();
        let names: Vec<&str> = text
            .split("070701")
            .filter_map(|entry| entry.get(104..)?.split('\0').next())
            .collect();
        assert_eq!(names, ["x", "x/y", "x/y/one", "x/y/two", END]);
    }
}
