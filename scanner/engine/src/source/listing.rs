//! What lies below a directory, for schemes that sign a directory as a whole.
//!
//! Unlike the walk of a scan, which looks for content wherever it lies, this keeps every name with what stands under it:
//! a link stays a link, with where it leads. Nothing is opened.

use super::walk::leads_to_model_cache;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One name below the directory.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Its path from the directory, levels separated by `/`.
    pub(crate) name: Vec<u8>,
    /// What stands there.
    pub(crate) what: Standing,
}

/// A regular file that can be opened, and which one it was when the directory was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Regular {
    /// Where it lies, links resolved.
    pub(crate) path: PathBuf,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Device and inode.
    pub(crate) identity: (u64, u64),
}

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A regular file.
    File(Regular),
    /// A link to a regular file inside the directory.
    Link(Regular),
    /// A link of a model cache's snapshot to its blobs: a file as the cache keeps it.
    Blob(Regular),
    /// A link to a directory inside.
    Folder,
    /// A link that leads outside, and its text.
    Outside(Vec<u8>),
    /// A link to nothing that can be read.
    Broken,
    /// A device, a FIFO or a socket.
    Special,
    /// Something that could not be looked at, and why.
    Unreadable(String),
}

/// Everything below `directory` but directories, sorted by name; a file is called `.`; `None` when there are more than `most` names.
///
/// # Errors
/// When the directory itself cannot be resolved.
pub(crate) fn list(directory: &Path, most: usize) -> io::Result<Option<Vec<Listed>>> {
    let canonical = fs::canonicalize(directory)?;
    let meta = fs::metadata(&canonical)?;
    if meta.is_file() {
        let what = Standing::File(regular(canonical, &meta));
        return Ok(Some(vec![Listed {
            name: b".".to_vec(),
            what,
        }]));
    }
    let mut found = Vec::new();
    let walk = ignore::WalkBuilder::new(&canonical)
        .standard_filters(false)
        .follow_links(false)
        .build();
    for entry in walk {
        if found.len() >= most {
            return Ok(None);
        }
        match entry {
            Ok(entry) => {
                let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else {
                    continue;
                };
                let path = entry.path();
                let what = if kind.is_symlink() {
                    link(&canonical, path)
                } else if kind.is_file() {
                    match fs::symlink_metadata(path) {
                        Ok(meta) => Standing::File(regular(path.to_owned(), &meta)),
                        Err(error) => Standing::Unreadable(error.to_string()),
                    }
                } else {
                    Standing::Special
                };
                let name = below(&canonical, path);
                found.push(Listed { name, what });
            }
            Err(error) => found.push(Listed {
                name: error_path(&error).map_or_else(Vec::new, |path| below(&canonical, path)),
                what: Standing::Unreadable(error.to_string()),
            }),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(found))
}

/// The path of `file` from `directory`, when it lies there.
pub(crate) fn name_below(directory: &Path, file: &Path) -> Option<Vec<u8>> {
    let directory = fs::canonicalize(directory).ok()?;
    // The last level is not resolved: what counts is the name under which the directory holds it.
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::canonicalize(parent).ok()?,
        _ => fs::canonicalize(".").ok()?,
    };
    let file = parent.join(file.file_name()?);
    Some(file.strip_prefix(&directory).ok()?.as_os_str().as_bytes().to_vec())
}

fn below(directory: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(directory)
        .map_or(OsStr::new(""), Path::as_os_str)
        .as_bytes()
        .to_vec()
}

fn regular(path: PathBuf, meta: &fs::Metadata) -> Regular {
    Regular {
        path,
        length: meta.len(),
        identity: (meta.dev(), meta.ino()),
    }
}

fn link(directory: &Path, path: &Path) -> Standing {
    let Ok(target) = fs::canonicalize(path) else {
        let text = fs::read_link(path).unwrap_or_default();
        let outside = text.is_absolute() && !text.starts_with(directory);
        return if outside {
            Standing::Outside(text.into_os_string().as_bytes().to_vec())
        } else {
            Standing::Broken
        };
    };
    let Ok(meta) = fs::symlink_metadata(&target) else {
        return Standing::Broken;
    };
    if target.starts_with(directory) {
        if meta.is_dir() {
            Standing::Folder
        } else if meta.is_file() {
            Standing::Link(regular(target, &meta))
        } else {
            Standing::Special
        }
    } else if meta.is_file() && leads_to_model_cache(path, &target) {
        Standing::Blob(regular(target, &meta))
    } else {
        let text = fs::read_link(path).unwrap_or(target);
        Standing::Outside(text.as_os_str().as_bytes().to_vec())
    }
}

fn error_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_name_is_told_with_what_stands_under_it() {
        let home = tempfile::tempdir().unwrap();
        let (model, other) = (home.path().join("model"), home.path().join("other"));
        fs::create_dir_all(model.join("sub")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(model.join("sub/a"), b"abc").unwrap();
        fs::write(other.join("secret"), b"s").unwrap();
        symlink("sub/a", model.join("inside")).unwrap();
        symlink("../other/secret", model.join("outside")).unwrap();
        symlink("sub", model.join("folder")).unwrap();
        symlink("nowhere", model.join("broken")).unwrap();
        symlink("/nowhere/at/all", model.join("lost")).unwrap();
        let listed = list(&model, 100).unwrap().unwrap();
        let kinds: Vec<(String, &str)> = listed
            .iter()
            .map(|l| {
                let kind = match &l.what {
                    Standing::File(_) => "file",
                    Standing::Link(_) => "link",
                    Standing::Blob(_) => "blob",
                    Standing::Folder => "folder",
                    Standing::Outside(_) => "outside",
                    Standing::Broken => "broken",
                    Standing::Special => "special",
                    Standing::Unreadable(_) => "unreadable",
                };
                (String::from_utf8_lossy(&l.name).into_owned(), kind)
            })
            .collect();
        let expected = [
            ("broken", "broken"),
            ("folder", "folder"),
            ("inside", "link"),
            ("lost", "outside"),
            ("outside", "outside"),
            ("sub/a", "file"),
        ];
        assert_eq!(kinds, expected.map(|(n, k)| (n.to_owned(), k)));
        assert!(list(&model, 3).unwrap().is_none());
        assert_eq!(name_below(&model, &model.join("sub/a")).unwrap(), b"sub/a");
        assert_eq!(name_below(&model, &other.join("secret")), None);
    }

    #[test]
    fn blobs_of_a_model_cache_are_files() {
        let home = tempfile::tempdir().unwrap();
        let snapshot = home.path().join("snapshots/1");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir(home.path().join("blobs")).unwrap();
        fs::write(home.path().join("blobs/x"), b"abc").unwrap();
        symlink("../../blobs/x", snapshot.join("config.json")).unwrap();
        let listed = list(&snapshot, 100).unwrap().unwrap();
        assert!(matches!(&listed[0].what, Standing::Blob(file) if file.length == 3));
    }
}
