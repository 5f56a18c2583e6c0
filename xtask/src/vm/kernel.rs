//! The Debian cloud kernels the watcher is tried on, fetched once and kept under `target/vm`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt::{Release, home};

/// A kernel series, and the release of Debian that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Series {
    /// What an old host has: no BPF programs that sleep in most hooks
    #[value(name = "5.10")]
    Old,
    /// Debian 12
    #[value(name = "6.1")]
    Lts,
    /// Debian 13, and the backports of 12
    #[value(name = "6.12")]
    Current,
}

impl Series {
    /// The version's first two numbers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "5.10",
            Self::Lts => "6.1",
            Self::Current => "6.12",
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::Old => "bullseye",
            Self::Lts => "bookworm",
            Self::Current => "bookworm-backports",
        }
    }
}

/// An unpacked kernel.
pub(super) struct Kernel {
    /// The package it came from, with its version.
    pub(super) package: String,
    /// The bootable image.
    pub(super) image: PathBuf,
    /// The folder with its modules.
    pub(super) modules: PathBuf,
}

/// The kernel of a series, from `target/vm` or from the mirror.
///
/// # Errors
///
/// When it is neither kept nor can be fetched.
pub(super) fn get(series: Series) -> Result<Kernel> {
    let folder = home().join(series.name());
    if let Ok(kept) = open(&folder) {
        return Ok(kept);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let release = Release::open(series.suite())?;
    let prefix = format!("linux-image-{}.", series.name());
    let mut names = release.names(&prefix)?;
    // Backports are named 6.12.86+deb12-cloud-amd64, a release's own 6.1.0-56-cloud-amd64.
    names.retain(|name| name.ends_with("-cloud-amd64"));
    names.sort_by_key(|name| numbers(name));
    let newest = names
        .pop()
        .with_context(|| format!("{} has no {prefix}*-cloud-amd64", series.suite()))?;
    let package = release.unpack(&newest, &folder)?;
    // Written last: a folder without it is an interrupted download.
    fs::write(folder.join("package"), package)?;
    open(&folder)
}

fn open(folder: &Path) -> Result<Kernel> {
    let package = fs::read_to_string(folder.join("package"))?;
    let image = only(&folder.join("boot"), "vmlinuz-")?;
    let all = ["usr/lib/modules", "lib/modules"].map(|path| folder.join(path));
    let modules = all
        .iter()
        .find(|path| path.is_dir())
        .context("the package has no modules")?;
    let modules = only(modules, "")?;
    Ok(Kernel {
        package,
        image,
        modules,
    })
}

/// The one entry of `folder` whose name starts with `prefix`.
fn only(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    names
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .with_context(|| format!("nothing named {prefix}* in {}", folder.display()))
}

/// The numbers in a version, to order versions by.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let mut names = ["6.1.0-9-cloud", "6.1.0-56-cloud", "6.1.0-10-cloud"];
        names.sort_by_key(|name| numbers(name));
        assert_eq!(names, ["6.1.0-9-cloud", "6.1.0-10-cloud", "6.1.0-56-cloud"]);
    }
}
