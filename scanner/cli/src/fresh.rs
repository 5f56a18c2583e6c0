//! A file that is written once a scan is over: its place is taken before anything is scanned, and it appears whole or not at
//! all.

use anyhow::{Context, Result};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file beside its place, under another name.
pub(crate) struct Fresh {
    option: &'static str,
    path: PathBuf,
    file: NamedTempFile,
}

impl Fresh {
    /// Makes the file that `--option` names.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub(crate) fn new(option: &'static str, path: &Path) -> Result<Self> {
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(&format!(".probity-{option}-"))
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(dir)
            .with_context(|| format!("cannot write --{option} {}", path.display()))?;
        Ok(Self {
            option,
            path: path.to_owned(),
            file,
        })
    }

    /// The place, as it was given.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Puts `bytes` in the place.
    ///
    /// # Errors
    /// What the operating system reports; a file that has come to stand there is left as it is.
    pub(crate) fn put(mut self, bytes: &[u8]) -> Result<()> {
        let (option, name) = (self.option, self.name());
        self.file
            .write_all(bytes)
            .and_then(|()| self.file.as_file().sync_all())
            .and_then(|()| self.file.persist_noclobber(&self.path).map_err(|e| e.error))
            .with_context(|| format!("cannot write --{option} {name}"))?;
        Ok(())
    }
}
