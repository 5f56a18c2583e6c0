//! The walk: which files the arguments of a scan stand for, and what could not be followed.
//!
//! Hidden and ignored files are walked like any other. A link to a file is followed when its target lies inside the
//! root (the target is then met by itself) or in the `blobs` folder of a model cache whose `snapshots` hold the link,
//! once per (device, inode). Every other link, a link to an enclosing directory, a special file and a directory that
//! cannot be read become problems, and a problem makes the scan incomplete.

use crate::finding::{ErrorCode, ScanError};
use globset::GlobSet;
use rayon::prelude::*;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One argument of a scan, resolved.
#[derive(Debug)]
pub struct Root {
    /// The argument as given.
    pub path: PathBuf,
    /// Whether it is a directory (and so a container of its own).
    pub directory: bool,
    /// What it stands for, in the order of the sorted walk.
    pub items: Vec<Item>,
    /// Files and directories that `--exclude` left out.
    pub excluded: u64,
    /// Links to files that are items under another name, sorted by path.
    pub links: Vec<Link>,
}

/// A link that stands for a file met under another name.
#[derive(Debug)]
pub struct Link {
    /// The link: the argument joined with the walk's components.
    pub path: PathBuf,
    /// The path of the item.
    pub target: PathBuf,
}

/// One step of the walk.
#[derive(Debug)]
pub struct Item {
    /// The argument joined with the walk's components.
    pub path: PathBuf,
    /// A file to scan, or why it cannot be.
    pub what: Result<u64, ScanError>,
}

/// Resolves one argument. A file stands for itself, whatever it is called and wherever a link leads.
///
/// # Errors
/// When the argument does not exist: the caller says so before scanning. One that exists and cannot be examined is a
/// root whose only item is a problem.
pub(crate) fn resolve(argument: &Path, exclude: &GlobSet) -> std::io::Result<Root> {
    let single = |what| {
        let item = Item {
            path: argument.to_owned(),
            what,
        };
        Root {
            path: argument.to_owned(),
            directory: false,
            items: vec![item],
            excluded: 0,
            links: Vec::new(),
        }
    };
    let meta = match fs::metadata(argument) {
        Ok(meta) => meta,
        Err(e)
            if matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(e);
        }
        Err(e) => return Ok(single(Err(ScanError::new(ErrorCode::Unreadable, e.to_string())))),
    };
    if !meta.is_dir() {
        return Ok(single(readable(&meta)));
    }
    Ok(Directory::new(argument).walk(exclude))
}

struct Directory {
    root: PathBuf,
    canonical: PathBuf,
    items: Vec<Item>,
    /// Where in `items` the file of a (device, inode) stands.
    seen: HashMap<(u64, u64), usize>,
    links: Vec<Link>,
}

impl Directory {
    fn new(root: &Path) -> Self {
        let canonical = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        Self {
            root: root.to_owned(),
            canonical,
            items: Vec::new(),
            seen: HashMap::new(),
            links: Vec::new(),
        }
    }

    fn walk(mut self, exclude: &GlobSet) -> Root {
        let (mut links, mut excluded) = (Vec::new(), 0u64);
        let counted = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (root, globs, count) = (self.root.clone(), exclude.clone(), std::sync::Arc::clone(&counted));
        let walk = ignore::WalkBuilder::new(&self.root)
            .standard_filters(false)
            .follow_links(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .filter_entry(move |entry| {
                if globs.is_empty() {
                    return true;
                }
                let inside = entry.path().strip_prefix(&root).unwrap_or(entry.path());
                let out =
                    globs.is_match(inside) || inside.file_name().is_some_and(|name| globs.is_match(Path::new(name)));
                if out && !inside.as_os_str().is_empty() {
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    return false;
                }
                true
            })
            .build();
        let mut files = Vec::new();
        for entry in walk {
            match entry {
                Ok(entry) => match entry.file_type() {
                    Some(kind) if kind.is_dir() => {}
                    Some(kind) if kind.is_symlink() => links.push(entry.into_path()),
                    _ => files.push(entry.into_path()),
                },
                Err(error) => self.problem(
                    error_path(&error).unwrap_or(&self.root.clone()),
                    ErrorCode::Unreadable,
                    error.to_string(),
                ),
            }
        }
        // A walk that met nothing but files met them in order.
        let ordered = links.is_empty() && self.items.is_empty();
        self.files(files, !links.is_empty());
        for link in links {
            self.link(link);
        }
        if !ordered {
            self.items.sort_by(|a, b| a.path.components().cmp(b.path.components()));
            self.links.sort_by(|a, b| a.path.components().cmp(b.path.components()));
        }
        excluded = excluded.saturating_add(counted.load(std::sync::atomic::Ordering::Relaxed));
        Root {
            path: self.root,
            directory: true,
            items: self.items,
            excluded,
            links: self.links,
        }
    }

    /// Takes what is neither a directory nor a link. Which files they are is kept where links may lead to them.
    fn files(&mut self, paths: Vec<PathBuf>, linked: bool) {
        let seen: Vec<(Item, Option<(u64, u64)>)> = paths
            .into_par_iter()
            .with_min_len(64)
            .map(|path| match fs::symlink_metadata(&path) {
                Ok(meta) => {
                    let what = readable(&meta);
                    (Item { path, what }, linked.then(|| (meta.dev(), meta.ino())))
                }
                Err(error) => {
                    let what = Err(ScanError::new(ErrorCode::Unreadable, error.to_string()));
                    (Item { path, what }, None)
                }
            })
            .collect();
        self.items.reserve(seen.len());
        for (item, identity) in seen {
            if let Some(identity) = identity {
                self.seen.insert(identity, self.items.len());
            }
            self.items.push(item);
        }
    }

    fn link(&mut self, path: PathBuf) {
        let target = match fs::canonicalize(&path) {
            Ok(target) => target,
            Err(error) => {
                return self.problem(
                    &path,
                    ErrorCode::NotFollowed,
                    format!("link cannot be resolved: {error}"),
                );
            }
        };
        let Ok(meta) = fs::metadata(&target) else {
            return self.problem(&path, ErrorCode::NotFollowed, "link target cannot be read".to_owned());
        };
        let inside = target.starts_with(&self.canonical);
        if meta.is_dir() {
            let home = path.parent().and_then(|p| fs::canonicalize(p).ok());
            if home.is_some_and(|home| home.starts_with(&target)) {
                self.problem(
                    &path,
                    ErrorCode::NotFollowed,
                    "link to a directory that holds it: a loop".to_owned(),
                );
            } else if !inside {
                self.problem(
                    &path,
                    ErrorCode::NotFollowed,
                    "link to a directory outside the scanned root".to_owned(),
                );
            }
        } else if inside {
            // Met by the walk under its own name, or excluded by the user.
            if let Ok(below) = target.strip_prefix(&self.canonical) {
                let target = self.root.join(below);
                self.links.push(Link { path, target });
            }
        } else if leads_to_model_cache(&path, &target) {
            match self.seen.entry((meta.dev(), meta.ino())) {
                Entry::Occupied(known) => {
                    let target = self.items.get(*known.get()).map(|item| item.path.clone());
                    self.links.extend(target.map(|target| Link { path, target }));
                }
                Entry::Vacant(new) => {
                    new.insert(self.items.len());
                    self.items.push(Item {
                        path,
                        what: readable(&meta),
                    });
                }
            }
        } else {
            self.problem(
                &path,
                ErrorCode::NotFollowed,
                "link to a file outside the scanned root".to_owned(),
            );
        }
    }

    fn problem(&mut self, path: &Path, code: ErrorCode, message: String) {
        self.items.push(Item {
            path: path.to_owned(),
            what: Err(ScanError::new(code, message)),
        });
    }
}

/// `<cache>/snapshots/<revision>/.../name -> <cache>/blobs/<digest>`.
pub(super) fn leads_to_model_cache(link: &Path, target: &Path) -> bool {
    let Some(home) = link.parent().and_then(|p| fs::canonicalize(p).ok()) else {
        return false;
    };
    let Some(blobs) = target.parent().filter(|p| p.file_name().is_some_and(|n| n == "blobs")) else {
        return false;
    };
    let Some(cache) = blobs.parent() else { return false };
    home.starts_with(cache.join("snapshots"))
}

fn readable(meta: &Metadata) -> Result<u64, ScanError> {
    if meta.is_file() {
        return Ok(meta.len());
    }
    Err(ScanError::new(
        ErrorCode::Unsupported,
        format!(
            "{} is not read: it has no content of its own",
            special(meta.file_type())
        ),
    ))
}

fn special(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() {
        "a block device"
    } else if kind.is_char_device() {
        "a character device"
    } else {
        "a special file"
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
